package storetest

import (
	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

var failureTests = []test{
	{"everything is left as it was when nothing was decided", leftByNothing},
	{"everything is left as it was when the batch fails", leftByFailure},
	{"everything is left as it was when decide panics", leftByPanic},
	{"a batch fails when a session is changed and not there", failsWhenNotThere},
	{"a batch fails when a session is new and there already", failsWhenThereAlready},
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
