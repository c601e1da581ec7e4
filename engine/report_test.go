package engine_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// used is a world in which things are used at random.
type used struct {
	*timed
	chance    *rand.Rand
	instances []string
	sessions  []engine.SessionRef
}

func newUsed(t *testing.T, seed uint64, wrap func(store.Store, *engine.Options) store.Store) *used {
	w := &used{timed: newTimed(t, wrap), chance: rand.New(rand.NewPCG(seed, 1))}
	w.nowMS.Store(time.Date(2026, 3, 27, 22, 10, 0, 0, time.UTC).UnixMilli()) // clocks are set forward in Europe soon
	w.must(w.change("", func(c *engine.Change) error {
		amounts := func(text string) token.Amount { return token.MustParse(text) }
		if err := c.AddRateTable(&rate.Table{Version: "2", EffectiveFromMS: 1, Items: []rate.Item{
			{Name: "x", Rate: amounts("1")}, {Name: "y", Rate: amounts("0.333333333333")}, {Name: "y", Version: "2", Rate: amounts("12.5")}, {Name: "free"},
			{Name: "w", Rate: amounts("3"), Window: time.Hour},
		}}); err != nil {
			return err
		}
		if err := c.AddRateTable(&rate.Table{Series: "s", Version: "1", Items: []rate.Item{{Name: "x", Rate: amounts("2")}, {Name: "y", Rate: amounts("0.7")}}}); err != nil {
			return err
		}
		for n := range 3 {
			id := w.instance
			if n > 0 {
				i, err := c.CreateInstance(fmt.Sprint("instance ", n), []string{"account", "other", "other"}[n])
				if err != nil {
					return err
				}
				id = i.ID
			}
			w.instances = append(w.instances, id)
			for k, l := range []ledger.LineItem{
				{Quantity: 20, UnitPrice: amounts("0.5"), Currency: "EUR"}, {Quantity: 30, Kind: ledger.Free},
				{Quantity: 40, Series: "s", UnitPrice: amounts("0.333333333333"), Currency: "USD"},
				{Quantity: 500, Overdraft: ledger.NumberOverdraft, OverdraftLimit: 3000, UnitPrice: amounts("0.000000000001"), Currency: "EUR"},
			} {
				l.ActivationID, l.InstanceID, l.State, l.Elastic = fmt.Sprint("L", n, k), id, ledger.Deployed, true
				l.StartMS, l.EndMS, l.Priority = dawnMS, dawnMS+10_000*hourMS, int64(k)
				if l.Kind == "" {
					l.Kind = ledger.Paid
				}
				if _, err := c.PutLineItem(l); err != nil {
					return err
				}
			}
		}
		return nil
	}))
	return w
}

func (w *used) pick(all ...string) string { return all[w.chance.IntN(len(all))] }

func (w *used) object(text string) jsontext.Value {
	if text == "" {
		return nil
	}
	return jsontext.Value(text)
}

func (w *used) request() *access.Request {
	r := &access.Request{Requester: access.Requester{
		Type: w.pick("user", "node"), Value: w.pick("ann", "bob", "eve", "o'hara"),
		Dictionary: w.object(w.pick("", `{"department":"film"}`, `{"department":1}`, `{"department":"1"}`, `{"department":null}`)),
	}}
	for range 1 + w.chance.IntN(3) {
		item := access.Item{Ask: ledger.Ask{Item: w.pick("x", "x", "y", "free", "w", "missing"), Count: token.MustParse(w.pick("1", "2.5", "0.000001", "7", "100000"))}}
		if item.Item == "y" {
			item.Version = w.pick("", "2")
		}
		item.MetaData = w.object(w.pick("", `{}`, `{"project":"p"}`, `{"project":"q","n":1}`, `{"project":"","n":1.50}`, `{"project":null,"n":[1,2]}`,
			fmt.Sprintf(`{"id":"%d","project":"it's"}`, w.chance.IntN(1<<30))))
		r.Items = append(r.Items, item)
	}
	return r
}

func (w *used) source() *usage.Source {
	if w.chance.IntN(2) == 0 {
		return nil
	}
	return &usage.Source{Address: w.pick("", "192.0.2.0/24", "2001:db8::/48"), UserAgent: w.pick("", "app/1", "app/2")}
}

// use makes one thing happen.
func (w *used) use() {
	w.Helper()
	switch n := w.chance.IntN(20); {
	case n == 0:
		receipt, _, err := w.CreateSession(w.instances[w.chance.IntN(3)], nil, w.source())
		w.must(err)
		w.sessions = append(w.sessions, engine.SessionRef{ID: receipt.Session.ID})
	case n < 4 && len(w.sessions) > 0: // an ended one is refused, which is no matter here
		_, _, _ = w.Ask(&engine.SessionRequest{Session: w.sessions[w.chance.IntN(len(w.sessions))], RollbackOnDeny: n == 2, Request: w.request(), Source: w.source()})
	case n == 4 && len(w.sessions) > 0:
		_, _ = w.CloseSession(w.sessions[w.chance.IntN(len(w.sessions))], nil, nil)
	case n < 8:
		w.nowMS.Add(w.chance.Int64N(5 * hourMS))
		if n < 6 { // else what is due is charged late, as of when it was due
			_, err := w.CatchUp(w.nowMS.Load())
			w.must(err)
		}
	default:
		_, _, err := w.Charge(&engine.Charge{InstanceID: w.instances[w.chance.IntN(3)], Request: w.request(), Source: w.source()})
		w.must(err)
	}
}

var someKeys = []usage.Dimension{"metadata.project", "metadata.n", "metadata.id", "metadata.never", "dictionary.department"}

func (w *used) query() *usage.Query {
	all := slices.Concat(usage.Dimensions, someKeys)
	q := &usage.Query{Distinct: w.chance.IntN(2) == 0, Interval: append([]usage.Interval{""}, usage.Intervals...)[w.chance.IntN(5)]}
	q.Zone, _ = time.LoadLocation(w.pick("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"))
	for range w.chance.IntN(usage.DimensionsMost + 1) {
		if d := all[w.chance.IntN(len(all))]; !slices.Contains(q.By, d) {
			q.By = append(q.By, d)
		}
	}
	for range w.chance.IntN(3) {
		m := usage.Match{Dimension: all[w.chance.IntN(len(all))]}
		for range 1 + w.chance.IntN(3) {
			text := w.pick("", "x", "y", "account", "L03", "user", "ann", "CHARGE", "REFUND", "101", "EUR", "p", "it's", "1", "film", "PAID", "app/1", w.instance)
			m.Values = append(m.Values, usage.Value{Text: text, None: text == ""})
		}
		q.Where = append(q.Where, m)
	}
	if w.chance.IntN(2) == 0 {
		now := w.nowMS.Load()
		q.FromMS = now - w.chance.Int64N(20*24*hourMS)
		q.ToMS = q.FromMS + 1 + w.chance.Int64N(10*24*hourMS)
	}
	return q
}

// agree asks queries of an engine and of SQL.
func (w *used) agree(when string, queries int) {
	w.Helper()
	twin := exported(w.T, w.Engine)
	answered := 0
	for range queries {
		q := w.query()
		report := w.report(q)
		rows, money := reported(q, report)
		if q.Interval != "" {
			twin.cut(q, time.Date(2026, 3, 27, 0, 0, 0, 0, time.UTC).UnixMilli(), w.nowMS.Load())
		}
		wantRows, wantMoney := twin.rows(q, false), twin.rows(q, true)
		if !slices.Equal(rows, wantRows) || !slices.Equal(money, wantMoney) {
			w.Fatalf("%s: query %+v\ngot\n%s\n%s\nSQL has\n%s\n%s", when, *q, strings.Join(rows, "\n"), strings.Join(money, "\n"),
				strings.Join(wantRows, "\n"), strings.Join(wantMoney, "\n"))
		}
		answered += len(rows)
	}
	if answered == 0 {
		w.Errorf("%s: no query selected anything", when)
	}
}

func (w *used) report(q *usage.Query) *usage.Report {
	w.Helper()
	report, err := w.Usage(ctx, q)
	w.must(err)
	return report
}

func (w *used) buckets() (n, levels int) {
	w.must(w.View(ctx, func(r store.Reader) error {
		all, err := r.Buckets(0, 0)
		for i := range all {
			levels = max(levels, all[i].Level)
		}
		n = len(all)
		return err
	}))
	return n, levels
}

// What a query answers is what SQL makes of the exported events: of receipts alone, of buckets alone, of both, of merged buckets
// and of those that were made anew.
func TestUsageAgreesWithSQL(t *testing.T) {
	for seed := range histories(2) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			w := newUsed(t, seed, nil)
			use := func(times int) {
				for range times {
					w.use()
				}
			}
			use(120)
			w.agree("from receipts", 12)
			w.must(w.Fold(ctx, 1, 7, 1000))
			if n, levels := w.buckets(); n < 10 || levels != 0 {
				t.Errorf("%d buckets of up to level %d", n, levels)
			}
			w.agree("from buckets", 12)
			use(60)
			w.agree("from buckets and receipts", 12)
			w.must(w.Fold(ctx, 1, 7, 3))
			use(20)
			w.must(w.Fold(ctx, 5, 7, 3))
			if n, levels := w.buckets(); levels < 2 {
				t.Errorf("%d buckets of up to level %d", n, levels)
			}
			w.agree("from merged buckets", 12)
			var folded int64
			w.must(w.RebuildUsage(ctx, func(receipts, _ int64) { folded = receipts }))
			if folded < 100 {
				t.Errorf("the rebuild told of %d receipts", folded)
			}
			w.agree("from what was made anew", 12)
		})
	}
}

// Keys that seldom repeat have no column in a bucket; a query about them reads the receipts.
func TestUsageOfKeysThatSeldomRepeat(t *testing.T) {
	w := newUsed(t, 7, nil)
	var group sync.WaitGroup
	var failed atomic.Pointer[error]
	for worker := range 8 {
		group.Go(func() {
			for n := range 60 {
				_, _, err := w.Charge(&engine.Charge{InstanceID: w.instance, Request: &access.Request{
					Requester: access.Requester{Type: "user", Value: "ann"},
					Items: []access.Item{{
						Ask:      ledger.Ask{Item: "x", Count: token.FromInt(1)},
						MetaData: jsontext.Value(fmt.Sprintf(`{"id":"%d","project":"p"}`, 1000*worker+n)),
					}},
				}})
				if err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	group.Wait()
	if err := failed.Load(); err != nil {
		t.Fatal(*err)
	}
	for _, most := range []int{480, 300, 200} { // in one bucket, in two, and in some that are small enough for columns, but not when merged
		w.SmallBuckets(most, 2)
		w.must(w.RebuildUsage(ctx, func(int64, int64) {}))
		wide := 0
		w.must(w.View(ctx, func(r store.Reader) error {
			all, err := r.Buckets(0, 0)
			for i := range all {
				wide += len(all[i].Wide)
			}
			return err
		}))
		if wide == 0 {
			t.Errorf("buckets of %d receipts leave no key out", most)
		}
		w.record(2) // what is not folded
		twin := exported(t, w.Engine)
		for _, q := range []*usage.Query{
			{By: []usage.Dimension{"metadata.id"}}, {By: []usage.Dimension{"metadata.project", "item"}},
			{By: []usage.Dimension{"item"}, Where: []usage.Match{{Dimension: "metadata.id", Values: []usage.Value{{Text: "1003"}, {None: true}}}}},
		} {
			rows, _ := reported(q, w.report(q))
			if want := twin.rows(q, false); !slices.Equal(rows, want) {
				t.Errorf("buckets of %d, %+v: got\n%s\nSQL has\n%s", most, *q, strings.Join(rows, "\n"), strings.Join(want, "\n"))
			}
		}
	}
}

// crashingStore fails changes at random, before or after what they write.
type crashingStore struct {
	store.Store
	chance  *rand.Rand
	crashes int
	armed   bool
}

var errCrash = errors.New("crashed on purpose")

func (s *crashingStore) Change(ctx context.Context, fn func(store.Tx) error) error {
	if !s.armed {
		return s.Store.Change(ctx, fn)
	}
	switch s.chance.IntN(4) {
	case 0:
		s.crashes++
		return errCrash
	case 1:
		s.crashes++
		return s.Store.Change(ctx, func(tx store.Tx) error { return errors.Join(fn(tx), errCrash) })
	case 2: // it is done, and nobody is told
		s.crashes++
		return errors.Join(s.Store.Change(ctx, fn), errCrash)
	}
	return s.Store.Change(ctx, fn)
}

// Wherever folding, merging or making anew stops, queries are answered the same, and it goes on.
func TestUsageWhereverFoldingStops(t *testing.T) {
	for seed := range histories(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			var crashing *crashingStore
			w := newUsed(t, seed, func(s store.Store, _ *engine.Options) store.Store {
				crashing = &crashingStore{Store: s, chance: rand.New(rand.NewPCG(seed, 2))}
				return crashing
			})
			for range 60 {
				w.use()
			}
			var queries []*usage.Query
			var want []string
			answer := func(q *usage.Query) string {
				rows, money := reported(q, w.report(q))
				return strings.Join(append(rows, money...), "\n")
			}
			for range 8 {
				q := w.query()
				queries, want = append(queries, q), append(want, answer(q))
			}
			same := func(after string) {
				t.Helper()
				for i, q := range queries {
					if got := answer(q); got != want[i] {
						t.Fatalf("after %s: query %+v\ngot\n%s\nit was\n%s", after, *q, got, want[i])
					}
				}
			}
			crashing.armed = true
			for range 25 {
				if err := w.Fold(ctx, 1, 5, 3); err != nil && !errors.Is(err, errCrash) {
					t.Fatal(err)
				}
				same("folding")
				if w.chance.IntN(4) == 0 {
					if err := w.RebuildUsage(ctx, func(int64, int64) {}); err != nil && !errors.Is(err, errCrash) {
						t.Fatal(err)
					}
					same("making anew")
				}
			}
			crashing.armed = false
			if crashing.crashes < 10 {
				t.Errorf("only %d crashes", crashing.crashes)
			}
			w.must(w.Fold(ctx, 1, 5, 3))
			same("all")
			w.agree("after crashes", 30)
		})
	}
}

// A damaged column is told of, and is not merged into one that looks whole.
func TestUsageOfDamagedColumns(t *testing.T) {
	w := newWorld(t, nil)
	w.record(12)
	w.must(w.Fold(ctx, 1, 3, 1000))
	db, err := sql.Open("sqlite", w.path)
	w.must(err)
	damaged, err := db.Exec("UPDATE bucket_column SET data = CAST(substr(data, 1, 2) || x'07' || substr(data, 4) AS BLOB) WHERE name = 'tokens'") // more tokens for all
	w.must(errors.Join(err, db.Close()))
	if n, _ := damaged.RowsAffected(); n != 4 {
		t.Fatalf("%d columns were damaged", n)
	}
	q := &usage.Query{}
	for _, when := range []string{"as they are", "after folding"} {
		if report, err := w.Usage(ctx, q); err == nil || !strings.Contains(err.Error(), "farebox usage rebuild") {
			t.Errorf("%s: %+v, %v", when, report, err)
		}
		if err := w.Fold(ctx, 1, 3, 2); err == nil {
			t.Errorf("%s: they were merged", when)
		}
	}
	w.must(w.RebuildUsage(ctx, func(int64, int64) {}))
	if report, err := w.Usage(ctx, q); err != nil || report.Total.Tokens.String() != "24" {
		t.Errorf("after the rebuild: %+v, %v", report, err)
	}
}

// A query has every charge that was acknowledged before it, and none twice, while there are charges, folding and making anew.
func TestUsageHasWhatWasAcknowledged(t *testing.T) {
	w := newWorld(t, nil)
	w.must(w.change("", func(c *engine.Change) error {
		l := w.lineItem("much")
		l.Quantity = 1_000_000
		_, err := c.PutLineItem(l)
		return err
	}))
	var begun, acknowledged atomic.Int64
	var charging, folding sync.WaitGroup
	failed := make(chan error, 16)
	for range 3 {
		charging.Go(func() {
			for range 150 {
				begun.Add(1)
				if _, _, err := w.charge("x", "", ""); err != nil {
					failed <- err
					return
				}
				acknowledged.Add(1)
			}
		})
	}
	done := make(chan struct{})
	w.SmallBuckets(9, 2)
	folding.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			default:
			}
			fold := func() error { return w.FoldSome(ctx, 3) }
			if n%5 == 4 {
				fold = func() error { return w.RebuildUsage(ctx, func(int64, int64) {}) }
			}
			if err := fold(); err != nil {
				failed <- err
				return
			}
		}
	})
	go func() {
		charging.Wait()
		close(done)
	}()
	q := &usage.Query{By: []usage.Dimension{usage.ByItem}}
	for asked, more := 0, true; more; asked++ {
		select {
		case <-done:
			more = false
		default:
		}
		least := acknowledged.Load()
		report, err := w.Usage(ctx, q)
		w.must(err)
		most := begun.Load()
		if got := report.Total.Requests; got < least || got > most {
			t.Fatalf("query %d has %d requests; %d were acknowledged before, %d begun after", asked, got, least, most)
		}
		if !report.Total.Tokens.Equal(token.FromInt(report.Total.Requests)) {
			t.Fatalf("%s tokens of %d requests", report.Total.Tokens, report.Total.Requests)
		}
	}
	folding.Wait()
	close(failed)
	for err := range failed {
		t.Error(err)
	}
	if n, _ := w.Usage(ctx, q); n.Total.Requests != 450 {
		t.Errorf("%d requests in the end", n.Total.Requests)
	}
}

// heldStore holds views up while it is told to.
type heldStore struct {
	store.Store
	hold chan struct{} // closed: no longer
	held chan struct{} // one for each that is held up
}

func (s *heldStore) View(ctx context.Context, fn func(store.Reader) error) error {
	return s.Store.View(ctx, func(r store.Reader) error {
		if ctx.Value(s) != nil {
			s.held <- struct{}{}
			<-s.hold
		}
		return fn(r)
	})
}

// However many ask what was used, everything else still reads.
func TestUsageLeavesRoomToRead(t *testing.T) {
	held := &heldStore{hold: make(chan struct{}), held: make(chan struct{}, 100)}
	w := newWorld(t, func(s store.Store, _ *engine.Options) store.Store { held.Store = s; return held })
	w.record(1)
	asking := context.WithValue(ctx, held, true)
	answers := make(chan error, 6)
	insight, err := engine.FindInsight("adoption")
	w.must(err)
	month, err := engine.ParseMonth(time.UnixMilli(dawnMS).UTC().Format("2006-01"), "")
	w.must(err)
	asks := []func(context.Context) error{
		func(ctx context.Context) error { _, err := w.Usage(ctx, &usage.Query{}); return err },
		func(ctx context.Context) error {
			_, _, err := w.Insight(ctx, insight, engine.InsightParameters{})
			return err
		},
		func(ctx context.Context) error { _, err := w.InstanceStatement(ctx, w.instance, month); return err },
	}
	for i := range cap(answers) {
		ask := asks[i%len(asks)]
		go func() { answers <- ask(asking) }()
	}
	for range 2 {
		<-held.held
	}
	w.must(w.Ready(ctx))
	gone, cancel := context.WithCancel(asking)
	cancel()
	for _, ask := range asks {
		w.kind(ask(gone), problem.Unavailable)
	}
	if n := len(held.held); n > 0 {
		t.Errorf("%d more are answered beside two", n)
	}
	close(held.hold)
	for range cap(answers) {
		w.must(<-answers)
	}
}

// Requests with a thousand items each are folded a few at a time, and need not be thousands.
func TestFoldingOfLargeRequests(t *testing.T) {
	w := newWorld(t, nil)
	items := make([]access.Item, 1000)
	for i := range items {
		items[i].Ask = ledger.Ask{Item: "free", Count: token.FromInt(1)}
	}
	for range 40 {
		_, _, err := w.Charge(&engine.Charge{InstanceID: w.instance, Request: &access.Request{Requester: access.Requester{Type: "USER", Value: "u"}, Items: items}})
		w.must(err)
	}
	w.must(w.FoldSome(ctx, 4096))
	w.must(w.View(ctx, func(r store.Reader) error {
		all, err := r.Buckets(0, 0)
		if len(all) != 1 || all[0].Rows != 33_000 {
			t.Errorf("the buckets are %+v", all)
		}
		return err
	}))
	report, err := w.Usage(ctx, &usage.Query{})
	w.must(err)
	if report.Total.Requests != 40_000 {
		t.Errorf("%d requests", report.Total.Requests)
	}
}
