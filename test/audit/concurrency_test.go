package audit

import (
	"fmt"
	"math/big"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/sqlite"
	"github.com/farebox/farebox/usage"
)

const chargers = 64

// hot is an engine with one line item, "hot", that everybody charges for item x at 1 token.
type hot struct {
	*testing.T
	store    *sqlite.Store
	engine   *engine.Engine
	instance string
	lineItem LineItem

	mu      sync.Mutex
	auditor *Auditor
	count   map[string]int // answers by status
}

func newHot(t *testing.T, quantity int64, change func(*LineItem)) *hot {
	s, err := sqlite.Open(filepath.Join(t.TempDir(), "hot.db"), sqlite.Options{Create: true, Serve: true})
	if err != nil {
		t.Fatal(err)
	}
	h := &hot{T: t, store: s, engine: engine.New(s, engine.Options{}), auditor: NewAuditor(), count: map[string]int{}}
	h.auditor.Loose = true
	now := h.engine.Now()
	table := &Table{Version: "1", From: now - 1, Rates: map[[2]string]*big.Rat{{"x", ""}: R("1")}}
	h.change(func(c *engine.Change) error {
		i, err := c.CreateInstance("instance", "account")
		if err != nil {
			return err
		}
		h.instance = i.ID
		return c.AddRateTable(table.real())
	})
	h.auditor.Table(table)
	h.lineItem = LineItem{ID: "hot", Instance: h.instance, State: deployed, Quantity: quantity, Start: now - 1, End: now + day, Elastic: true}
	if change != nil {
		change(&h.lineItem)
	}
	h.put(h.lineItem)
	return h
}

func (h *hot) put(l LineItem) {
	h.change(func(c *engine.Change) error { _, err := c.PutLineItem(l.real()); return err })
	h.mu.Lock()
	defer h.mu.Unlock()
	h.auditor.LineItem(l)
}

func (h *hot) change(fn func(*engine.Change) error) {
	_, _, err := h.engine.Change(ctx, "", nil, func(c *engine.Change) (*store.Answer, error) { return &store.Answer{}, fn(c) })
	if err != nil {
		h.Error(err)
	}
}

// ask charges one token and returns the status and whether the answer was a replay.
func (h *hot) ask(key string) (status string, replayed bool) {
	r := Request{Instance: h.instance, Items: []Ask{{Item: "x", Count: R("1")}}}
	var once *engine.Once
	if key != "" {
		once = &engine.Once{Key: key, Fingerprint: []byte("the same")}
	}
	receipt, replayed, err := h.engine.Charge(&engine.Charge{InstanceID: h.instance, Request: r.real(), Once: once})
	if err != nil {
		h.Error(err)
		return "", false
	}
	answer := answerOf(receipt)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.auditor.Answered(receipt.TimeMS, r, answer)
	if !replayed {
		h.count[answer.Items[0].Status]++
	}
	return answer.Items[0].Status, replayed
}

// everybody runs fn on all chargers at once.
func (h *hot) everybody(fn func(charger int)) {
	var wait sync.WaitGroup
	for i := range chargers {
		wait.Go(func() { fn(i) })
	}
	wait.Wait()
}

// settle holds how many tokens were granted, and everything else that can be told afterwards, also after a restart.
func (h *hot) settle(granted_ int) {
	h.Helper()
	if got := h.count[granted]; got != granted_ {
		h.Errorf("%d charges were granted, want exactly %d", got, granted_)
	}
	if len(h.count) > 2 || h.count[granted]+h.count[insufficient] != len(h.auditor.answers) {
		h.Errorf("%d answers in all, with the statuses %v", len(h.auditor.answers), h.count)
	}
	var events []Event
	for from := (usage.Position{}); ; {
		page, next, err := h.engine.Events(ctx, from, &usage.Filter{}, 1000)
		if err != nil {
			h.Fatal(err)
		}
		for i := range page {
			events = append(events, eventOf(&page[i]))
		}
		if next == nil {
			break
		}
		from = *next
	}
	if len(events) != len(h.auditor.answers) {
		h.Errorf("%d answers were acknowledged, there are %d events", len(h.auditor.answers), len(events))
	}
	used := map[string]*big.Rat{}
	err := h.store.View(ctx, func(r store.Reader) error {
		l, err := r.LineItem("hot")
		used["hot"] = rat(l.Used)
		return err
	})
	if err != nil {
		h.Fatal(err)
	}
	if !same(used["hot"], whole(int64(granted_))) {
		h.Errorf("%s is used, want %d", text(used["hot"]), granted_)
	}
	for _, wrong := range h.auditor.Audit(events, used) {
		h.Errorf("audit: %s", wrong)
	}
	proof, err := engine.Verify(ctx, h.store)
	if err != nil || len(proof.Differences) > 0 {
		h.Errorf("verify: %v, %v", proof, err)
	}
	h.engine.Stop()
	if _, _, err := h.engine.Charge(&engine.Charge{InstanceID: h.instance, Request: new(Request).real()}); problem.KindOf(err) != problem.Unavailable {
		h.Errorf("an engine that was stopped answers %v", err)
	}
	if err := h.store.Close(); err != nil {
		h.Error(err)
	}
}

// tokens is how much the hot line item has. 10,000 charges are enough for every batch size to occur.
const tokens = 10_000

func TestManyChargeOneLineItem(t *testing.T) {
	for name, overdraft := range map[string]int64{"none": 0, "500": 500} {
		t.Run("overdraft "+name, func(t *testing.T) {
			t.Parallel()
			h := newHot(t, tokens, func(l *LineItem) {
				if overdraft > 0 {
					l.Overdraft, l.Limit = number, overdraft
				}
			})
			var asked atomic.Int64
			h.everybody(func(int) {
				for asked.Add(1) <= tokens+1000 {
					h.ask("")
				}
			})
			h.settle(int(tokens + overdraft))
		})
	}
}

func TestManyChargeWhileQuantityRises(t *testing.T) {
	t.Parallel()
	h := newHot(t, 500, nil)
	var risen atomic.Bool
	var wait sync.WaitGroup
	wait.Go(func() {
		defer risen.Store(true)
		for l := h.lineItem; l.Quantity < tokens; {
			l.Quantity += 500
			h.put(l)
			time.Sleep(time.Millisecond)
		}
	})
	h.everybody(func(int) {
		for {
			last := risen.Load() // a refusal after the last rise is for good
			if status, _ := h.ask(""); status == insufficient && last {
				return
			}
		}
	})
	wait.Wait()
	h.settle(tokens)
}

func TestRetriedKeysChargeOnce(t *testing.T) {
	t.Parallel()
	const keys = 500
	h := newHot(t, tokens, nil)
	var fresh atomic.Int64
	h.everybody(func(charger int) {
		for i := range keys / 8 {
			// Eight chargers use each key at about the same time, in the same batch or in later ones.
			key := fmt.Sprint(charger/8*(keys/8) + i)
			for range 2 {
				if _, replayed := h.ask(key); !replayed {
					fresh.Add(1)
				}
			}
		}
	})
	if got := fresh.Load(); got != keys/8*8 {
		t.Errorf("%d answers were not replays, want one for each of %d keys", got, keys/8*8)
	}
	h.settle(keys / 8 * 8)
}

// What an engine had accepted is booked and answered when it stops, and no goroutine stays.
func TestStopAnswersEverybody(t *testing.T) {
	before := runtime.NumGoroutine()
	h := newHot(t, tokens, nil)
	var answered, refused atomic.Int64
	var wait sync.WaitGroup
	for range chargers {
		wait.Go(func() {
			for {
				request := &Request{Instance: h.instance, Items: []Ask{{Item: "x", Count: R("1")}}}
				_, _, err := h.engine.Charge(&engine.Charge{InstanceID: h.instance, Request: request.real()})
				if err != nil {
					if problem.KindOf(err) != problem.Unavailable {
						t.Error(err)
					}
					refused.Add(1)
					return
				}
				answered.Add(1)
			}
		})
	}
	time.Sleep(20 * time.Millisecond)
	h.engine.Stop()
	h.engine.Stop() // again is fine
	wait.Wait()
	err := h.store.View(ctx, func(r store.Reader) error {
		l, err := r.LineItem("hot")
		if want := whole(min(answered.Load(), tokens)); err == nil && !same(rat(l.Used), want) {
			t.Errorf("%s is used, want %s for %d answers", l.Used, text(want), answered.Load())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if refused.Load() != chargers {
		t.Errorf("%d were refused, want %d", refused.Load(), chargers)
	}
	if err := h.store.Close(); err != nil {
		t.Error(err)
	}
	for deadline := time.Now().Add(time.Minute); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines became %d:\n%s", before, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
		}
	}
}
