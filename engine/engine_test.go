package engine_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/auth"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/sqlite"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

var ctx = context.Background()

const dawnMS = 1767225600000

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // faults are made on purpose here
	os.Exit(m.Run())
}

// world is an engine with instance A's line item a of 1000 tokens, and item x that costs 1.
type world struct {
	*testing.T
	*engine.Engine
	store    *sqlite.Store
	path     string
	instance string
}

// newWorld starts an engine; wrap may put another store before the real one, and change the options.
func newWorld(t *testing.T, wrap func(store.Store, *engine.Options) store.Store) *world {
	w := &world{T: t, path: filepath.Join(t.TempDir(), "world.db")}
	var err error
	if w.store, err = sqlite.Open(w.path, sqlite.Options{Create: true}); err != nil {
		t.Fatal(err)
	}
	options := engine.Options{Now: func() time.Time { return time.UnixMilli(dawnMS) }}
	var s store.Store = w.store
	if wrap != nil {
		s = wrap(s, &options)
	}
	w.Engine = engine.New(s, options)
	t.Cleanup(func() {
		w.Stop()
		if err := w.store.Close(); err != nil {
			t.Error(err)
		}
	})
	w.must(w.change("", func(c *engine.Change) error {
		i, err := c.CreateInstance("instance", "account")
		if err != nil {
			return err
		}
		w.instance = i.ID
		if err := c.AddRateTable(&rate.Table{Version: "1", Items: []rate.Item{{Name: "x", Rate: token.FromInt(1)}, {Name: "free"}}}); err != nil {
			return err
		}
		_, err = c.PutLineItem(w.lineItem("a"))
		return err
	}))
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// kind fails unless err is a problem of a kind.
func (w *world) kind(err error, want problem.Kind) {
	w.Helper()
	if err == nil || problem.KindOf(err) != want {
		w.Errorf("got %v (kind %d), want a problem of kind %d", err, problem.KindOf(err), want)
	}
}

func (w *world) lineItem(id string) ledger.LineItem {
	return ledger.LineItem{
		ActivationID: id, InstanceID: w.instance, State: ledger.Deployed, Quantity: 1000, StartMS: dawnMS, EndMS: dawnMS + 1000*hourMS, Elastic: true, Kind: ledger.Paid,
	}
}

// change makes a change, with an idempotency key unless that is empty.
func (w *world) change(key string, fn func(*engine.Change) error) error {
	_, _, err := w.answer(key, "the same", fn)
	return err
}

func (w *world) answer(key, fingerprint string, fn func(*engine.Change) error) (*store.Answer, bool, error) {
	return w.Change(ctx, w.instance, once(key, fingerprint), func(c *engine.Change) (*store.Answer, error) {
		return &store.Answer{Status: 204}, fn(c)
	})
}

func once(key, fingerprint string) *engine.Once {
	if key == "" {
		return nil
	}
	return &engine.Once{Key: key, Fingerprint: []byte(fingerprint)}
}

func (w *world) charge(item, key, fingerprint string) (*usage.Receipt, bool, error) {
	return w.Charge(&engine.Charge{InstanceID: w.instance, Once: once(key, fingerprint), Request: &access.Request{
		Requester: access.Requester{Type: "USER", Value: "u"}, Items: []access.Item{{Ask: ledger.Ask{Item: item, Count: token.FromInt(1)}}},
	}})
}

// used returns the use of line item a.
func (w *world) used() (used string) {
	w.Helper()
	w.must(w.View(ctx, func(r store.Reader) error {
		l, err := r.LineItem("a")
		used = l.Used.String()
		return err
	}))
	return used
}

func (w *world) proof() *engine.Proof {
	w.Helper()
	proof, err := engine.Verify(ctx, w.store)
	w.must(err)
	return proof
}

func TestKeyCountsOnce(t *testing.T) {
	w := newWorld(t, nil)
	first, replayed, err := w.charge("x", "key", "the same")
	if err != nil || replayed {
		t.Fatalf("%v, %v", replayed, err)
	}
	again, replayed, err := w.charge("x", "key", "the same")
	if err != nil || !replayed || again.CorrelationID != first.CorrelationID || again.Items[0].Slices[0].ActivationID != "a" {
		t.Errorf("again: %+v, %v, %v", again, replayed, err)
	}
	_, _, err = w.charge("x", "key", "another")
	w.kind(err, problem.KeyReused)
	if p, ok := errors.AsType[*problem.Error](err); !ok || p.Field != "Idempotency-Key" {
		t.Errorf("got %v, want a problem of the header", err)
	}
	if got := w.used(); got != "1" {
		t.Errorf("%s is used, want 1", got)
	}
	if _, replayed, err := w.charge("missing", "denied", "the same"); err != nil || replayed {
		t.Errorf("%v, %v", replayed, err)
	}
	if _, replayed, err := w.charge("missing", "denied", "the same"); err != nil || !replayed {
		t.Errorf("a denial is not replayed: %v, %v", replayed, err)
	}
}

func TestKeyOfChangeAndOfCharge(t *testing.T) {
	w := newWorld(t, nil)
	nothing := func(*engine.Change) error { return nil }
	for range 3 { // the first makes it, the others replay it; an answer has no body here
		if a, _, err := w.answer("change", "the same", nothing); err != nil || a.Status != 204 || len(a.Body) != 0 {
			t.Fatalf("%+v, %v", a, err)
		}
	}
	_, _, err := w.answer("change", "another", nothing)
	w.kind(err, problem.KeyReused)
	_, _, err = w.charge("x", "change", "the same")
	w.kind(err, problem.KeyReused)
	_, _, err = w.charge("x", "charge", "the same")
	w.must(err)
	_, _, err = w.answer("charge", "the same", func(*engine.Change) error { t.Error("it was made"); return nil })
	w.kind(err, problem.KeyReused)
	if got := w.used(); got != "1" {
		t.Errorf("%s is used, want 1", got)
	}
}

func TestFailedChangeLeavesKeyUnused(t *testing.T) {
	w := newWorld(t, nil)
	errFailed := problem.New(problem.Conflict, "failed")
	if err := w.change("key", func(*engine.Change) error { return errFailed }); err != errFailed {
		t.Errorf("got %v", err)
	}
	made := false
	w.must(w.change("key", func(*engine.Change) error { made = true; return nil }))
	if !made {
		t.Error("a change was not made because one with the same key had failed")
	}
	_, _, err := w.charge("nobody's", "key of nobody", "the same")
	w.must(err)
	_, _, err = w.Charge(&engine.Charge{InstanceID: "nobody", Request: &access.Request{}, Once: once("k", "f")})
	w.kind(err, problem.NotFound)
}

// A line item that was charged 0 tokens has events, so it must stay when it is deleted.
func TestDeletedLineItemKeepsItsEvents(t *testing.T) {
	w := newWorld(t, nil)
	_, _, err := w.charge("free", "", "")
	w.must(err)
	w.must(w.change("", func(c *engine.Change) error {
		never := w.lineItem("never")
		_, err := c.PutLineItem(never)
		return err
	}))
	for _, id := range []string{"a", "never"} {
		w.must(w.change("", func(c *engine.Change) error { return c.DeleteLineItem(w.instance, id) }))
		w.kind(w.change("", func(c *engine.Change) error { return c.DeleteLineItem(w.instance, id) }), problem.NotFound)
	}
	if proof := w.proof(); len(proof.Differences) > 0 || proof.LineItems != 1 {
		t.Errorf("verify finds %d line items and %q", proof.LineItems, proof.Differences)
	}
	other := ""
	w.must(w.change("", func(c *engine.Change) error {
		i, err := c.CreateInstance("other", "account")
		other = i.ID
		return err
	}))
	put := func(id string) error {
		return w.change("", func(c *engine.Change) error {
			l := w.lineItem(id)
			l.InstanceID = other
			_, err := c.PutLineItem(l)
			return err
		})
	}
	w.kind(put("a"), problem.Conflict)
	w.must(put("never"))
}

// faulty makes a fault in the decision on one request of a batch.
func TestFaultInDecision(t *testing.T) {
	var fault atomic.Bool
	var ids atomic.Int64
	w := newWorld(t, func(s store.Store, o *engine.Options) store.Store {
		o.NewID = func() string {
			if fault.Load() {
				panic("a fault of ours")
			}
			return fmt.Sprint(ids.Add(1))
		}
		return s
	})
	_, _, err := w.charge("x", "good", "the same")
	w.must(err)
	fault.Store(true)
	for range 3 {
		_, replayed, err := w.charge("x", "bad", "the same")
		w.kind(err, problem.Internal)
		if replayed {
			t.Error("a fault is a replay")
		}
	}
	fault.Store(false)
	if got := w.used(); got != "1" {
		t.Errorf("%s is used after a fault, want 1", got)
	}
	if _, replayed, err := w.charge("x", "bad", "the same"); err != nil || replayed {
		t.Errorf("after the fault: %v, %v", replayed, err)
	}
	if got := w.used(); got != "2" {
		t.Errorf("%s is used, want 2", got)
	}
	if d := w.proof().Differences; len(d) > 0 {
		t.Errorf("verify finds %q", d)
	}
}

// hooked is a store whose commits a test looks at or spoils.
type hooked struct {
	store.Store
	commit func(store.Want, func(*store.Loaded) store.Decided) error
}

func (h *hooked) Commit(_ context.Context, want store.Want, decide func(*store.Loaded) store.Decided) error {
	return h.commit(want, decide)
}

func TestFailedCommitChargesNobody(t *testing.T) {
	var fail atomic.Bool
	w := newWorld(t, func(s store.Store, _ *engine.Options) store.Store {
		return &hooked{s, func(want store.Want, decide func(*store.Loaded) store.Decided) error {
			if !fail.Load() {
				return s.Commit(ctx, want, decide)
			}
			return s.Commit(ctx, want, func(l *store.Loaded) store.Decided {
				decided := decide(l)
				for _, r := range decided.Receipts {
					r.Items[0].Slices[0].Number += 1000 // the store will refuse this
				}
				return decided
			})
		}}
	})
	_, _, err := w.charge("x", "0", "the same")
	w.must(err)
	fail.Store(true)
	var wait sync.WaitGroup
	for i := range 20 {
		wait.Go(func() {
			receipt, replayed, err := w.charge("x", fmt.Sprint(i%5+1), "the same")
			if receipt != nil || replayed {
				t.Errorf("a charge that failed has the receipt %+v", receipt)
			}
			w.kind(err, problem.Unavailable)
		})
	}
	wait.Wait()
	fail.Store(false)
	if got := w.used(); got != "1" {
		t.Errorf("%s is used, want 1", got)
	}
	if _, replayed, err := w.charge("x", "1", "the same"); err != nil || replayed {
		t.Errorf("after the failure: %v, %v", replayed, err)
	}
	if got := w.used(); got != "2" {
		t.Errorf("%s is used, want 2", got)
	}
}

// A store may call decide again on freshly loaded books, when it must repeat its transaction.
func TestDecideMayBeRepeated(t *testing.T) {
	w := newWorld(t, func(s store.Store, _ *engine.Options) store.Store {
		return &hooked{s, func(want store.Want, decide func(*store.Loaded) store.Decided) error {
			return s.Commit(ctx, want, func(l *store.Loaded) store.Decided {
				for range 2 {
					copied := *l
					copied.Books = map[string]*ledger.Book{}
					for id, book := range l.Books {
						b := *book
						b.LineItems = nil
						for _, l := range book.LineItems {
							item := *l
							b.LineItems = append(b.LineItems, &item)
						}
						copied.Books[id] = &b
					}
					decide(&copied)
				}
				return decide(l)
			})
		}}
	})
	var wait sync.WaitGroup
	var fresh atomic.Int64
	for i := range 100 {
		wait.Go(func() {
			receipt, replayed, err := w.charge("x", fmt.Sprint(i%10), "the same")
			if err != nil || receipt.Items[0].Status != ledger.Granted {
				t.Errorf("%+v, %v", receipt, err)
			}
			if !replayed {
				fresh.Add(1)
			}
		})
	}
	wait.Wait()
	if got := w.used(); got != "10" || fresh.Load() != 10 {
		t.Errorf("%s is used in %d charges, want 10 in 10", got, fresh.Load())
	}
	if proof := w.proof(); len(proof.Differences) > 0 || proof.Receipts != 10 {
		t.Errorf("verify finds %d receipts and %q", proof.Receipts, proof.Differences)
	}
}

func TestBatchesAreBounded(t *testing.T) {
	var most, mostBytes, batches atomic.Int64
	release := make(chan struct{})
	w := newWorld(t, func(s store.Store, _ *engine.Options) store.Store {
		return &hooked{s, func(want store.Want, decide func(*store.Loaded) store.Decided) error {
			<-release
			batches.Add(1)
			most.Store(max(most.Load(), int64(len(want.Instances))))
			bytes := int64(0)
			if len(want.Once) > 0 {
				bytes = int64(len(want.Instances)) << 20 // those with keys say that they have 1 MiB each
			}
			mostBytes.Store(max(mostBytes.Load(), bytes))
			return s.Commit(ctx, want, decide)
		}}
	})
	var wait sync.WaitGroup
	ask := func(n, size int, key string) {
		for i := range n {
			wait.Go(func() {
				k := ""
				if key != "" {
					k = fmt.Sprint(key, i)
				}
				_, _, err := w.Charge(&engine.Charge{InstanceID: w.instance, Size: size, Once: once(k, "the same"), Request: &access.Request{
					Items: []access.Item{{Ask: ledger.Ask{Item: "free", Count: token.FromInt(1)}}},
				}})
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
	ask(3000, 0, "")
	for w.Waiting() < 1024 { // as many as there is room for in line
		time.Sleep(time.Millisecond)
	}
	close(release)
	wait.Wait()
	if most.Load() > 1024 || most.Load() < 2 {
		t.Errorf("%d requests in the largest batch", most.Load())
	}
	ask(100, 1<<20, "large ")
	wait.Wait()
	if mostBytes.Load() > 9<<20 {
		t.Errorf("%d MiB in the largest batch", mostBytes.Load()>>20)
	}
}

// A key that another process saved works after a while; D30 has 10 seconds for it, a busy machine may take longer.
func TestKeysOfOthersAreAdopted(t *testing.T) {
	w := newWorld(t, nil)
	pair, err := auth.NewPair()
	w.must(err)
	bearer, err := auth.Sign(pair, auth.Admin, pair.ID, nil, time.UnixMilli(dawnMS), time.Hour)
	w.must(err)
	if _, err := w.Authenticate("Bearer " + bearer); err == nil {
		t.Fatal("a key that was not saved works")
	}
	other, err := sqlite.Open(w.path, sqlite.Options{})
	w.must(err)
	w.must(other.Change(ctx, func(tx store.Tx) error {
		return tx.PutKey(auth.Key{Role: auth.Admin, ID: pair.ID, PublicPEM: pair.PublicPEM})
	}))
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if _, err = w.Authenticate("Bearer " + bearer); err == nil || time.Now().After(deadline) {
			break
		}
	}
	w.must(err)
	w.must(other.Change(ctx, func(tx store.Tx) error { return tx.DeleteKey(auth.Admin, pair.ID) }))
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if _, err = w.Authenticate("Bearer " + bearer); err != nil || time.Now().After(deadline) {
			break
		}
	}
	if err == nil {
		t.Error("a key that was deleted still works")
	}
	w.must(other.Close())
}

// Verify is worth nothing unless it sees what is wrong.
func TestVerifySeesDifferences(t *testing.T) {
	for _, row := range []struct{ what, statement, want string }{
		{"nothing", "SELECT 1", ""},
		{"a balance", "UPDATE balance SET used = '2.5'", "used is 2.5, its events add up to 3"},
		{"a balance, by the last digit", "UPDATE balance SET used = '3.000000000001'", "used is 3.000000000001"},
		{"a journal row", "DELETE FROM journal WHERE number = 2", "after it, the events up to it add up to"},
		{"the last journal row", "DELETE FROM journal WHERE number = 3", "used is 3, its events add up to 2"},
		{"a receipt", "UPDATE journal SET receipts = CAST(replace(CAST(receipts AS TEXT), '\"tokens\":1', '\"tokens\":2') AS BLOB) WHERE number = 2", "the events up to it add up to"},
		{"the order of receipts", "UPDATE journal SET number = CASE number WHEN 1 THEN 12 ELSE number END", "the events up to it add up to"},
		{"a line item", "DELETE FROM line_item", "not in the books"},
		{"the name of a line item", "UPDATE line_item SET activation_id = 'b'", "not in the books"},
	} {
		t.Run(row.what, func(t *testing.T) {
			w := newWorld(t, nil)
			for range 3 {
				_, _, err := w.charge("x", "", "")
				w.must(err)
			}
			w.expectDifference(row.statement, row.want)
		})
	}
}

// expectDifference spoils the file, and has verify find what is wanted: nothing, if that is empty.
func (w *world) expectDifference(statement, want string) {
	w.Helper()
	db, err := sql.Open("sqlite", w.path)
	w.must(err)
	_, err = db.Exec(statement)
	w.must(errors.Join(err, db.Close()))
	file, err := sqlite.Open(w.path, sqlite.Options{Read: true}) // as `farebox verify` does: a server has its newest receipts in memory
	w.must(err)
	proof, err := engine.Verify(ctx, file)
	w.must(errors.Join(err, file.Close()))
	found := strings.Join(proof.Differences, "\n")
	if want == "" && found != "" || !strings.Contains(found, want) {
		w.Errorf("verify finds %q, want %q", found, want)
	}
}
