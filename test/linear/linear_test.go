package linear

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/anishathalye/porcupine"

	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/postgres"
	"github.com/farebox/farebox/store/sqlite"
	"github.com/farebox/farebox/test/cluster"
	"github.com/farebox/farebox/usage"
)

func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) }

// Every store there is has one line, and one more if many servers may share it.
func TestSQLite(t *testing.T) { Run(t, openSQLite) }
func TestPostgres(t *testing.T) {
	Run(t, func(t testing.TB) []store.Store { return openPostgres(t, 1) })
}
func TestTwoServers(t *testing.T) {
	Run(t, func(t testing.TB) []store.Store { return openPostgres(t, 2) })
}

func openSQLite(t testing.TB) []store.Store {
	s, err := sqlite.Open(filepath.Join(t.TempDir(), "f.db"), sqlite.Options{Create: true, Serve: true})
	return []store.Store{opened(t, s, err)}
}

func openPostgres(t testing.TB, servers int) (all []store.Store) {
	url := cluster.Shared(t).URL(t)
	for range servers {
		s, err := postgres.Open(url, postgres.Options{})
		all = append(all, opened(t, s, err))
	}
	return all
}

func opened(t testing.TB, s store.Store, err error) store.Store {
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// op is a call in a history that was made by hand.
func op(from, to int64, a Ask, told Told) porcupine.Operation {
	a.LineItem = "l"
	return porcupine.Operation{Input: a, Output: told, Call: from, Return: to}
}

func TestHandMadeHistories(t *testing.T) {
	all := Quantity + Overdraft
	for name, c := range map[string]struct {
		history []porcupine.Operation
		want    porcupine.CheckResult
	}{
		"one after the other": {[]porcupine.Operation{
			op(1, 2, Ask{Verb: Charge, Amount: all}, Told{Tokens: all}), op(3, 4, Ask{Verb: Charge, Amount: 1}, Told{}),
			op(5, 6, Ask{Verb: TopUp, Amount: Quantity + 2}, Told{Used: all, Quantity: Quantity + 2}),
			op(7, 8, Ask{Verb: Charge, Amount: 5, Partial: true}, Told{Tokens: 2}), op(9, 10, Ask{Verb: Read}, Told{Used: all + 2, Quantity: Quantity + 2}),
		}, porcupine.Ok},
		"at once, in the other order": {[]porcupine.Operation{
			op(1, 9, Ask{Verb: Charge, Amount: all}, Told{}), op(2, 8, Ask{Verb: Charge, Amount: 1}, Told{Tokens: 1}),
		}, porcupine.Ok},
		"both get the last tokens": {[]porcupine.Operation{
			op(1, 9, Ask{Verb: Charge, Amount: all}, Told{Tokens: all}), op(2, 8, Ask{Verb: Charge, Amount: 1}, Told{Tokens: 1}),
		}, porcupine.Illegal},
		"denied while there are enough": {[]porcupine.Operation{
			op(1, 9, Ask{Verb: Charge, Amount: 2}, Told{}), op(2, 8, Ask{Verb: Charge, Amount: 1}, Told{Tokens: 1}),
		}, porcupine.Illegal},
		"a charge that was answered is not read": {[]porcupine.Operation{
			op(1, 2, Ask{Verb: Charge, Amount: 2}, Told{Tokens: 2}), op(3, 4, Ask{Verb: Read}, Told{Quantity: Quantity}),
		}, porcupine.Illegal},
		"a charge is read, and then not": {[]porcupine.Operation{
			op(1, 9, Ask{Verb: Charge, Amount: 2}, Told{Tokens: 2}), op(2, 3, Ask{Verb: Read}, Told{Used: 2, Quantity: Quantity}),
			op(4, 5, Ask{Verb: Read}, Told{Quantity: Quantity}),
		}, porcupine.Illegal},
		"a key counts once": {[]porcupine.Operation{
			op(1, 9, Ask{Verb: Charge, Amount: 2, Key: "k"}, Told{Tokens: 2}), op(2, 8, Ask{Verb: Charge, Amount: 2, Key: "k"}, Told{Tokens: 2}),
			op(10, 11, Ask{Verb: Read}, Told{Used: 2, Quantity: Quantity}),
		}, porcupine.Ok},
		"a key counts twice": {[]porcupine.Operation{
			op(1, 9, Ask{Verb: Charge, Amount: 2, Key: "k"}, Told{Tokens: 2}), op(2, 8, Ask{Verb: Charge, Amount: 2, Key: "k"}, Told{Tokens: 2}),
			op(10, 11, Ask{Verb: Read}, Told{Used: 4, Quantity: Quantity}),
		}, porcupine.Illegal},
		"what is held cannot be charged, and what returns can": {[]porcupine.Operation{
			op(1, 2, Ask{Verb: Hold, Amount: all}, Told{Tokens: all}), op(3, 4, Ask{Verb: Charge, Amount: 1}, Told{}),
			op(5, 6, Ask{Verb: Settle, Amount: 5, Held: all, Key: "k"}, Told{Tokens: 5}), op(7, 8, Ask{Verb: Settle, Amount: 5, Held: all, Key: "k"}, Told{Tokens: 5}),
			op(9, 10, Ask{Verb: Balance}, Told{Used: 5, Quantity: Quantity}), op(11, 12, Ask{Verb: Charge, Amount: all - 5}, Told{Tokens: all - 5}),
		}, porcupine.Ok},
		"what is held is charged": {[]porcupine.Operation{
			op(1, 2, Ask{Verb: Hold, Amount: all}, Told{Tokens: all}), op(3, 4, Ask{Verb: Charge, Amount: 1}, Told{Tokens: 1}),
		}, porcupine.Illegal},
		"what was settled is still held": {[]porcupine.Operation{
			op(1, 2, Ask{Verb: Hold, Amount: 6}, Told{Tokens: 6}), op(3, 4, Ask{Verb: Part, Amount: 2, Held: 6}, Told{Tokens: 2}),
			op(5, 6, Ask{Verb: Balance}, Told{Used: 2, Quantity: Quantity, Held: 6}),
		}, porcupine.Illegal},
		"a settlement counts twice": {[]porcupine.Operation{
			op(1, 2, Ask{Verb: Hold, Amount: 6}, Told{Tokens: 6}), op(3, 9, Ask{Verb: Part, Amount: 2, Held: 6, Key: "k"}, Told{Tokens: 2}),
			op(4, 8, Ask{Verb: Part, Amount: 2, Held: 6, Key: "k"}, Told{Tokens: 2}), op(10, 11, Ask{Verb: Balance}, Told{Used: 4, Quantity: Quantity, Held: 2}),
		}, porcupine.Illegal},
		"a refund that never comes": {[]porcupine.Operation{
			op(1, 2, Ask{Verb: Session, Amount: 5}, Told{Tokens: 5}), op(3, 4, Ask{Verb: Refund, Amount: 5}, Told{}),
			op(5, 6, Ask{Verb: Read}, Told{Used: 5, Quantity: Quantity}),
		}, porcupine.Illegal},
	} {
		if got := Check(c.history); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// Servers that answer too soon or too late are found out.
func TestBrokenServersAreFound(t *testing.T) {
	for name, broken := range map[string]struct {
		store  func(store.Store) store.Store
		around func(http.Handler) http.Handler
	}{
		"answers before it books": {store: func(s store.Store) store.Store { return &hasty{Store: s} }},
		"reads what was":          {around: staleReads},
	} {
		t.Run(name, func(t *testing.T) {
			s := openSQLite(t)
			if broken.store != nil {
				s[0] = broken.store(s[0])
			}
			if got := Check(Record(t, s, 1, broken.around)); got != porcupine.Illegal {
				t.Errorf("the history is %s", got)
			}
		})
	}
}

// hasty forgets every second batch of one-off requests that hold nothing.
type hasty struct {
	store.Store
	batches atomic.Int64
}

func (s *hasty) Commit(ctx context.Context, want store.Want, decide func(*store.Loaded) store.Decided) error {
	return s.Store.Commit(ctx, want, func(loaded *store.Loaded) store.Decided {
		decided := decide(loaded)
		held := slices.ContainsFunc(decided.Receipts, func(r *usage.Receipt) bool { return r.Hold != nil })
		if len(decided.Receipts) > 0 && len(decided.Sessions) == 0 && !held && s.batches.Add(1)%2 == 0 {
			return store.Decided{}
		}
		return decided
	})
}

// staleReads answers the same question with what was answered before, every other time.
func staleReads(next http.Handler) http.Handler {
	var mu sync.Mutex
	answers, asked := map[string][]byte{}, map[string]int{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "line-items") {
			next.ServeHTTP(w, r)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if asked[r.URL.Path]++; asked[r.URL.Path]%2 == 1 {
			recorded := httptest.NewRecorder()
			next.ServeHTTP(recorded, r)
			answers[r.URL.Path] = recorded.Body.Bytes()
		}
		_, _ = w.Write(answers[r.URL.Path])
	})
}
