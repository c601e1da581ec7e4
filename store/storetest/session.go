package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

var sessionTests = []test{
	{"comes back with everything in it", sessionComesBack},
	{"keeps the JSON that it was given", sessionKeepsJSON},
	{"is numbered when it is new, and never again", numbersNewSessions},
	{"is replaced when it has changed", replacesSessions},
	{"is not loaded when there is none", loadsNoSessionOfNothing},
	{"brings the book of its instance along", sessionsBringBooks},
	{"is never due or live once it has ended, but still found", endedIsOver},
	{"is listed while it lives: newest first, page by page, by instance", listsLiveSessions},
	{"is durable without a receipt, and is no part of the record then", durableWithoutReceipt},
	{"shows one state to a view while others write", sessionsShowOneState},
	{"returns an error of fn as it is", sessionsReturnErrors},
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
