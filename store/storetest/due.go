package storetest

import (
	"fmt"
	"sync"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
)

var dueTests = []test{
	{"sessions are claimed in the order of time, and at one time of number", claimsInOrder},
	{"sessions are claimed by when they are due and not before, and no more than were asked for", claimsWithinBounds},
	{"a session is claimed again when nothing was decided about it", claimsAgain},
	{"a session is one thing, whether named or claimed", sessionIsOneThing},
	{"a view tells when anything is due next", tellsNextDue},
	{"a session is claimed by one of many at a time", claimedByOne},
}

// dueAt returns a session about which something is to be done at a time.
func dueAt(instanceID, id string, dueMS int64) *access.Session {
	s := access.NewSession(id, instanceID, dawnMS)
	s.State, s.FromMS, s.UntilMS = access.Active, dawnMS, dueMS
	return s
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
