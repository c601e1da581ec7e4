package usage

import (
	"bytes"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/token"
)

const minute = int64(60_000)

// stage is a session that begins at 0, on line items of 4 and 100 tokens.
type stage struct {
	s *access.Session
	w access.World
}

func newStage() *stage {
	book := &ledger.Book{InstanceID: "A", AccountID: "account"}
	for i, quantity := range []int64{4, 100} {
		book.LineItems = append(book.LineItems, &ledger.LineItem{
			ActivationID: string(rune('a' + i)), Number: int64(i + 1), State: ledger.Deployed, Elastic: true, Quantity: quantity,
			EndMS: period.LatestMS, Overdraft: ledger.UnlimitedOverdraft,
		})
	}
	one := token.FromInt(1)
	catalog := rate.NewCatalog([]*rate.Table{{Version: "v1", Items: []rate.Item{
		{Name: "x", Rate: one}, {Name: "y", Rate: token.MustParse("0.3")}, {Name: "z"}, {Name: "f", Rate: one, FreeSeconds: 86400},
		{Name: "dust", Rate: token.MustParse("0.000000000001"), FreeSeconds: 86400}, {Name: "w", Rate: token.FromInt(2), Window: 3 * time.Hour},
	}}})
	w := access.World{Book: book, Prices: ledger.Prices{Catalog: catalog}, Period: time.Hour, Standing: newStandings()}
	return &stage{s: access.NewSession("s", "A", 0), w: w}
}

// newStandings keeps standings on instance A.
func newStandings() func(*access.Requester) *ledger.Standing {
	all := map[ledger.RequesterKey]*ledger.Standing{}
	return func(r *access.Requester) *ledger.Standing {
		key := r.Key("A")
		if all[key] == nil {
			all[key] = ledger.NewStanding(key)
		}
		return all[key]
	}
}

// ask asks for items such as "x:3 y"; for nothing, it is a halt.
func (st *stage) ask(items string, nowMS int64) *Receipt {
	r := &access.Request{Requester: access.Requester{Type: "USER", Value: "u"}}
	for _, word := range strings.Fields(items) {
		name, count, counted := strings.Cut(word, ":")
		if !counted {
			count = "1"
		}
		r.Items = append(r.Items, access.Item{Ask: ask(name, count), MetaData: jsontext.Value(`{"n":1}`)})
	}
	return NewMoveReceipt("id", nowMS, st.w.Book, st.s, st.s.Ask(&st.w, r, true, nowMS))
}

// eventsText writes events such as "REFUND x -1 for -1: a -1 of 4, 3 used".
func eventsText(events []Event) (lines []string) {
	for i := range events {
		e := &events[i]
		line := fmt.Sprintf("%s %s %s for %s", e.Kind, e.Item, e.Count, e.Tokens)
		if !e.Overdraft.IsZero() {
			line += fmt.Sprintf(" (%s overdraft)", e.Overdraft)
		}
		if e.Kind == Denial {
			line += ": " + string(e.Status)
		} else {
			line += fmt.Sprintf(": %s of %d, %s used", e.ActivationID, e.EntitledCount, e.Used)
		}
		lines = append(lines, line)
	}
	return lines
}

func TestEventsOfMoves(t *testing.T) {
	st := newStage()
	for _, step := range []struct {
		rule string
		make func() *Receipt
		want []string
	}{
		{"a request", func() *Receipt { return st.ask("x:3 x:2 z:5", 0) }, []string{
			"CHARGE x 3 for 3: a of 4, 3 used",
			"CHARGE x 1 for 1: a of 4, 4 used",
			"CHARGE x 1 for 1: b of 100, 1 used",
			"CHARGE z 5 for 0: a of 4, 4 used",
		}},
		{"refunds come before charges, also of the same line item", func() *Receipt { return st.ask("x:6 y:10", 30*minute) }, []string{
			"REFUND x -1 for -1: b of 100, 0 used",
			"REFUND x -1.5 for -1.5: a of 4, 2.5 used",
			"CHARGE x 1.5 for 1.5: a of 4, 4 used",
			"CHARGE x 4.5 for 4.5: b of 100, 4.5 used",
			"CHARGE y 10 for 3: b of 100, 7.5 used",
		}},
		{"a denial refunds nothing", func() *Receipt { return st.ask("x missing:7 ", 60*minute) }, []string{
			"DENIAL x 1 for 0: 102",
			"DENIAL missing 7 for 0: 201",
		}},
		{"an automatic charge", func() *Receipt {
			return NewMoveReceipt("id", 95*minute, st.w.Book, st.s, st.s.Catch(&st.w))
		}, []string{
			"AUTOMATIC_CHARGE x 6 for 6: b of 100, 13.5 used",
			"AUTOMATIC_CHARGE y 10 for 3: b of 100, 16.5 used",
		}},
		{"a halt", func() *Receipt { return st.ask("", 105*minute) }, []string{
			"REFUND y -7.5 for -2.25: b of 100, 14.25 used",
			"REFUND x -4.5 for -4.5: b of 100, 9.75 used",
		}},
		{"overdraft", func() *Receipt { return st.ask("x:100", 105*minute) }, []string{
			"CHARGE x 90.25 for 90.25: b of 100, 100 used",
			"CHARGE x 9.75 for 9.75 (9.75 overdraft): a of 4, 13.75 used",
		}},
		{"overdraft goes back as such", func() *Receipt { return st.ask("x", 135*minute) }, []string{
			"REFUND x -9.75 for -9.75 (-9.75 overdraft): a of 4, 4 used",
			"REFUND x -40.25 for -40.25: b of 100, 59.75 used",
			"CHARGE x 1 for 1: b of 100, 60.75 used",
		}},
		{"an automatic charge that is denied", func() *Receipt {
			st.w.Book.LineItems[0].State, st.w.Book.LineItems[1].State = ledger.Obsolete, ledger.Obsolete
			return NewMoveReceipt("id", 195*minute, st.w.Book, st.s, st.s.Catch(&st.w))
		}, []string{
			"DENIAL x 1 for 0: 301",
		}},
	} {
		r := step.make()
		events := r.Events(nil)
		if diff := cmp.Diff(step.want, eventsText(events)); diff != "" {
			t.Fatalf("%s (-want +got)\n%s", step.rule, diff)
		}
		for i, e := range events {
			charged := e.Kind != Denial
			if e.ID != fmt.Sprintf("id.%d", i) || e.SessionID != "s" || string(e.MetaData) != `{"n":1}` || e.Requester.Value != "u" || charged != (e.RateTableVersion == "v1") {
				t.Errorf("%s: event %+v", step.rule, e)
			}
		}
		again(t, r)
	}
}

// again reads a receipt back as the books do, with the same events.
func again(t interface {
	Fatalf(format string, args ...any)
}, r *Receipt) {
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatalf("%v", err)
	}
	back := new(Receipt)
	if err := json.Unmarshal(text, back); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if diff := cmp.Diff(r.Events(nil), back.Events(nil), cmp.Comparer(func(x, y token.Amount) bool { return x.Equal(y) })); diff != "" {
		t.Fatalf("the events that are read back differ: %s", diff)
	}
	if rewritten, err := json.Marshal(back); err != nil || !bytes.Equal(text, rewritten) {
		t.Fatalf("%s\nis read and written as\n%s, %v", text, rewritten, err)
	}
}

// Whatever a session does, its events tell each use as it was after them, and add up to what the session cost.
func TestEventsOfSessionsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		st, now := newStage(), int64(0)
		used, net := map[string]token.Amount{}, token.Amount{}
		bought := new(big.Rat) // of x, at a rate of 1
		take := func(r *Receipt) {
			for _, e := range r.Events(nil) {
				net = net.Add(e.Tokens)
				if e.Kind != Denial {
					used[e.ActivationID] = used[e.ActivationID].Add(e.Tokens)
				}
				if e.Kind != Denial && !used[e.ActivationID].Equal(e.Used) || (e.Kind == Refund) != (e.Tokens.Sign() < 0 || e.Count.Sign() < 0) {
					t.Fatalf("%s of %s is used after the event %+v", used[e.ActivationID], e.ActivationID, e)
				}
				if want := map[access.Operation]Kind{access.AccessRequest: Charge, access.AutomaticCharge: AutomaticCharge}[r.Session.Operation]; e.Kind != want && e.Kind != Refund && e.Kind != Denial {
					t.Fatalf("%s has an event %s", r.Session.Operation, e.Kind)
				}
				if e.Item == "x" && e.Kind != Denial {
					bought.Add(bought, exact(e.Count)).Sub(bought, exact(e.Tokens))
				}
			}
			again(t, r)
		}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			now += rapid.Int64Range(0, 100).Draw(t, "minutes")*minute + rapid.Int64Range(0, 1).Draw(t, "milliseconds")
			st.w.AwakeMS = now // no heartbeat is needed
			for st.s.State != access.Terminated && st.s.Due() <= now {
				if move := st.s.Catch(&st.w); move != nil {
					take(NewMoveReceipt("id", now, st.w.Book, st.s, move))
				}
			}
			if st.s.State == access.Terminated {
				break
			}
			items := rapid.SliceOfN(rapid.SampledFrom([]string{"x", "x:2.5", "y:0.333333333333", "z", "f", "w", "w:3", "dust:9", "missing"}), 0, 4).Draw(t, "items")
			take(st.ask(strings.Join(items, " "), now))
			if rapid.IntRange(0, 9).Draw(t, "close") == 7 {
				take(NewMoveReceipt("id", now, st.w.Book, st.s, st.s.Close(&st.w, now)))
				break
			}
		}
		if !net.Equal(st.s.Net) || bought.Sign() != 0 {
			t.Fatalf("the events add up to %s, net is %s; counts and tokens of x differ by %s", net, st.s.Net, bought.FloatString(12))
		}
		for _, l := range st.w.Book.LineItems {
			if !l.Used.Equal(used[l.ActivationID]) {
				t.Fatalf("%s of %s is used, its events add up to %s", l.Used, l.ActivationID, used[l.ActivationID])
			}
		}
	})
}

func TestReceiptOfMove(t *testing.T) {
	st := newStage()
	created := NewMoveReceipt("id", 0, st.w.Book, st.s, &access.Move{Operation: access.Create})
	if diff := cmp.Diff(&Session{ID: "s", Operation: access.Create, State: access.Idle}, created.Session); diff != "" || len(created.Items) > 0 || len(created.Events(nil)) > 0 {
		t.Errorf("a creation is %+v (-want +got)\n%s", created, diff)
	}
	again(t, created)

	asked := st.ask("x:2", 10*minute)
	want := &Session{ID: "s", Operation: access.AccessRequest, State: access.Active, FromMS: 10 * minute, UntilMS: 70 * minute}
	if diff := cmp.Diff(want, asked.Session); diff != "" || asked.TimeMS != 10*minute || asked.WrittenMS != 0 {
		t.Errorf("a request is %+v (-want +got)\n%s", asked, diff)
	}

	late := NewMoveReceipt("id", 90*minute, st.w.Book, st.s, st.s.Catch(&st.w))
	want = &Session{
		ID: "s", Operation: access.AutomaticCharge, State: access.Active, FromMS: 70 * minute, UntilMS: 130 * minute, HeartbeatDueMS: 100 * minute,
	}
	if diff := cmp.Diff(want, late.Session); diff != "" || late.TimeMS != 70*minute || late.WrittenMS != 90*minute || late.MadeMS() != 90*minute {
		t.Errorf("a late charge is %+v (-want +got)\n%s", late, diff)
	}
	if e := late.Events(nil)[0]; e.UsageTimeMS != 70*minute || e.WriteTimeMS != 90*minute {
		t.Errorf("its event is %+v", e)
	}
	again(t, late)

	early := NewMoveReceipt("id", 60*minute, st.w.Book, st.s, st.s.Close(&st.w, 60*minute)) // by a clock that was set back
	want = &Session{ID: "s", Operation: access.Close, State: access.Terminated, Reason: access.Closed}
	if diff := cmp.Diff(want, early.Session); diff != "" || early.TimeMS != 70*minute || early.WrittenMS != 0 || early.MadeMS() != 70*minute {
		t.Errorf("a close is %+v (-want +got)\n%s", early, diff)
	}
	again(t, early)
}

func TestReceiptWithForecast(t *testing.T) {
	st := newStage()
	for _, items := range []string{"x:2", "z"} {
		r := st.ask(items, 0)
		r.Session.Forecast = st.s.Forecast(&st.w)
		again(t, r)
		if text, err := json.Marshal(r); err != nil || !bytes.Contains(text, []byte(`"forecast":{"nextCharge":3600000,"tokens":`)) {
			t.Errorf("the forecast is not in %s, %v", text, err)
		}
	}
}

// What the first of an item's slices stands for was covered before.
func TestCoveredItems(t *testing.T) {
	st := newStage()
	until := (3*time.Hour + time.Minute).Milliseconds()
	for _, row := range []struct {
		items string
		want  []string
		cover string // count until then, and how much of the item was covered before
	}{
		{"w", []string{"CHARGE w 1 for 2: a of 4, 2 used"}, "1, 0 before"},
		{"w", []string{"CHARGE w 1 for 0: a of 4, 2 used"}, "1, 1 before"},
		{"w:0.5", []string{"CHARGE w 0.5 for 0: a of 4, 2 used"}, "1, 0.5 before"},
		{"w:3", []string{"CHARGE w 1 for 0: a of 4, 2 used", "CHARGE w 1 for 2: a of 4, 4 used", "CHARGE w 1 for 2: b of 100, 2 used"}, "3, 1 before"},
		{"w:4", []string{"CHARGE w 3 for 0: a of 4, 4 used", "CHARGE w 1 for 2: b of 100, 4 used"}, "4, 3 before"},
	} {
		r := st.ask(row.items, minute)
		if diff := cmp.Diff(row.want, eventsText(r.Events(nil))); diff != "" {
			t.Errorf("%s (-want +got)\n%s", row.items, diff)
		}
		item := &r.Items[0]
		if got := fmt.Sprintf("%s, %s before", item.CoverCount, item.Covered); got != row.cover || item.CoveredUntilMS != until {
			t.Errorf("%s leaves a cover of %s until %d, want %s until %d", row.items, got, item.CoveredUntilMS, row.cover, until)
		}
		for _, e := range r.Events(nil) {
			if e.CoveredUntilMS != until {
				t.Errorf("event %+v", e)
			}
		}
		again(t, r)
	}
	if r := st.ask("x", minute); r.Items[0].CoveredUntilMS != 0 || r.Events(nil)[0].CoveredUntilMS != 0 {
		t.Errorf("x is covered in %+v", r.Items[0])
	}
}

// The counts of an item's events add up to its count, whatever part of it was covered before.
func TestCoveredEventsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		st := newStage()
		for range rapid.IntRange(1, 6).Draw(t, "requests") {
			request := &access.Request{Requester: access.Requester{Type: "USER", Value: "u"}}
			for range rapid.IntRange(1, 4).Draw(t, "items") {
				a := ask(rapid.SampledFrom([]string{"w", "w", "y"}).Draw(t, "item"), rapid.StringMatching(`[0-9]\.[0-9]{0,11}[1-9]`).Draw(t, "count"))
				a.AllowPartial = rapid.Bool().Draw(t, "partial")
				request.Items = append(request.Items, access.Item{Ask: a})
			}
			prices := st.w.Prices
			prices.NowMS = rapid.Int64Range(0, 400).Draw(t, "now") * minute
			st.w.Book.LineItems[1].Overdraft, st.w.Book.LineItems[1].Quantity = ledger.NoOverdraft, 20
			r := NewReceipt("id", prices.NowMS, st.w.Book, request, access.Decide(st.w.Book, &prices, st.w.Standing(&request.Requester), request))
			events := r.Events(nil)
			for i := range r.Items {
				item := &r.Items[i]
				of := events[:max(1, len(item.Slices))]
				events = events[len(of):]
				addUp(t, item, of)
				if !item.Covered.IsZero() && (!of[0].Tokens.IsZero() || !of[0].Count.Equal(item.Covered)) {
					t.Fatalf("%s was covered before, and the first event is %+v", item.Covered, of[0])
				}
			}
			again(t, r)
		}
	})
}

// Refunds of many periods may be of a larger count than can be asked for, which is the most that can be read back.
func TestRefundOfManyPeriods(t *testing.T) {
	st := newStage()
	st.w.Period = 10 * time.Minute
	const count = "9999999999999999999"
	take := func(r *Receipt) { again(t, r) }
	take(st.ask("dust:"+count, 0))
	st.w.AwakeMS = 23 * 60 * minute
	for st.s.Due() <= st.w.AwakeMS {
		if move := st.s.Catch(&st.w); move != nil {
			take(NewMoveReceipt("id", move.AtMS, st.w.Book, st.s, move))
		}
	}
	r := st.ask("", st.w.AwakeMS)
	if len(r.Refunds) != 2 || r.Refunds[1].Count.String() != count || !st.s.Net.IsZero() {
		t.Errorf("the refunds are %+v, net is %s", r.Refunds, st.s.Net)
	}
	sum := token.Amount{}
	for _, e := range r.Events(nil) {
		sum = sum.Add(e.Count)
	}
	if want := token.MulHalfEven(token.MustParse(count), token.FromInt(-139)); !sum.Equal(want) {
		t.Errorf("the events' counts add up to %s, want %s", sum, want)
	}
	take(r)
}

func TestOnceIDOfReceipt(t *testing.T) {
	of := func(id string, operation access.Operation) *Session { return &Session{ID: id, Operation: operation} }
	for _, row := range []struct {
		rule    string
		receipt Receipt
		scope   string // empty: there is no key
	}{
		{"no key", Receipt{InstanceID: "A"}, ""},
		{"no key of a session", Receipt{InstanceID: "A", Session: of("s", access.AccessRequest)}, ""},
		{"a one-off request belongs to its instance", Receipt{InstanceID: "A", Key: "k"}, "A"},
		{"so does the creation of a session", Receipt{InstanceID: "A", Key: "k", Session: of("s", access.Create)}, "A"},
		{"a request of a session belongs to it", Receipt{InstanceID: "A", Key: "k", Session: of("s", access.AccessRequest)}, "s"},
		{"so does its end", Receipt{InstanceID: "A", Key: "k", Session: of("s", access.Close)}, "s"},
	} {
		id, keyed := row.receipt.OnceID()
		if keyed != (row.scope != "") || keyed && id != NewOnceID(row.scope, "k") {
			t.Errorf("%s: it is %x, %v", row.rule, id, keyed)
		}
	}
}
