package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
)

// pastCustomer used tokens in the weeks before the demo, so that charts and forecasts have something to tell.
type pastCustomer struct {
	account  string
	people   []string
	perday   float64 // of its first use, on a usual weekday
	growth   float64 // of what a day uses, from the first day to the last
	quantity int64
	overrun  ledger.OverdraftType
	limit    int64
	lasts    time.Duration // from the first day on
	series   string        // demoPastSeries unless given
	uses     []pastUse     // renders unless given
	ended    string        // the line item of that time, which is not used any more: the demo sells others
}

// pastUse is an item, and how often of perday.
type pastUse struct {
	item, version string
	share         float64
}

var (
	renders    = []pastUse{{"render.frame", "hd", 0.6}, {"render.frame", "4k", 0.4}, {"mesh.repair", "", 0.1}}
	assistants = []pastUse{{"ai.output", "", 1}, {"ai.input", "", 2}, {"page.scan", "", 0.2}}
)

const (
	demoPastDays  = 28
	demoPastSteps = 4 // of a day, each of one commit
	demoPastStart = demoPastDays * 24 * time.Hour
)

func pastCustomers() []pastCustomer {
	return []pastCustomer{
		{account: "harbor", people: []string{"ines", "tomas", "node-01"}, perday: 60, growth: 0.4, quantity: 3_000, lasts: aYear},                               // runs out in some weeks
		{account: "kestrel", people: []string{"yuki", "node-02"}, perday: 45, quantity: 1_450, overrun: ledger.NumberOverdraft, limit: 400, lasts: aYear},       // is about to
		{account: "orchard", people: []string{"sam", "lea"}, perday: 12, growth: -0.3, quantity: 6_000, lasts: demoPastStart + 40*24*time.Hour},                 // will lose most of it
		{account: "quarry", people: []string{"ravi", "mina", "joao"}, perday: 30, growth: 0.1, quantity: 600, overrun: ledger.UnlimitedOverdraft, lasts: aYear}, // is overdrawn
		{account: "acme", people: []string{"maria", "tomasz", "node-07"}, perday: 12, growth: 0.2, quantity: 1_000, lasts: demoPastStart, ended: "ACME-2025"},
		{account: "nordwind", people: []string{"olga", "hpc-a", "piet"}, perday: 900, growth: 0.3, quantity: 60_000, lasts: demoPastStart, ended: "NORD-2025"},
		{account: "lumen", people: []string{"helpdesk", "ines", "kofi"}, perday: 6, quantity: 400, lasts: demoPastStart, series: demoPastAssistant, uses: assistants, ended: "LUMEN-TRIAL"},
	}
}

func (c *pastCustomer) lineItem(instanceID string, start time.Time) ledger.LineItem {
	return ledger.LineItem{
		ActivationID: cmp.Or(c.ended, c.account+"-2026"), InstanceID: instanceID, State: ledger.Deployed, Quantity: c.quantity,
		StartMS: start.UnixMilli(), EndMS: start.Add(c.lasts).UnixMilli(), Elastic: true, Series: cmp.Or(c.series, demoPastSeries),
		Overdraft: c.overrun, OverdraftLimit: c.limit, Kind: ledger.Paid,
	}
}

// liveThroughPast makes the past customers and charges what they used, under an engine whose clock is set, before anybody is served. It returns how
// many tokens that was.
func liveThroughPast(ctx context.Context, s store.Store, now time.Time) (used token.Amount, err error) {
	var clock atomic.Int64
	start := now.Add(-demoPastStart)
	clock.Store(start.UnixMilli())
	e := engine.New(s, engine.Options{Now: func() time.Time { return time.UnixMilli(clock.Load()) }})
	defer e.Stop()
	customers := pastCustomers()
	instances := make([]string, len(customers))
	err = change(ctx, e, func(tx *engine.Change) error {
		if err := addPastPrices(tx, start); err != nil {
			return err
		}
		for i, c := range customers {
			instance, err := tx.CreateInstance(c.account+"-main", c.account)
			if err != nil {
				return err
			}
			instances[i] = instance.ID
			if _, err := tx.PutLineItem(c.lineItem(instance.ID, start)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return used, err
	}
	dice := rand.New(rand.NewPCG(2026, demoPastDays)) // the same past every time
	for step := range demoPastDays * demoPastSteps {
		at := start.Add(time.Duration(step) * 24 * time.Hour / demoPastSteps)
		clock.Store(at.UnixMilli())
		var charges []*engine.Charge
		for i, c := range customers {
			charges = append(charges, c.charges(instances[i], at, float64(step)/(demoPastDays*demoPastSteps), dice)...)
		}
		for _, charged := range e.Bulk(charges) {
			if charged.Err != nil {
				return used, charged.Err
			}
			for i := range charged.Receipt.Items {
				used = used.Add(charged.Receipt.Items[i].Tokens)
			}
		}
	}
	return used, change(ctx, e, func(tx *engine.Change) error {
		for i, c := range customers {
			if c.ended == "" {
				continue
			}
			l := c.lineItem(instances[i], start)
			l.State = ledger.Obsolete
			if _, err := tx.PutLineItem(l); err != nil {
				return err
			}
		}
		return nil
	})
}

const (
	demoPastSeries    = "render"
	demoPastAssistant = "assistant"
)

func addPastPrices(tx *engine.Change, from time.Time) error {
	item := func(name, version, rated string) rate.Item {
		return rate.Item{Name: name, Version: version, Rate: token.MustParse(rated)}
	}
	return errors.Join(
		tx.AddRateTable(&rate.Table{Series: demoPastSeries, Version: "2026.1", EffectiveFromMS: from.UnixMilli(), Items: []rate.Item{
			item("render.frame", "hd", "0.4"), item("render.frame", "4k", "1.75"), item("mesh.repair", "", "0.8"),
		}}),
		tx.AddRateTable(&rate.Table{Series: demoPastAssistant, Version: "2025-11", EffectiveFromMS: from.UnixMilli(), Items: []rate.Item{
			item("ai.input", "", "0.04"), item("ai.output", "", "0.16"), item("page.scan", "", "0.35"),
		}}))
}

// charges is what a customer uses in a part of a day: less at weekends, more of it when it grows, and never quite the same.
func (c *pastCustomer) charges(instanceID string, at time.Time, passed float64, dice *rand.Rand) []*engine.Charge {
	amount := c.perday / demoPastSteps * (1 + c.growth*passed) * (0.7 + 0.6*dice.Float64())
	if day := at.UTC().Weekday(); day == time.Saturday || day == time.Sunday {
		amount *= 0.3
	}
	project := jsontext.Value(fmt.Sprintf(`{"project":"P-%d"}`, 1+dice.IntN(3)))
	ask := func(name, version string, count float64) *engine.Charge {
		item := access.Item{Ask: ledger.Ask{Item: name, Version: version, Count: token.FromInt(1 + int64(count))}, MetaData: project}
		who := access.Requester{Type: "USER", Value: c.people[dice.IntN(len(c.people))]}
		return &engine.Charge{InstanceID: instanceID, Request: &access.Request{Requester: who, Items: []access.Item{item}}}
	}
	uses := c.uses
	if uses == nil {
		uses = renders
	}
	charges := make([]*engine.Charge, len(uses))
	for i, u := range uses {
		charges[i] = ask(u.item, u.version, amount*u.share)
	}
	return charges
}
