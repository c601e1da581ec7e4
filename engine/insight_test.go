package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

const dayMS = 24 * hourMS

// market is several accounts with random use over 80 days.
type market struct {
	*timed
	instances, accounts []string
	events              []usage.Event
}

func newMarket(t *testing.T, seed uint64) *market {
	m := &market{timed: newTimed(t, nil)}
	chance := rand.New(rand.NewPCG(seed, 3))
	for i := range 5 {
		account := fmt.Sprint("account ", i/2) // some have two instances
		m.must(m.change("", func(c *engine.Change) error {
			instance, err := c.CreateInstance("main", account)
			if err != nil {
				return err
			}
			m.instances, m.accounts = append(m.instances, instance.ID), append(m.accounts, account)
			for j := range 2 {
				l := m.lineItem(fmt.Sprintf("L-%d-%d", i, j))
				l.InstanceID, l.Quantity, l.EndMS = instance.ID, 50+chance.Int64N(200), dawnMS+100*dayMS
				if j == 1 && chance.IntN(2) == 0 {
					l.Overdraft = ledger.UnlimitedOverdraft
				}
				if i%2 == 0 {
					l.UnitPrice, l.Currency = token.MustParse("0.7"), "EUR"
				}
				if _, err := c.PutLineItem(l); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	cost := token.MustParse("0.3")
	m.must(m.change("", func(c *engine.Change) error { // from here on it is told what x costs
		return c.AddRateTable(&rate.Table{Version: "2", EffectiveFromMS: dawnMS + 30*dayMS, Items: []rate.Item{{Name: "x", Rate: token.FromInt(1), Cost: &cost}, {Name: "free"}}})
	}))
	for range 150 {
		m.nowMS.Add(chance.Int64N(dayMS))
		item := []string{"x", "x", "x", "free", "nothing"}[chance.IntN(5)]
		_, _, err := m.Charge(&engine.Charge{InstanceID: m.instances[chance.IntN(5)], Request: &access.Request{
			Requester: access.Requester{Type: "USER", Value: fmt.Sprint(chance.IntN(3))},
			Items:     []access.Item{{Ask: ledger.Ask{Item: item, Count: token.FromInt(1 + chance.Int64N(12))}}},
		}})
		m.must(err)
	}
	m.must(m.View(ctx, func(r store.Reader) error {
		events, _, err := engine.EventPage(r, usage.Position{}, &usage.Filter{}, 100_000, 0)
		m.events = events
		return err
	}))
	return m
}

// rows returns an insight's rows as text.
func (m *market) rows(name string, p engine.InsightParameters) (rows []string) {
	m.Helper()
	insight, err := engine.FindInsight(name)
	m.must(err)
	if p.Limit == 0 {
		p.Limit = 1000
	}
	t, total, err := m.Insight(ctx, insight, p)
	m.must(err)
	for _, row := range t.Rows {
		if len(row) != len(t.Columns) {
			m.Errorf("%s: %v has not the columns %v", name, row, t.Columns)
		}
		rows = append(rows, strings.TrimSpace(fmt.Sprintln(row...)))
	}
	if p.Offset == 0 && p.Limit == 1000 && total != len(rows) {
		m.Errorf("%s: %d rows of %d", name, len(rows), total)
	}
	return rows
}

func (m *market) same(what string, got, want []string) {
	m.Helper()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		m.Errorf("%s\n%s\nexpected\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// every goes through the events that moved tokens.
func (m *market) every(fn func(e *usage.Event)) {
	for i := range m.events {
		if m.events[i].Kind != usage.Denial {
			fn(&m.events[i])
		}
	}
}

// Insights are what one counts by hand: each is worked out anew here, event by event, the slow way.
func TestInsightsAreExact(t *testing.T) {
	for seed := range histories(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			m := newMarket(t, seed)
			from, to := int64(dawnMS+20*dayMS), int64(dawnMS+50*dayMS)
			p := engine.InsightParameters{FromMS: from, ToMS: to, Interval: usage.Daily, Days: 20}
			m.same("growth", m.rows("growth", p), m.growth(from, to))
			m.same("adoption", m.rows("adoption", p), m.adoption(from, to))
			m.same("tried-once", m.rows("tried-once", p), m.triedOnce(m.Now()-20*dayMS))
			m.same("unused-purchases", m.rows("unused-purchases", p), m.unused())
			m.same("margin", m.rows("margin", p), m.margin(from, to))
			m.same("running-out", m.rows("running-out", p), m.runningOut(20))
		})
	}
}

func (m *market) growth(from, to int64) (rows []string) {
	for _, account := range []string{"account 0", "account 1", "account 2"} {
		var now, before token.Amount
		m.every(func(e *usage.Event) {
			switch {
			case e.AccountID != account:
			case e.UsageTimeMS >= from && e.UsageTimeMS < to:
				now = now.Add(e.Tokens)
			case e.UsageTimeMS >= from-(to-from) && e.UsageTimeMS < from:
				before = before.Add(e.Tokens)
			}
		})
		if now.IsZero() && before.IsZero() {
			continue
		}
		percent := ""
		if !before.IsZero() {
			percent = " " + token.MulDivHalfEven(now.Sub(before), token.FromInt(100), before).String()
		}
		rows = append(rows, fmt.Sprintf("%s %s %s %s%s", account, now, before, now.Sub(before), percent))
	}
	return rows
}

func (m *market) adoption(from, to int64) (rows []string) {
	for _, item := range []string{"x", "free"} {
		first := int64(0)
		for day := int64(dawnMS); day < to; day += dayMS {
			accounts, fresh, requesters, requests, tokens := map[string]bool{}, map[string]bool{}, map[string]bool{}, int64(0), token.Amount{}
			m.every(func(e *usage.Event) {
				if e.Item != item {
					return
				}
				if first == 0 {
					first = e.UsageTimeMS
				}
				if e.UsageTimeMS >= day && e.UsageTimeMS < day+dayMS {
					accounts[e.AccountID], requesters[e.InstanceID+e.Requester.Value] = true, true
					requests, tokens = requests+int64(e.Requests), tokens.Add(e.Tokens)
					fresh[e.AccountID] = true
				}
			})
			m.every(func(e *usage.Event) {
				if e.Item == item && e.UsageTimeMS < day {
					delete(fresh, e.AccountID)
				}
			})
			if day >= from && len(accounts) > 0 {
				rows = append(rows, fmt.Sprintf("%s  %d %d %d %d %d %d %s", item, first, day, len(accounts), len(fresh), len(requesters), requests, tokens))
			}
		}
	}
	return rows
}

func (m *market) triedOnce(before int64) (rows []string) {
	for _, item := range []string{"x", "free"} {
		once, all := 0, 0
		for _, account := range []string{"account 0", "account 1", "account 2"} {
			requests := map[string]bool{}
			first := int64(1 << 62)
			m.every(func(e *usage.Event) {
				if e.Item == item && e.AccountID == account {
					requests[e.CorrelationID] = true
					first = min(first, e.UsageTimeMS)
				}
			})
			if first < before {
				all++
				if len(requests) == 1 {
					once++
				}
			}
		}
		if once > 0 {
			rows = append(rows, fmt.Sprintf("%s  %d %d", item, once, all))
		}
	}
	return rows
}

func (m *market) margin(from, to int64) (rows []string) {
	for _, currency := range []string{"", "EUR"} {
		var count, tokens token.Amount
		m.every(func(e *usage.Event) {
			if e.Item == "x" && e.UsageTimeMS >= max(from, dawnMS+30*dayMS) && e.UsageTimeMS < to && e.Currency == currency {
				count, tokens = count.Add(e.Count), tokens.Add(e.Tokens)
			}
		})
		money, cost := token.Amount{}, token.MulHalfEven(count, token.MustParse("0.3"))
		if currency != "" {
			money = token.MulHalfEven(tokens, token.MustParse("0.7"))
		}
		if !count.IsZero() {
			rows = append(rows, strings.TrimSpace(fmt.Sprintln("x", "", currency, count, tokens, money, cost, money.Sub(cost))))
		}
	}
	return rows
}

func (m *market) lineItems(fn func(i int, l *ledger.LineItem)) {
	m.must(m.View(ctx, func(r store.Reader) error {
		for i, id := range m.instances {
			all, err := r.LineItems(id)
			if err != nil {
				return err
			}
			for _, l := range all {
				fn(i, l)
			}
		}
		return nil
	}))
}

func (m *market) unused() (rows []string) {
	rows = append(rows, fmt.Sprintf("account %s a PAID 1000 %d %d", m.instance, int64(dawnMS), int64(dawnMS+1000*hourMS)))
	if m.Now() >= dawnMS+1000*hourMS { // line item a, of nobody, has ended
		rows = nil
	}
	m.lineItems(func(i int, l *ledger.LineItem) {
		if l.Used.IsZero() {
			rows = append(rows, fmt.Sprintf("%s %s %s PAID %d %d %d", m.accounts[i], l.InstanceID, l.ActivationID, l.Quantity, l.StartMS, l.EndMS))
		}
	})
	return rows
}

func (m *market) runningOut(days int64) (rows []string) {
	today := m.Now() - m.Now()%dayMS
	for i, id := range m.instances {
		var week, balance, overdraft token.Amount
		m.every(func(e *usage.Event) {
			if e.InstanceID == id && e.UsageTimeMS >= today-7*dayMS && e.UsageTimeMS < today {
				week = week.Add(e.Tokens)
			}
		})
		m.lineItems(func(j int, l *ledger.LineItem) {
			if i == j {
				balance, overdraft = balance.Add(l.Balance()), overdraft.Add(l.OverdraftUsed())
			}
		})
		pace := token.MulDivHalfEven(week, token.FromInt(1), token.FromInt(7))
		lasts := ""
		if week.Sign() > 0 {
			lasts = " " + token.MulDivHalfEven(balance, token.FromInt(7), week).String()
		}
		if overdraft.Sign() > 0 || week.Sign() > 0 && !token.MulHalfEven(week, token.FromInt(days)).Less(token.MulHalfEven(balance, token.FromInt(7))) {
			rows = append(rows, fmt.Sprintf("%s %s %s %s %s%s", m.accounts[i], id, balance, overdraft, pace, lasts))
		}
	}
	return rows
}

func TestInsightPagesAndBounds(t *testing.T) {
	m := newMarket(t, 1)
	p := engine.InsightParameters{FromMS: dawnMS, ToMS: dawnMS + 80*dayMS, Interval: usage.Daily}
	all := m.rows("adoption", p)
	var paged []string
	for p.Limit = 7; p.Offset <= len(all); p.Offset += p.Limit {
		paged = append(paged, m.rows("adoption", p)...)
	}
	if !slices.Equal(all, paged) {
		t.Errorf("%d rows at once, %d in pages", len(all), len(paged))
	}
	insight, err := engine.FindInsight("adoption")
	m.must(err)
	for field, p := range map[string]engine.InsightParameters{
		"from": {FromMS: dawnMS, ToMS: dawnMS + 900*dayMS}, "interval": {Interval: "fortnight"}, "order": {Order: "up"}, "days": {Days: -1},
	} {
		_, _, err := m.Insight(ctx, insight, p)
		m.kind(err, problem.Invalid)
		if err != nil && !strings.Contains(fmt.Sprintf("%+v", *err.(*problem.Error)), field) {
			t.Errorf("%v does not name %s", err, field)
		}
	}
	m.must(m.View(ctx, func(r store.Reader) error {
		_, _, err := insight.On(context.Background(), r, engine.InsightParameters{Limit: 1}, m.Now(), 10)
		m.kind(err, problem.Unavailable) // there is more that is not folded yet
		return nil
	}))
	_, err = engine.FindInsight("nonsense")
	m.kind(err, problem.NotFound)
}
