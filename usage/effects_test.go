package usage

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/token"
)

const firstDay = 24 * 60 * minute

// ruledStage is a stage with rules of access, limits and recurrence, and several requesters.
type ruledStage struct {
	*stage
	sessions   []*access.Session
	requesters []access.Requester
	receipts   []*Receipt
}

func newRuledStage(t *rapid.T) *ruledStage {
	st := &ruledStage{stage: newStage()}
	sales := &ledger.Condition{ID: "sales", Type: ledger.Simple, Operator: ledger.In, Key: "department", Values: []string{"sales"}}
	st.w.Book.Conditions = map[string]*ledger.Condition{"sales": sales}
	for _, l := range st.w.Book.LineItems {
		l.Quantity, l.Priority = rapid.Int64Range(3, 60).Draw(t, "quantity"), rapid.Int64Range(0, 1).Draw(t, "priority")
		if rapid.Bool().Draw(t, "no overdraft") {
			l.Overdraft = ledger.NoOverdraft
		}
		if rapid.Bool().Draw(t, "recurring") {
			l.Recurs = rapid.SampledFrom([]period.Frequency{period.Daily, period.Weekly}).Draw(t, "recurs")
		}
		if rapid.Bool().Draw(t, "limited") {
			l.Limit = &ledger.Limit{Tokens: token.FromInt(rapid.Int64Range(1, 12).Draw(t, "limit")), Period: period.Daily, NextResetMS: 90 * minute}
		}
		for i, of := range []string{"sales", ""}[:rapid.IntRange(0, 2).Draw(t, "actions")] {
			most := token.FromInt(rapid.Int64Range(5, 40).Draw(t, "allocation"))
			l.Actions = append(l.Actions, ledger.Action{ID: fmt.Sprint(l.ActivationID, i), ConditionID: of, Allow: true, Allocation: &most})
		}
	}
	st.w.Book.Sort()
	for i, dictionary := range []string{`{"department":"sales"}`, `{"department":["other",1]}`} {
		st.requesters = append(st.requesters, access.Requester{Type: "USER", Value: fmt.Sprint(i), Dictionary: jsontext.Value(dictionary)})
		st.sessions = append(st.sessions, access.NewSession(fmt.Sprint(i), "A", firstDay))
	}
	return st
}

func (st *ruledStage) take(r *Receipt) { st.receipts = append(st.receipts, r) }

// All that a commit writes follows from its receipts, however the operations are spread over commits.
func TestEffectsAreTheBooks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		st, now := newRuledStage(t), int64(firstDay)
		effects := EffectsOf(nil)
		effects.Actions, effects.Consumed, effects.Covers = map[ActionKey]token.Amount{}, map[ConsumedKey]token.Amount{}, map[ledger.CoverKey]ledger.Cover{}
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			now += rapid.SampledFrom([]int64{0, 1, 10, 45, 200, 1440, 3000}).Draw(t, "minutes") * minute
			s := st.sessions[rapid.IntRange(0, 1).Draw(t, "session")]
			request := &access.Request{Requester: rapid.SampledFrom(st.requesters).Draw(t, "requester")}
			for range rapid.IntRange(0, 3).Draw(t, "items") {
				a := ask(rapid.SampledFrom([]string{"x", "x", "y", "f", "w", "missing"}).Draw(t, "item"), rapid.SampledFrom([]string{"1", "2.5", "7"}).Draw(t, "count"))
				request.Items = append(request.Items, access.Item{Ask: a})
			}
			if len(request.Items) > 0 && rapid.Bool().Draw(t, "one-off") { // also before what is due of the sessions
				request.AllOrNothing = rapid.Bool().Draw(t, "all or nothing")
				prices := st.w.Prices
				prices.NowMS = now
				st.take(NewReceipt("id", now, st.w.Book, request, access.Decide(st.w.Book, &prices, st.w.Standing(&request.Requester), request)))
			} else {
				st.w.AwakeMS = now
				for s.Due() != 0 && s.Due() <= now {
					if move := s.Catch(&st.w); move != nil {
						st.take(NewMoveReceipt("id", now, st.w.Book, s, move))
					}
				}
				switch {
				case s.State == access.Terminated:
				case rapid.IntRange(0, 15).Draw(t, "close") == 7:
					st.take(NewMoveReceipt("id", now, st.w.Book, s, s.Close(&st.w, now)))
				default:
					st.take(NewMoveReceipt("id", now, st.w.Book, s, s.Ask(&st.w, request, true, now)))
				}
			}
			if rapid.Bool().Draw(t, "commit") {
				of := EffectsOf(st.receipts)
				st.receipts = nil
				maps.Copy(effects.Balances, of.Balances)
				maps.Copy(effects.Actions, of.Actions)
				maps.Copy(effects.Consumed, of.Consumed)
				maps.Copy(effects.Covers, of.Covers)
				st.compare(t, effects, now)
			}
		}
	})
}

// compare compares the books with what was written, as it is read back at a time.
func (st *ruledStage) compare(t *rapid.T, e *Effects, nowMS int64) {
	for _, l := range st.w.Book.LineItems {
		read, is := *l, *l
		read.Used, read.ResetMS = e.Balances[l.Number].Used, e.Balances[l.Number].ResetMS
		read.At(nowMS)
		is.At(nowMS)
		if !read.Used.Equal(is.Used) || read.ResetMS != is.ResetMS {
			t.Fatalf("%s of %s is used since %d, written is %+v", is.Used, l.ActivationID, is.ResetMS, e.Balances[l.Number])
		}
		for i := range l.Actions {
			if a := &l.Actions[i]; !a.Used.Equal(e.Actions[ActionKey{l.Number, a.ID}]) || a.Allocation.Less(a.Used) || a.Used.Sign() < 0 {
				t.Fatalf("%s of action %s is used, written is %s", a.Used, a.ID, e.Actions[ActionKey{l.Number, a.ID}])
			}
		}
		for i := range st.requesters {
			standing := st.w.Standing(&st.requesters[i])
			for key, c := range standing.Consumed {
				if key.Number != l.Number {
					continue
				}
				if w := e.Consumed[ConsumedKey{standing.RequesterKey, key}]; !c.Tokens.Equal(w) {
					t.Fatalf("%s of %s is consumed since %d, written is %s", c.Tokens, l.ActivationID, c.SinceMS, w)
				}
				if l.Limit != nil && l.Limit.Tokens.Less(c.Tokens) || c.Tokens.Sign() < 0 {
					t.Fatalf("%s of %s is consumed, the limit is %+v", c.Tokens, l.ActivationID, l.Limit)
				}
			}
		}
	}
	for i := range st.requesters {
		for _, c := range st.w.Standing(&st.requesters[i]).Covers {
			if w := e.Covers[c.CoverKey]; !c.Count.Equal(w.Count) || c.UntilMS != w.UntilMS || c.Number != w.Number {
				t.Fatalf("the cover is %+v, written is %+v", c, w)
			}
		}
	}
}

// A charge as of a time before counts in the period of then, and leaves what is written of the one that runs.
func TestLateEffects(t *testing.T) {
	st := newStage()
	a := st.w.Book.LineItems[0]
	a.Limit = &ledger.Limit{Tokens: token.FromInt(3), Period: period.Daily}
	st.w.Book.Sort()
	r := &access.Request{Requester: access.Requester{Type: "USER", Value: "u"}, Items: []access.Item{{Ask: ask("x", "2")}}}
	at := func(now time.Duration) *Receipt {
		prices := st.w.Prices
		prices.NowMS = now.Milliseconds()
		return NewReceipt("id", prices.NowMS, st.w.Book, r, access.Decide(st.w.Book, &prices, st.w.Standing(&r.Requester), r))
	}
	e := EffectsOf([]*Receipt{at(25 * time.Hour), at(23 * time.Hour), at(23 * time.Hour)}) // the last is denied
	want := map[ConsumedKey]token.Amount{
		{r.Requester.Key("A"), ledger.PeriodKey{Number: 1, SinceMS: 24 * time.Hour.Milliseconds()}}: token.FromInt(2),
		{r.Requester.Key("A"), ledger.PeriodKey{Number: 1}}:                                         token.FromInt(2),
	}
	if !maps.EqualFunc(e.Consumed, want, token.Amount.Equal) {
		t.Errorf("consumed is %+v, want %+v", e.Consumed, want)
	}
	if got := e.Balances[1]; got.Used.String() != "4" {
		t.Errorf("used is %s, want 4", got.Used)
	}
}

// What is remembered of a slice survives the books, and its refund names what it gives back to.
func TestRuledSlices(t *testing.T) {
	st := newStage()
	a, most := st.w.Book.LineItems[0], token.FromInt(9)
	a.Limit = &ledger.Limit{Tokens: token.FromInt(3), Period: period.Daily}
	a.Actions = []ledger.Action{{ID: "all", Allow: true, Allocation: &most}}
	a.Recurs = period.Daily
	st.w.Book.Sort()
	const day = 24 * 60 * minute
	for _, step := range []struct {
		items string
		nowMS int64
		want  string
	}{
		{"x:2", day, "CHARGE x 2, used 2 since 86400000, action all 2, consumed 2 since 86400000"},
		{"", day + 30*minute, "REFUND x -1, used 1 since 86400000, action all 1, consumed 1 since 86400000"},
		{"x:1", 2*day - 30*minute, "CHARGE x 1, used 2 since 86400000, action all 2, consumed 2 since 86400000"},
		{"", 2*day + 10*minute, "REFUND x -0.333333333333, used 0 since 172800000, action all 1.666666666667, consumed 1.666666666667 since 86400000"},
	} {
		r := st.ask(step.items, step.nowMS)
		again(t, r)
		e := r.Events(nil)[0]
		got := fmt.Sprintf("%s %s %s, used %s since %d, action %s %s", e.Kind, e.Item, e.Tokens, e.Balance.Used, e.Balance.ResetMS, e.Ruled.ActionID, e.Ruled.ActionUsed)
		if e.Ruled.Limited {
			got += fmt.Sprintf(", consumed %s since %d", e.Ruled.Consumed, e.Ruled.SinceMS)
		}
		if got != step.want {
			t.Errorf("got  %s\nwant %s", got, step.want)
		}
	}
}
