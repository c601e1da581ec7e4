package postgres

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/test/cluster"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// BenchmarkHeld is a batch of one charge, and one that makes and one that ends a hold, on an instance where so many holds are live; of one server, and of
// two that take turns. It reports the processor time of this process and of PostgreSQL's, which a busy machine tells more of than the time that passes.
func BenchmarkHeld(b *testing.B) {
	for _, live := range []int{0, 100, 1_000, 10_000} {
		url := cluster.Shared(b).URL(b)
		var servers []*Store
		for range 2 {
			s, err := Open(url, Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			servers = append(servers, s)
		}
		world(b, servers[0])
		fill(b, servers[0], live)
		for _, n := range []int{1, 2} {
			b.Run(fmt.Sprintf("charge/live=%d/servers=%d", live, n), func(b *testing.B) {
				measured(b, servers[0], func(i int) error { return charge(servers[i%n], "x") })
			})
			b.Run(fmt.Sprintf("hold/live=%d/servers=%d", live, n), func(b *testing.B) {
				measured(b, servers[0], func(i int) error {
					h := heldFor(fmt.Sprintf("%s-%d", b.Name(), serial()), 1, 1<<40)
					if err := moved(servers[i%n], access.MakeHold, h); err != nil {
						return err
					}
					h.State, h.EndedMS = access.Settled, 2
					return moved(servers[i%n], access.SettleHold, h)
				})
			})
		}
	}
}

var serials int

func serial() int { serials++; return serials }

// measured runs something in turns, and reports what it took of the processor.
func measured(b *testing.B, s *Store, do func(i int) error) {
	for i := range 4 {
		if err := do(i); err != nil { // what comes first prepares statements, and reads what is remembered after
			b.Fatal(err)
		}
	}
	ours, theirs := processorOurs(b), processorTheirs(b, s)
	b.ResetTimer()
	i := 0
	for b.Loop() {
		if err := do(i); err != nil {
			b.Fatal(err)
		}
		i++
	}
	b.ReportMetric((processorOurs(b)-ours)*1000/float64(i), "our-cpu-ms/op")
	b.ReportMetric((processorTheirs(b, s)-theirs)*1000/float64(i), "db-cpu-ms/op")
}

// processorOurs returns how many seconds of processor this process has taken.
func processorOurs(b *testing.B) float64 {
	var of syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &of); err != nil {
		b.Fatal(err)
	}
	return float64(of.Utime.Sec+of.Stime.Sec) + float64(of.Utime.Usec+of.Stime.Usec)/1e6
}

// processorTheirs returns how many seconds of processor PostgreSQL's processes for clients have taken, in steps of 10 ms.
func processorTheirs(b *testing.B, s *Store) (seconds float64) {
	rows, err := s.reads.Query(ctx, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND usename = current_user")
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var pid int
		if err := rows.Scan(&pid); err != nil {
			b.Fatal(err)
		}
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue // elsewhere
		}
		fields := strings.Fields(string(text[strings.LastIndex(string(text), ")"):]))
		for _, at := range []int{12, 13} {
			var ticks float64
			if _, err := fmt.Sscan(fields[at], &ticks); err != nil {
				b.Fatal(err)
			}
			seconds += ticks / 100
		}
	}
	return seconds
}

// heldFor returns a hold of some tokens of the line item of world.
func heldFor(id string, tokens, untilMS int64) *access.Hold {
	return &access.Hold{
		ID: id, InstanceID: "A",
		Promise: access.Promise{Requester: access.Requester{Type: "t", Value: "v"}, CreatedMS: 1, Items: []access.Promised{{Item: "i", Count: token.FromInt(tokens)}}},
		Holding: access.Holding{
			State: access.Held, Type: "t", Value: "v", UntilMS: untilMS,
			Shares: [][]ledger.Share{{{Number: 1, Rate: token.FromInt(1), Tokens: token.FromInt(tokens)}}},
		},
	}
}

// moved commits, in one batch, moves that left holds as they are.
func moved(s store.Store, operation access.HoldOperation, holds ...*access.Hold) error {
	return s.Commit(ctx, store.Want{Instances: []string{"A"}}, func(loaded *store.Loaded) (d store.Decided) {
		book := loaded.Books["A"]
		for _, h := range holds {
			if book.Drop(h.ID); !h.Ended() { // as a decision does
				book.Keep(h.OnBook(h.ID, h.InstanceID))
			}
			r := &usage.Receipt{
				CorrelationID: h.ID, TimeMS: 1, InstanceID: "A", AccountID: "a", Requester: h.Requester, Items: []usage.Item{},
				Hold: &usage.Hold{ID: h.ID, Operation: operation, Holding: h.Holding},
			}
			if operation == access.MakeHold {
				r.Hold.Items = []usage.Item{{Item: "i", Count: token.FromInt(1), Status: ledger.Granted}}
			}
			d.Receipts = append(d.Receipts, r)
		}
		return d
	})
}

func fill(b *testing.B, s *Store, live int) {
	for made := 0; made < live; {
		var holds []*access.Hold
		for ; made < live && len(holds) < 500; made++ {
			holds = append(holds, heldFor(fmt.Sprintf("live-%06d", made), 1, 1<<41))
		}
		if err := moved(s, access.MakeHold, holds...); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLook is what a quote reads of live holds, and a page of them, on an instance that was charged just before.
func BenchmarkLook(b *testing.B) {
	for _, live := range []int{0, 100, 10_000} {
		s, err := Open(cluster.Shared(b).URL(b), Options{})
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		world(b, s)
		fill(b, s, live)
		if err := charge(s, "x"); err != nil {
			b.Fatal(err)
		}
		looks := func(name string, look func(store.Reader) (int, error), want int) {
			b.Run(fmt.Sprintf("%s/live=%d", name, live), func(b *testing.B) {
				measured(b, s, func(int) error {
					return s.View(ctx, func(r store.Reader) error {
						found, err := look(r)
						if err == nil && found != want {
							b.Fatalf("%d holds, want %d", found, want)
						}
						return err
					})
				})
			})
		}
		looks("held", func(r store.Reader) (int, error) { all, err := r.Held("A", 2); return len(all), err }, live)
		looks("page", func(r store.Reader) (int, error) {
			all, err := r.LiveHolds("A", false, 2, 0, 101)
			return len(all), err
		}, min(live, 101))
	}
}
