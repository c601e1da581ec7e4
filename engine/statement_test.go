package engine_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// history makes a random history of line items and notes the books at the end of every month.
type history struct {
	*timed
	chance *rand.Rand
	noted  map[string]map[string]token.Amount // by month and line item: the balance, signed
	open   *engine.SessionRef
}

func monthOf(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01") }

func (h *history) note() {
	balances := map[string]token.Amount{}
	h.must(h.View(ctx, func(r store.Reader) error {
		items, err := r.LineItems(h.instance)
		for _, l := range items {
			l.At(h.Now())
			left := token.FromInt(l.Quantity).Sub(l.Used)
			over := l.Deleted || l.State == ledger.Obsolete || l.EndMS <= h.Now()
			if over && left.Sign() > 0 {
				left = token.Amount{}
			}
			balances[l.ActivationID] = left
		}
		return err
	}))
	h.noted[monthOf(h.Now())] = balances
}

// pass lets time pass, and stops at the last millisecond of every month.
func (h *history) pass(ms int64) {
	until := h.Now() + ms
	for {
		month, err := engine.ParseMonth(monthOf(h.Now()), "")
		h.must(err)
		if month.ToMS > until {
			break
		}
		h.to(month.ToMS - 1)
		h.note()
		h.to(month.ToMS)
	}
	h.to(until)
}

func (h *history) to(ms int64) {
	h.nowMS.Store(ms)
	_, err := h.CatchUp(ms)
	h.must(err)
}

func (h *history) step() {
	id := string(rune('a' + h.chance.IntN(4)))
	switch h.chance.IntN(12) {
	case 0, 1:
		next := h.lineItem(id)
		next.Quantity, next.StartMS = 1+h.chance.Int64N(60), dawnMS+h.chance.Int64N(200)*24*hourMS
		next.EndMS = next.StartMS + (1+h.chance.Int64N(150))*24*hourMS
		if h.chance.IntN(2) == 0 {
			next.Recurs = period.Frequencies[h.chance.IntN(4)]
		}
		if h.chance.IntN(2) == 0 {
			next.Overdraft, next.OverdraftLimit = ledger.NumberOverdraft, 30
		}
		if h.chance.IntN(2) == 0 {
			next.UnitPrice, next.Currency = token.FromInt(1+h.chance.Int64N(3)), []string{"EUR", "USD"}[h.chance.IntN(2)]
		}
		if h.chance.IntN(8) == 0 {
			next.State = ledger.Inactive
		}
		if h.chance.IntN(40) == 0 {
			next.State = ledger.Obsolete
		}
		_ = h.change("", func(c *engine.Change) error { _, err := c.PutLineItem(next); return err }) // what is refused changes nothing
	case 2:
		if h.chance.IntN(3) == 0 {
			_ = h.change("", func(c *engine.Change) error { return c.DeleteLineItem(h.instance, id) })
		}
	case 3:
		if h.open == nil {
			h.begin()
		}
	case 4:
		if h.open != nil {
			_, err := h.CloseSession(*h.open, nil, nil)
			h.must(err)
			h.open = nil
		}
	case 5, 6:
		h.pass(h.chance.Int64N(20 * 24 * hourMS))
	case 7:
		h.pass(h.chance.Int64N(2 * hourMS))
	default:
		_, _, err := h.Charge(&engine.Charge{InstanceID: h.instance, Request: &access.Request{
			Requester: access.Requester{Type: "USER", Value: "u"},
			Items:     []access.Item{{Ask: ledger.Ask{Item: "x", Count: token.FromInt(1 + h.chance.Int64N(25))}}, {Ask: ledger.Ask{Item: "free", Count: token.FromInt(1)}}},
		}})
		h.must(err)
	}
}

// begin opens a session that uses x.
func (h *history) begin() {
	receipt, _, err := h.CreateSession(h.instance, nil, nil)
	h.must(err)
	h.open = &engine.SessionRef{ID: receipt.Session.ID}
	_, _, err = h.Ask(&engine.SessionRequest{Session: *h.open, RollbackOnDeny: true, Request: &access.Request{
		Requester: access.Requester{Type: "USER", Value: "s"}, Items: []access.Item{{Ask: ledger.Ask{Item: "x", Count: token.FromInt(5)}}},
	}})
	h.must(err)
}

// Statements of month after month close where the books stood, add up to what the events say, and open where the one before closed.
func TestStatementsAgreeWithTheBooks(t *testing.T) {
	for seed := range histories(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			h := &history{timed: newTimed(t, nil), chance: rand.New(rand.NewPCG(seed, 5)), noted: map[string]map[string]token.Amount{}}
			for range 150 {
				h.step()
				h.pass(1) // of one millisecond a statement takes what was told first
			}
			h.note()
			h.check()
			if proof := h.proof(); len(proof.Differences) > 0 {
				t.Error(proof.Differences)
			}
		})
	}
}

func (h *history) check() {
	h.Helper()
	closings, net := map[string]token.Amount{}, map[string]token.Amount{}
	var opened, closed token.Amount
	for at := int64(dawnMS); at <= h.Now(); {
		month, err := engine.ParseMonth(monthOf(at), "")
		h.must(err)
		s, err := h.InstanceStatement(ctx, h.instance, month)
		h.must(err)
		before := closings
		closings = map[string]token.Amount{}
		for i := range s.Lines {
			l := &s.Lines[i]
			h.identity(month.Name+" "+l.ActivationID, &l.Flows)
			if !l.Opening.Equal(before[l.ActivationID]) {
				h.Errorf("%s %s opens at %s, and closed at %s before", month.Name, l.ActivationID, l.Opening, before[l.ActivationID])
			}
			closings[l.ActivationID] = l.Closing
			net[l.ActivationID] = net[l.ActivationID].Add(l.Used).Sub(l.Refunded)
		}
		for id, want := range h.noted[month.Name] {
			if !closings[id].Equal(want) {
				h.Errorf("%s %s closes at %s, the books stood at %s", month.Name, id, closings[id], want)
			}
		}
		sum := usage.Sum(s.Lines, "")
		h.identity(month.Name, &sum.Flows)
		if !sum.Opening.Equal(closed) {
			h.Errorf("%s opens at %s in all, and closed at %s before (from %s)", month.Name, sum.Opening, closed, opened)
		}
		opened, closed, at = sum.Opening, sum.Closing, month.ToMS
	}
	for id, used := range h.eventSums() {
		if !net[id].Equal(used) {
			h.Errorf("%s: the statements say that %s was used, the events %s", id, net[id], used)
		}
	}
}

func (h *history) identity(what string, f *usage.Flows) {
	h.Helper()
	came := f.Opening.Add(f.Purchased).Add(f.Granted).Add(f.Refunded)
	if went := f.Used.Add(f.Expired).Add(f.Withdrawn); !came.Sub(went).Equal(f.Closing) {
		h.Errorf("%s: %+v does not add up", what, f)
	}
	for name, a := range map[string]token.Amount{"purchased": f.Purchased, "used": f.Used, "refunded": f.Refunded, "granted": f.Granted, "expired": f.Expired, "withdrawn": f.Withdrawn} {
		if a.Sign() < 0 {
			h.Errorf("%s: %s is %s", what, name, a)
		}
	}
}

func (h *history) eventSums() map[string]token.Amount {
	sums := map[string]token.Amount{}
	h.must(h.View(ctx, func(r store.Reader) error {
		events, _, err := engine.EventPage(r, usage.Position{}, &usage.Filter{}, 100_000, 0)
		for i := range events {
			if events[i].Kind != usage.Denial {
				sums[events[i].ActivationID] = sums[events[i].ActivationID].Add(events[i].Tokens)
			}
		}
		return err
	}))
	return sums
}
