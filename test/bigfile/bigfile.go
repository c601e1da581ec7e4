// Package bigfile makes books with millions of usage events, for measurements: the same options make the same books. Every event is
// decided and written as a server would, in large batches, so that balances agree and `farebox verify` passes.
package bigfile

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

// Options say how large the books are. Default has what measurements use.
type Options struct {
	Events     int64     // at least so many; the last request may have a few more
	Instances  int       // each of an account of its own; use is spread over them by Zipf's law
	Requesters int       // of each instance
	Days       int       // over which the use is spread evenly
	Until      time.Time // the use ends before then
	Seed       uint64
}

// Default is a year and a bit of use by a thousand customers.
func Default() Options {
	return Options{
		Events: 10_000_000, Instances: 1000, Requesters: 50, Days: 400, Until: time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC), Seed: 1,
	}
}

// Made is what was written.
type Made struct {
	Requests, Events, Denials int64
}

// batchEvents is how many events go into one commit, about: few enough that a row of the journal spans no more time than one of a
// busy server.
const batchEvents = 2000

// Write fills an empty store. Progress is called after every commit; nil: nobody asks.
func Write(ctx context.Context, s store.Store, o Options, progress func(Made)) (Made, error) {
	w := &writer{Options: o, random: rand.New(rand.NewPCG(o.Seed, 0))}
	w.fromMS = o.Until.UnixMilli() - int64(o.Days)*24*time.Hour.Milliseconds()
	if err := w.populate(ctx, s); err != nil {
		return w.made, err
	}
	w.instance = rand.NewZipf(w.random, 1.1, 1, uint64(o.Instances-1))
	w.requester = rand.NewZipf(w.random, 1.2, 2, uint64(o.Requesters-1))
	w.item = rand.NewZipf(w.random, 1.05, 3, uint64(len(items)-1))
	for w.made.Events < o.Events {
		if err := w.commit(ctx, s); err != nil {
			return w.made, err
		}
		if progress != nil {
			progress(w.made)
		}
	}
	return w.made, nil
}

type writer struct {
	Options
	fromMS                    int64
	random                    *rand.Rand
	instance, requester, item *rand.Zipf
	instances                 []string // ids
	idMS                      int64    // time of the last id
	ids                       uint64   // how many were made
	made                      Made
}

// newID makes a UUIDv7 of a time that never goes back, with a count where others have chance.
func (w *writer) newID(atMS int64) string {
	w.idMS = max(w.idMS, atMS)
	w.ids++
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], uint64(w.idMS)<<16)
	binary.BigEndian.PutUint64(id[8:], w.ids)
	id[6], id[8] = 0x70, id[8]|0x80
	return id.String()
}

// populate makes the rate tables, instances and line items, through the engine as anybody else does.
func (w *writer) populate(ctx context.Context, s store.Store) error {
	e := engine.New(s, engine.Options{
		Now:   func() time.Time { return time.UnixMilli(w.fromMS) },
		NewID: func() string { return w.newID(w.fromMS) },
	})
	defer e.Stop()
	_, _, err := e.Change(ctx, "", nil, func(c *engine.Change) (*store.Answer, error) {
		for _, t := range w.tables() {
			if err := c.AddRateTable(t); err != nil {
				return nil, err
			}
		}
		for i := range w.Instances {
			instance, err := c.CreateInstance("main", fmt.Sprintf("account-%04d", i))
			if err != nil {
				return nil, err
			}
			w.instances = append(w.instances, instance.ID)
			for _, l := range w.lineItems(i, instance.ID) {
				if _, err := c.PutLineItem(l); err != nil {
					return nil, err
				}
			}
		}
		return nil, nil
	})
	return err
}

// ask is a request that is yet to be decided.
type ask struct {
	instanceID string
	access.Request
}

// commit writes the next batch. What is asked for is drawn before: a decision may be made again.
func (w *writer) commit(ctx context.Context, s store.Store) error {
	var asks []ask
	var want store.Want
	for events := int64(0); events < batchEvents && w.made.Events+events < w.Events; {
		a := w.ask(w.Events - w.made.Events - events)
		events += int64(len(a.Items))
		asks = append(asks, a)
		want.Instances = append(want.Instances, a.instanceID)
	}
	var decided Made
	err := s.Commit(ctx, want, func(loaded *store.Loaded) store.Decided {
		decided = Made{}
		receipts := make([]*usage.Receipt, len(asks))
		for i := range asks {
			receipts[i] = w.decide(loaded, &asks[i], w.made.Events+decided.Events)
			decided.add(receipts[i])
		}
		return store.Decided{Receipts: receipts}
	})
	w.made = Made{w.made.Requests + decided.Requests, w.made.Events + decided.Events, w.made.Denials + decided.Denials}
	return err
}

func (w *writer) decide(loaded *store.Loaded, a *ask, events int64) *usage.Receipt {
	span := int64(w.Days) * 24 * time.Hour.Milliseconds()
	share := min(float64(events)/float64(w.Events), 1)
	atMS := min(w.fromMS+int64(share*float64(span)), w.Until.UnixMilli()-1)
	book := loaded.Books[a.instanceID]
	prices := &ledger.Prices{Catalog: loaded.Settings.Rates, NowMS: atMS}
	outcomes := access.Decide(book, prices, nil, &a.Request) // nothing here has windows or rules, which ask for a standing
	return usage.NewReceipt(w.newID(atMS), atMS, book, &a.Request, outcomes)
}

func (m *Made) add(r *usage.Receipt) {
	m.Requests++
	for i := range r.Items {
		if r.Items[i].Status != ledger.Granted {
			m.Denials++
			m.Events++
			continue
		}
		m.Events += int64(len(r.Items[i].Slices))
	}
}
