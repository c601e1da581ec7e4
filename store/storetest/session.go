package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

var sessionTests = []test{
	{"comes back with everything in it", sessionComesBack},
	{"keeps the JSON that it was given", sessionKeepsJSON},
	{"is numbered when it is new, and never again", numbersNewSessions},
	{"is replaced when it has changed", replacesSessions},
	{"is not loaded when there is none", loadsNoSessionOfNothing},
	{"brings the book of its instance along", sessionsBringBooks},
	{"is claimed in the order of time, and at one time of number", claimsInOrder},
	{"is claimed by when it is due and not before, and no more than were asked for", claimsWithinBounds},
	{"is claimed again when nothing was decided about it", claimsAgain},
	{"is one thing, whether named or claimed", sessionIsOneThing},
	{"is never due or live once it has ended, but still found", endedIsOver},
	{"is listed while it lives: newest first, page by page, by instance", listsLiveSessions},
	{"tells when anything is due next", tellsNextDue},
	{"is durable without a receipt, and is no part of the record then", durableWithoutReceipt},
	{"is left as it was when nothing was decided", leftByNothing},
	{"is left as it was when the batch fails", leftByFailure},
	{"is left as it was when decide panics", leftByPanic},
	{"fails the batch when it is changed and not there", failsWhenNotThere},
	{"fails the batch when it is new and there already", failsWhenThereAlready},
	{"shows one state to a view while others write", sessionsShowOneState},
	{"returns an error of fn as it is", sessionsReturnErrors},
	{"is claimed by one of many at a time", claimedByOne},
}

// begin commits new sessions in one batch.
func (b *books) begin(sessions ...*access.Session) {
	b.Helper()
	b.must(b.Commit(ctx, store.Want{}, func(*store.Loaded) store.Decided {
		for _, s := range sessions {
			s.Number = 0
		}
		return store.Decided{Sessions: sessions}
	}))
}

// move changes a session in a batch of its own and returns what it has become.
func (b *books) move(id string, change func(*access.Session)) (moved *access.Session) {
	b.Helper()
	b.must(b.Commit(ctx, store.Want{Sessions: []string{id}}, func(loaded *store.Loaded) store.Decided {
		moved = loaded.Sessions[id]
		change(moved)
		return store.Decided{Sessions: []*access.Session{moved}}
	}))
	return moved
}

// dueAt returns a session about which something is to be done at a time.
func dueAt(instanceID, id string, dueMS int64) *access.Session {
	s := access.NewSession(id, instanceID, dawnMS)
	s.State, s.FromMS, s.UntilMS = access.Active, dawnMS, dueMS
	return s
}

// end ends a session.
func end(s *access.Session) {
	s.State, s.Reason, s.EndedMS, s.FromMS, s.UntilMS = access.Terminated, access.Closed, dawnMS+dayMS, 0, 0
}

// session returns a session as committed, after seeing that all who ask for it get the same.
func (b *books) session(id string) (found *access.Session) {
	b.Helper()
	b.view(func(r store.Reader) (err error) {
		found, err = r.Session(id)
		return err
	})
	b.same("session "+id+" as a batch loads it", b.loaded(store.Want{Sessions: []string{id}}).Sessions[id], found)
	b.must(b.Change(ctx, func(tx store.Tx) error {
		s, err := tx.Session(id)
		b.same("session "+id+" as a change reads it", s, found)
		return err
	}))
	var among *access.Session
	for _, s := range b.sessions() {
		if s.ID == id {
			among = s
		}
	}
	b.same("session "+id+" among all", among, found)
	return found
}

// sessions returns all sessions by number.
func (b *books) sessions() (all []*access.Session) {
	b.Helper()
	b.view(func(r store.Reader) error {
		return r.EachSession(func(s *access.Session) error {
			all = append(all, s)
			return nil
		})
	})
	slices.SortFunc(all, func(x, y *access.Session) int { return cmp.Compare(x.Number, y.Number) })
	return all
}

// live returns a page of the live sessions of an instance.
func (b *books) live(instanceID string, before int64, limit int) (page []*access.Session) {
	b.Helper()
	b.view(func(r store.Reader) (err error) {
		page, err = r.LiveSessions(instanceID, before, limit)
		return err
	})
	return page
}

// due returns the ids of the sessions that a batch claims.
func (b *books) due(byMS int64, most int) []string {
	b.Helper()
	return sessionIDs(b.loaded(store.Want{Due: &store.Due{ByMS: byMS, Most: most}}).Due)
}

func (b *books) nextDue() (due int64) {
	b.Helper()
	b.view(func(r store.Reader) (err error) {
		due, err = r.NextDue()
		return err
	})
	return due
}

func sessionIDs(sessions []*access.Session) []string {
	all := make([]string, len(sessions))
	for i, s := range sessions {
		all[i] = s.ID
	}
	return all
}

func sessionComesBack(b *books) {
	b.instance("A")
	full := filled[access.Session]()
	full.InstanceID, full.State = "A", access.Active
	bare := access.NewSession("bare", "A", dawnMS)
	ended := filled[access.Session]()
	ended.ID, ended.InstanceID, ended.State = "ended", "A", access.Terminated
	b.begin(full, bare, ended)
	for _, when := range []string{"", " after reopening"} {
		for _, want := range []*access.Session{full, bare, ended} {
			b.same("the session"+when, b.session(want.ID), want)
		}
		b.same("the live ones"+when, b.live("A", 0, 10), []*access.Session{bare, full})
		b.same("the ones due"+when, b.loaded(store.Want{Due: &store.Due{ByMS: 1 << 60, Most: 10}}).Due, []*access.Session{full, bare})
		b.reopen()
	}
}

// White space between the tokens of JSON may go; all else stays byte for byte.
func sessionKeepsJSON(b *books) {
	b.instance("A")
	s := dueAt("A", "s", dawnMS)
	for i, text := range []string{
		`{}`, `{"z":1,"a":2}`, `{"a":{"b":[1,2.50,1e3,-0,1E-7,0.000000000000000000001,123456789012345678901234567890]}}`,
		`{"a":"\u0000 \u0041 \/ \ud83d\ude00 \" \\ < > & \u2028"}`, "{\"名前\":\"\u2028\u2029\x7f😀\",\"\":null,\"t\":true}",
		`{"a":"` + string(make1000("long ")) + `"}`,
	} {
		s.Items = append(s.Items, access.InUse{Item: fmt.Sprint(i), MetaData: jsontext.Value(text)})
	}
	s.Requester = access.Requester{Type: "t<y>pe", Value: "\u2028 & 名前 \x7f", Dictionary: s.Items[3].MetaData}
	b.begin(s)
	b.same("the session", b.session("s"), s)
	moved := b.move("s", func(s *access.Session) { s.UntilMS++ })
	s.UntilMS++
	b.same("the session, written again,", moved, s)
	b.reopen()
	b.same("the session after reopening", b.session("s"), s)

	b.begin(&access.Session{ID: "spaced", InstanceID: "A", Items: []access.InUse{{MetaData: jsontext.Value("{\n\t\"a\" : [ 1 ,\r\n2 ]\n}")}}})
	got := b.session("spaced").Items[0].MetaData
	b.must(got.Compact())
	b.same("the spaced JSON", string(got), `{"a":[1,2]}`)
}

func numbersNewSessions(b *books) {
	b.instance("A")
	last := int64(0)
	for _, when := range []string{"first", "second", "third"} {
		some := []*access.Session{dueAt("A", when+" z", dawnMS), dueAt("A", when+" a", dawnMS-1), dueAt("A", when+" m", dawnMS)}
		end(some[1])
		b.begin(some...)
		for _, s := range some {
			if s.Number <= last {
				b.Errorf("session %q has number %d, the one before %d", s.ID, s.Number, last)
			}
			last = s.Number
			b.same("the number", b.session(s.ID).Number, s.Number)
		}
		if moved := b.move(some[0].ID, end); moved.Number != some[0].Number {
			b.Errorf("number %d became %d", some[0].Number, moved.Number)
		}
		b.reopen()
	}
}

func replacesSessions(b *books) {
	b.instance("A")
	other := dueAt("A", "other", dawnMS)
	first := filled[access.Session]()
	first.ID, first.InstanceID, first.State = "s", "A", access.Active
	b.begin(first, other)
	for _, next := range []*access.Session{dueAt("A", "s", dawnMS+5), access.NewSession("s", "A", dawnMS+7), first} {
		next.Number = first.Number
		b.move("s", func(s *access.Session) { *s = *next })
		b.same("the session", b.session("s"), next)
		b.reopen()
		b.same("the session after reopening", b.session("s"), next)
	}
	b.same("the other one", b.session("other"), other)
}

func loadsNoSessionOfNothing(b *books) {
	b.instance("A")
	b.begin(dueAt("A", "s", dawnMS))
	for _, id := range []string{"", "S", "s ", "nobody", "A"} {
		if got := b.session(id); got != nil {
			b.Errorf("session %q does not exist but is %+v", id, got)
		}
		if loaded := b.loaded(store.Want{Sessions: []string{id, "s", id}}).Sessions; len(loaded) != 1 || loaded["s"] == nil {
			b.Errorf("beside %q there are %d sessions, want s alone", id, len(loaded))
		}
	}
	if loaded := b.loaded(store.Want{Instances: []string{"A"}}); len(loaded.Sessions)+len(loaded.Due) > 0 {
		b.Errorf("sessions %v and due ones %v were loaded, and nobody wanted any", loaded.Sessions, loaded.Due)
	}
}

func sessionsBringBooks(b *books) {
	for _, id := range []string{"A", "B", "C", "D"} {
		b.instance(id)
		b.lineItem(id, "of "+id, nil)
		b.begin(dueAt(id, "named "+id, dawnMS+dayMS), dueAt(id, "due "+id, dawnMS+dayMS))
	}
	b.move("due B", func(s *access.Session) { s.UntilMS = dawnMS })
	b.reopen()
	loaded := b.loaded(store.Want{Instances: []string{"C"}, Sessions: []string{"named A", "named C"}, Due: &store.Due{ByMS: dawnMS, Most: 5}})
	for id, want := range map[string]bool{"A": true, "B": true, "C": true, "D": false} {
		book := loaded.Books[id]
		if (book != nil) != want {
			b.Errorf("instance %s has the book %+v, want one: %v", id, book, want)
		}
		if book != nil && (book.AccountID != "account "+id || len(book.LineItems) != 1 || book.LineItems[0].ActivationID != "of "+id) {
			b.Errorf("the book of %s is %+v", id, book)
		}
	}
	b.must(b.Commit(ctx, store.Want{Sessions: []string{"named A"}, Due: &store.Due{ByMS: dawnMS, Most: 1}}, func(loaded *store.Loaded) store.Decided {
		return store.Decided{Receipts: []*usage.Receipt{
			b.book(loaded.Books["A"], charge{lineItem: "of A", tokens: "2"}), b.book(loaded.Books["B"], charge{lineItem: "of B", tokens: "3"}),
		}}
	}))
	if x, y := b.usedInBook("A", "of A"), b.usedInBook("B", "of B"); x != "2" || y != "3" {
		b.Errorf("of the books that came along %s and %s is used, want 2 and 3", x, y)
	}
}

func claimsInOrder(b *books) {
	b.instance("A")
	b.instance("B")
	heartbeat, idle, faulty := dueAt("B", "heartbeat", dawnMS+90), access.NewSession("idle", "A", dawnMS+15-access.IdleMost.Milliseconds()), dueAt("A", "faulty", 0)
	heartbeat.HeartbeatDueMS, faulty.RetryMS = dawnMS+25, dawnMS+35
	b.begin(dueAt("A", "40", dawnMS+40), dueAt("A", "20", dawnMS+20), dueAt("B", "30, first", dawnMS+30), dueAt("A", "30, second", dawnMS+30), heartbeat)
	b.begin(faulty, dueAt("A", "30, third", dawnMS+30), idle, dueAt("B", "10", dawnMS+10), dueAt("A", "moved", dawnMS))
	b.move("moved", func(s *access.Session) { s.UntilMS = dawnMS + 22 })
	b.move("30, second", func(s *access.Session) { s.RequestMS = dawnMS })
	want := []string{"10", "idle", "20", "moved", "heartbeat", "30, first", "30, second", "30, third", "faulty", "40"}
	for _, when := range []string{"", " after reopening"} {
		for most := range len(want) + 2 {
			b.same(fmt.Sprintf("the first %d due%s", most, when), b.due(dawnMS+100, most), want[:min(most, len(want))])
		}
		b.reopen()
	}
}

func claimsWithinBounds(b *books) {
	b.instance("A")
	b.begin(dueAt("A", "1", dawnMS+1), dueAt("A", "2", dawnMS+2), dueAt("A", "2 too", dawnMS+2), dueAt("A", "4", dawnMS+4))
	for byMS, want := range map[int64][]string{-1: {}, 0: {}, 1: {"1"}, 2: {"1", "2", "2 too"}, 3: {"1", "2", "2 too"}, 4: {"1", "2", "2 too", "4"}, dayMS: {"1", "2", "2 too", "4"}} {
		b.same(fmt.Sprintf("what is due by %d", byMS), b.due(dawnMS+byMS, 10), want)
	}
	loaded := b.loaded(store.Want{Due: &store.Due{ByMS: dawnMS + 4, Most: 2}})
	if len(loaded.Sessions) != 2 || loaded.Sessions["1"] == nil || loaded.Sessions["2"] == nil {
		b.Errorf("claiming 2 loads %v", loaded.Sessions)
	}
	b.move("1", func(s *access.Session) { s.UntilMS = dawnMS + 3 })
	b.same("what is due after the first has moved on", b.due(dawnMS+3, 10), []string{"2", "2 too", "1"})
}

func claimsAgain(b *books) {
	b.instance("A")
	b.instance("B")
	b.begin(dueAt("A", "1", dawnMS), dueAt("A", "2", dawnMS), dueAt("B", "3", dawnMS))
	o := b.other()
	for range 2 {
		b.same("what is due", b.due(dawnMS, 2), []string{"1", "2"})
		b.same("what is due through another handle", o.due(dawnMS, 10), []string{"1", "2", "3"})
	}
	b.move("2", func(s *access.Session) { s.UntilMS = dawnMS + 1 })
	b.same("what is due once one was caught up with", o.due(dawnMS, 10), []string{"1", "3"})
}

func sessionIsOneThing(b *books) {
	b.instance("A")
	b.begin(dueAt("A", "both", dawnMS), dueAt("A", "due", dawnMS+1), dueAt("A", "named", dawnMS+dayMS))
	loaded := b.loaded(store.Want{Sessions: []string{"both", "named", "both"}, Due: &store.Due{ByMS: dawnMS + 1, Most: 5}})
	if len(loaded.Sessions) != 3 || loaded.Sessions["named"] == nil {
		b.Errorf("the sessions loaded are %v, want both, due and named", loaded.Sessions)
	}
	b.same("what is due", sessionIDs(loaded.Due), []string{"both", "due"})
	for _, s := range loaded.Due {
		if loaded.Sessions[s.ID] != s {
			b.Errorf("session %s is two things: as claimed, and by its id", s.ID)
		}
	}
}

func endedIsOver(b *books) {
	b.instance("A")
	b.begin(dueAt("A", "closed", dawnMS), dueAt("A", "lives", dawnMS+1))
	closed := b.move("closed", end)
	never := dueAt("A", "never lived", dawnMS)
	end(never)
	never.RetryMS = dawnMS
	b.begin(never)
	again := b.move("closed", func(s *access.Session) { s.RequestMS = dawnMS + 9 })
	closed.RequestMS = dawnMS + 9
	b.same("what is written after the end", again, closed)
	for _, when := range []string{"", " after reopening"} {
		b.same("what is due"+when, b.due(1<<60, 10), []string{"lives"})
		b.same("what lives"+when, sessionIDs(b.live("A", 0, 10)), []string{"lives"})
		b.same("a session that has ended"+when, b.session("closed"), closed)
		b.same("a session that ended at once"+when, b.session("never lived"), never)
		b.reopen()
	}
}

func listsLiveSessions(b *books) {
	b.instance("A")
	b.instance("B")
	var want []*access.Session
	for i := range 20 {
		s := dueAt([]string{"A", "A", "B"}[i%3], fmt.Sprint(i*7%20), dawnMS-int64(i*3%20))
		if i%4 == 1 {
			s = access.NewSession(s.ID, s.InstanceID, dawnMS)
		}
		b.begin(s)
		if i%5 == 2 {
			b.move(s.ID, end)
		} else if s.InstanceID == "A" {
			want = slices.Insert(want, 0, s)
		}
	}
	b.same("the live ones", b.live("A", 0, 100), want)
	for _, size := range []int{1, 2, 3, len(want) - 1, len(want), len(want) + 1} {
		var got []*access.Session
		for before := int64(0); len(got) <= len(want); {
			page := b.live("A", before, size)
			if len(page) > size {
				b.Fatalf("a page of %d has %d", size, len(page))
			}
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
			before = page[len(page)-1].Number
		}
		b.same(fmt.Sprintf("the list in pages of %d", size), sessionIDs(got), sessionIDs(want))
	}
	b.same("the live ones of nobody", len(b.live("nobody", 0, 100)), 0)
	b.same("the live ones before the first", len(b.live("A", want[len(want)-1].Number, 100)), 0)
	b.move(want[0].ID, end)
	b.same("the live ones, but for one that has ended", b.live("A", 0, 100), want[1:])
}

func tellsNextDue(b *books) {
	next := func(want int64) {
		b.Helper()
		for _, when := range []string{"", " after reopening"} {
			if got := b.nextDue(); got != want {
				b.Errorf("next due is %d%s, want %d", got, when, want)
			}
			b.reopen()
		}
	}
	next(0)
	b.instance("A")
	b.instance("B")
	b.begin(dueAt("A", "1", dawnMS+30))
	next(dawnMS + 30)
	b.begin(dueAt("B", "2", dawnMS+10), dueAt("A", "3", dawnMS+20))
	next(dawnMS + 10)
	b.move("2", func(s *access.Session) { s.RetryMS = dawnMS + 25 })
	next(dawnMS + 20)
	b.move("3", end)
	next(dawnMS + 25)
	b.move("2", end)
	next(dawnMS + 30)
	b.move("1", end)
	next(0)
}

func durableWithoutReceipt(b *books) {
	b.instance("A")
	b.lineItem("A", "a1", nil)
	var receipts []*usage.Receipt
	var want []*access.Session
	for i := range 3 {
		s := dueAt("A", fmt.Sprint(i), dawnMS+int64(i))
		b.begin(s)
		want = append(want, s)
		if i > 0 {
			want[0] = b.move("0", func(s *access.Session) { s.Beat(dawnMS + int64(i)) })
		}
		b.reopen()
		b.same("the sessions after reopening", b.sessions(), want)
		if got, _ := b.receipts(); len(got) != len(receipts) {
			b.Errorf("sessions have left %d receipts", len(got)-len(receipts))
		}
		key := fmt.Sprint("key ", i)
		receipts = append(receipts, b.commit(charge{instance: "A", lineItem: "a1", tokens: "1", key: key})...)
		b.begin(dueAt("A", "after "+key, dawnMS))
		want = append(want, b.session("after "+key))
		b.same("the receipt under its key after a batch of sessions alone", b.earlier(key), receipts[i])
	}
	got, _ := b.receipts()
	b.same("the record", got, receipts)
	b.onlyUsed("a1", "3", 3)
}

// worked puts a store to work: a charge, a session that goes on, one that has ended, a cover and consumption.
func (b *books) worked() {
	b.Helper()
	b.instance("A")
	b.lineItem("A", "a1", nil)
	b.commit(charge{instance: "A", lineItem: "a1", tokens: "5", key: "good"})
	b.lasting()
}

// leaves decides a batch in which everything changes, has it end in some way, and holds a store to what it was before.
func (b *books) leaves(try func(want store.Want, decide func(*store.Loaded) store.Decided)) {
	b.Helper()
	b.worked()
	o := b.other()
	before, beside := b.state(), dueAt("A", "new", dawnMS)
	payer := b.find("a1")
	want := store.Want{
		Instances: []string{"A"}, Sessions: []string{"s", "ended", "new"}, Due: &store.Due{ByMS: 1 << 60, Most: 9},
		Requesters: []ledger.RequesterKey{user("user")}, Once: []usage.OnceID{usage.NewOnceID("A", "bad")},
	}
	loaded := b.loaded(want)
	if s := loaded.Standings[user("user")]; s == nil || len(s.Covers) != 1 || len(s.Consumed) != 1 {
		b.Fatalf("the standing is %+v", s)
	}
	for range 2 { // the first time may leave something for the second to find
		try(want, func(loaded *store.Loaded) store.Decided {
			r := b.book(loaded.Books["A"], charge{lineItem: "a1", tokens: "100", key: "bad", requester: "user", resetMS: dawnMS, ruled: &usage.Ruled{
				ActionID: "first", ActionUsed: amount("100.5"), Limited: true, SinceMS: dawnMS, Consumed: amount("101.5"),
			}})
			s, c := loaded.Sessions["s"], loaded.Standings[user("user")].Covers[ledger.ItemKey{Item: "item", Version: "1"}]
			consumed := loaded.Standings[user("user")].Consumed[periodOf(payer, dawnMS)]
			consumed.Tokens, consumed.SinceMS = amount("101.5"), dawnMS+1
			loaded.Books["A"].Conditions["first"] = &ledger.Condition{}
			s.UntilMS, s.Items[0].Count, s.Items[0].MetaData[2], s.Items = 7, amount("77"), 'x', s.Items[:1]
			c.Count, c.UntilMS = amount("777"), 7777
			beside.Number = 0
			receipts := []*usage.Receipt{r, b.bookCover(loaded.Books["A"], c), b.bookCover(loaded.Books["A"], newCover("new", payer))}
			return store.Decided{Receipts: receipts, Sessions: []*access.Session{beside, s}}
		})
	}
	for who, h := range map[string]*books{"this handle": b, "another handle": o, "a later handle": b.other()} {
		b.same("what a batch loads through "+who, h.loaded(want), loaded)
		b.same("the state through "+who, h.state(), before)
	}
	b.reopen()
	b.same("what a batch loads after reopening", b.loaded(want), loaded)
	b.same("the state after reopening", b.state(), before)
	b.begin(beside)
	b.same("a session that is begun after all", b.session("new"), beside)
	b.onlyUsed("a1", "5", 4)
}

func leftByNothing(b *books) {
	b.leaves(func(want store.Want, decide func(*store.Loaded) store.Decided) {
		b.must(b.Commit(ctx, want, func(loaded *store.Loaded) store.Decided {
			decide(loaded)
			return store.Decided{}
		}))
	})
}

func leftByFailure(b *books) {
	b.leaves(func(want store.Want, decide func(*store.Loaded) store.Decided) {
		for _, spoil := range []func(*store.Decided){
			func(d *store.Decided) { d.Receipts[0].Items[0].Slices[0].Number += 1000 }, // no such line item
			func(d *store.Decided) { d.Sessions[1].Number += 1000 },                    // no such session
			func(d *store.Decided) { d.Receipts, d.Sessions[1].Number = nil, d.Sessions[1].Number+1000 },
		} {
			b.unavailable(b.Commit(ctx, want, func(loaded *store.Loaded) store.Decided {
				d := decide(loaded)
				spoil(&d)
				return d
			}))
		}
	})
}

func leftByPanic(b *books) {
	b.leaves(func(want store.Want, decide func(*store.Loaded) store.Decided) {
		defer func() {
			if recover() == nil {
				b.Error("the panic was swallowed")
			}
		}()
		_ = b.Commit(ctx, want, func(loaded *store.Loaded) store.Decided {
			decide(loaded)
			panic("a fault of ours")
		})
	})
}

func failsWhenNotThere(b *books) {
	b.instance("A")
	b.begin(dueAt("A", "1", dawnMS), dueAt("A", "2", dawnMS))
	before := b.state()
	for name, spoil := range map[string]func(*access.Session){
		"with a number that no session has":           func(s *access.Session) { s.Number += 1000 },
		"with a number that another has":              func(s *access.Session) { s.Number = before.Sessions[1].Number },
		"with an id that no session has":              func(s *access.Session) { s.ID = "3" },
		"with a number that no session has, and over": func(s *access.Session) { s.Number += 1000; end(s) },
		"with a number that another has, and over":    func(s *access.Session) { s.Number = before.Sessions[1].Number; end(s) },
	} {
		err := b.Commit(ctx, store.Want{Sessions: []string{"1"}}, func(loaded *store.Loaded) store.Decided {
			s := loaded.Sessions["1"]
			spoil(s)
			return store.Decided{Sessions: []*access.Session{s}}
		})
		if err == nil {
			b.Errorf("a session %s was written", name)
		}
		b.same("the state after a session "+name, b.state(), before)
	}
}

func failsWhenThereAlready(b *books) {
	b.instance("A")
	b.begin(dueAt("A", "1", dawnMS))
	before := b.state()
	b.unavailable(b.Commit(ctx, store.Want{}, func(*store.Loaded) store.Decided {
		return store.Decided{Sessions: []*access.Session{dueAt("A", "2", dawnMS), dueAt("A", "1", dawnMS+5)}}
	}))
	b.same("the state after a session was begun again", b.state(), before)
}

func sessionsShowOneState(b *books) {
	b.worked()
	before := b.state()
	b.view(func(r store.Reader) error {
		if _, err := r.Session("s"); err != nil { // from here on it shows this state
			return err
		}
		b.move("s", end)
		b.begin(dueAt("A", "new", 1))
		b.cover(newCover("new", b.find("a1")))
		b.must(b.Change(ctx, func(tx store.Tx) error {
			return errors.Join(tx.PutClock(store.Clock{Test: true, NowMS: dawnMS}), tx.ForgetConsumed(before.LineItems[0].Number),
				tx.PutConditions("A", nil), tx.PutPack(newPack("new")), tx.InsertSale(newSale("order")))
		}))
		b.must(b.Forget(ctx, 1<<60, 1<<60))
		s, err1 := r.Session("s")
		none, err2 := r.Session("new")
		live, err3 := r.LiveSessions("A", 0, 10)
		due, err4 := r.NextDue()
		clock, err5 := r.Clock()
		b.same("the session within one view", s, before.Sessions[0])
		if none != nil || len(live) != 1 || live[0].ID != "s" || due != before.NextDue || clock != nil {
			b.Errorf("a view that began before shows the session %+v, %d live ones, next due %d, the clock %+v", none, len(live), due, clock)
		}
		sessions, covers := 0, 0
		err6 := r.EachSession(func(*access.Session) error { sessions++; return nil })
		err7 := r.EachCover(func(*ledger.Cover) error { covers++; return nil })
		if sessions != 2 || covers != 1 {
			b.Errorf("a view that began before shows %d sessions and %d covers", sessions, covers)
		}
		consumed, err8 := r.Consumed(periodOf(before.LineItems[0], dawnMS), nil, 10)
		conditions, err9 := r.Conditions("A")
		packs, err10 := r.Packs()
		sale, err11 := r.Sale("order")
		if len(consumed) != 1 || len(conditions) != len(newConditions()) || len(packs) != 0 || sale != nil {
			b.Errorf("a view that began before shows the consumption %+v, the conditions %+v, the packs %+v, the sale %+v", consumed, conditions, packs, sale)
		}
		return errors.Join(err1, err2, err3, err4, err5, err6, err7, err8, err9, err10, err11)
	})
	b.same("what a later view shows to be live", sessionIDs(b.live("A", 0, 10)), []string{"new"})
}

func sessionsReturnErrors(b *books) {
	b.worked()
	want := errors.New("an error of fn")
	calls := 0
	for name, each := range map[string]func(store.Reader) error{
		"EachSession": func(r store.Reader) error { return r.EachSession(func(*access.Session) error { calls++; return want }) },
		"EachCover":   func(r store.Reader) error { return r.EachCover(func(*ledger.Cover) error { calls++; return want }) },
		"EachConsumed": func(r store.Reader) error {
			return r.EachConsumed(func(*ledger.Consumed) error { calls++; return want })
		},
	} {
		calls = 0
		if err := b.View(ctx, each); err != want || calls != 1 {
			b.Errorf("%s: got %v after %d calls, want what fn returned after 1", name, err, calls)
		}
	}
}

func claimedByOne(b *books) {
	const sessions, periods = 12, 10
	b.instance("A")
	b.instance("B")
	b.lineItem("A", "a1", nil)
	b.lineItem("B", "b1", nil)
	for i := range sessions {
		b.begin(dueAt([]string{"A", "B"}[i%2], fmt.Sprint(i), dawnMS+int64(i)))
	}
	payer := map[string]string{"A": "a1", "B": "b1"}
	var wait sync.WaitGroup
	for _, h := range []*books{b, b.other()} {
		for most := range 3 {
			wait.Go(func() {
				for more := true; more; {
					want := store.Want{Due: &store.Due{ByMS: dawnMS + dayMS*periods - 1, Most: most + 1}}
					err := h.Commit(ctx, want, func(loaded *store.Loaded) (d store.Decided) {
						more = len(loaded.Due) > 0
						for _, s := range loaded.Due {
							s.UntilMS += dayMS
							s.Net = s.Net.Add(token.FromInt(1))
							d.Receipts = append(d.Receipts, h.book(loaded.Books[s.InstanceID], charge{lineItem: payer[s.InstanceID], tokens: "1"}))
							d.Sessions = append(d.Sessions, s)
						}
						return d
					})
					if err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
	}
	wait.Wait()
	for i, s := range b.sessions() {
		if s.UntilMS != dawnMS+int64(i)+dayMS*periods || !s.Net.Equal(token.FromInt(periods)) {
			b.Errorf("session %s was charged %s times until %d, want %d times until %d", s.ID, s.Net, s.UntilMS, periods, dawnMS+int64(i)+dayMS*periods)
		}
	}
	if used := b.used("b1"); used != fmt.Sprint(sessions/2*periods) {
		b.Errorf("%s of b1 is used, want %d", used, sessions/2*periods)
	}
	b.onlyUsed("a1", fmt.Sprint(sessions/2*periods), sessions*periods)
}
