package audit

import (
	"cmp"
	"flag"
	"fmt"
	"math/big"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// check runs a random test as often and as long as the environment says, unless rapid's flags do.
func check(t *testing.T, property func(*rapid.T)) {
	t.Helper()
	checkTimes(t, 15, property)
}

// checkTimes is check with a number of its own for when neither says how often; where PostgreSQL takes part each takes seconds, and there is a third of
// them. Then the histories are the same every time, so that whoever sees one fail has broken it; to look for more is a run of its own, with fresh ones.
func checkTimes(t *testing.T, times int, property func(*rapid.T)) {
	t.Helper()
	if strings.HasSuffix(t.Name(), "/postgres") || strings.HasSuffix(t.Name(), "/moved") {
		times = (times + 2) / 3
	}
	told := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { told[f.Name] = !set[f.Name] })
	seed := "1"
	if told["rapid.checks"] || os.Getenv("FAREBOX_AUDIT_CHECKS") != "" {
		seed = "0" // a fresh one
	}
	for name, otherwise := range map[string][2]string{
		"rapid.checks": {"FAREBOX_AUDIT_CHECKS", strconv.Itoa(times)}, "rapid.steps": {"FAREBOX_AUDIT_STEPS", "60"}, "rapid.seed": {"FAREBOX_SEED", seed},
	} {
		value := cmp.Or(os.Getenv(otherwise[0]), otherwise[1])
		if told[name] {
			continue
		}
		set[name] = true
		if err := flag.Set(name, value); err != nil {
			t.Fatal(otherwise[0], err)
		}
	}
	rapid.Check(t, property)
}

// set are the flags that check has set.
var set = map[string]bool{}

// What follows turns the product's data into the auditor's and back, by way of text.

func rat(a token.Amount) *big.Rat { return R(a.String()) }

func amount(r *big.Rat) token.Amount { return token.MustParse(text(r)) }

func (l LineItem) real() ledger.LineItem {
	return ledger.LineItem{
		ActivationID: l.ID, InstanceID: l.Instance, State: ledger.State(l.State), Quantity: l.Quantity, StartMS: l.Start, EndMS: l.End,
		Elastic: l.Elastic, Series: l.Series, Overdraft: ledger.OverdraftType(l.Overdraft), OverdraftLimit: l.Limit, Priority: l.Priority,
		Kind: ledger.Paid,
	}
}

func (t *Table) real() *rate.Table {
	real := &rate.Table{Series: t.Series, Version: t.Version, EffectiveFromMS: t.From}
	for item, price := range t.Rates {
		terms := t.Terms[item]
		real.Items = append(real.Items, rate.Item{
			Name: item[0], Version: item[1], Rate: amount(price), FreeSeconds: terms.Free / 1000, Window: time.Duration(terms.Window) * time.Millisecond,
		})
	}
	return real
}

func (r *Request) real() *access.Request {
	real := &access.Request{Requester: access.Requester{Type: "USER", Value: "somebody"}, AllOrNothing: r.AllOrNothing}
	for _, ask := range r.Items {
		real.Items = append(real.Items, access.Item{Ask: ledger.Ask{
			Item: ask.Item, Version: ask.Version, Count: amount(ask.Count), AllowPartial: ask.Partial,
		}})
	}
	return real
}

func answerOf(r *usage.Receipt) *Answer {
	a := &Answer{CorrelationID: r.CorrelationID}
	for i := range r.Items {
		item := &r.Items[i]
		answered := AnsweredItem{Status: string(item.Status), Count: rat(item.Count), Tokens: rat(item.Tokens)}
		for _, s := range item.Slices {
			answered.Slices = append(answered.Slices, Slice{s.ActivationID, rat(s.Rate), rat(s.Tokens)})
		}
		a.Items = append(a.Items, answered)
	}
	return a
}

func eventOf(e *usage.Event) Event {
	return Event{
		CorrelationID: e.CorrelationID, Kind: string(e.Kind), Status: string(e.Status), Time: e.UsageTimeMS, Instance: e.InstanceID,
		LineItem: e.ActivationID, Item: e.Item, Version: e.ItemVersion, Count: rat(e.Count), Rate: rat(e.Rate), Tokens: rat(e.Tokens),
		Overdraft: rat(e.Overdraft), Used: rat(e.Used), Quantity: e.EntitledCount, Series: e.RateTableSeries, TableVersion: e.RateTableVersion,
		Session: e.SessionID, Requester: e.Requester.Value, Written: e.WriteTimeMS, CoveredUntil: e.CoveredUntilMS,
	}
}

// eventText writes an event without its count, which the auditor checks.
func eventText(e *Event) string {
	return fmt.Sprintf("%s %s %s at %d on %s: %s@%s by %q at %s: %s, %s of it overdraft, used %s of %d; %q %q", e.CorrelationID, e.Kind,
		e.Status, e.Time, e.Instance, e.Item, e.Version, e.LineItem, text(e.Rate), text(e.Tokens), text(e.Overdraft), text(e.Used),
		e.Quantity, e.Series, e.TableVersion)
}

// how says how a verb of the engine ended, in the twin's words.
func how(err error) string {
	if err == nil {
		return Done
	}
	for kind, word := range map[problem.Kind]string{
		problem.Invalid: Invalid, problem.NotFound: NotFound, problem.Conflict: Conflict, problem.KeyReused: KeyReused,
		problem.Ended: Ended, problem.Unavailable: Unavailable,
	} {
		if problem.KindOf(err) == kind {
			return word
		}
	}
	return "failed: " + err.Error()
}
