package engine_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// record makes requests for x, x and something missing: three events each.
func (w *world) record(requests int) {
	w.Helper()
	one := token.FromInt(1)
	for range requests {
		_, _, err := w.Charge(&engine.Charge{InstanceID: w.instance, Request: &access.Request{
			Requester: access.Requester{Type: "USER", Value: "u"},
			Items:     []access.Item{{Ask: ledger.Ask{Item: "x", Count: one}}, {Ask: ledger.Ask{Item: "x", Count: one}}, {Ask: ledger.Ask{Item: "missing", Count: one}}},
		}})
		w.must(err)
	}
}

// pages reads all events in pages of a limit.
func (w *world) pages(filter *usage.Filter, limit, bound int) (ids []string, pages int) {
	w.Helper()
	w.must(w.View(ctx, func(r store.Reader) error {
		for from := (usage.Position{}); ; pages++ {
			events, next, err := engine.EventPage(r, from, filter, limit, bound)
			if err != nil {
				return err
			}
			if len(events) > limit {
				w.Errorf("a page of %d has %d events", limit, len(events))
			}
			for i := range events {
				ids = append(ids, events[i].ID)
			}
			if next == nil {
				return nil
			}
			from = *next
		}
	}))
	return ids, pages + 1
}

func TestEventPages(t *testing.T) {
	w := newWorld(t, nil)
	w.record(4)
	all, _ := w.pages(&usage.Filter{}, 1000, 0)
	if len(all) != 12 {
		t.Fatalf("%d events, want 12", len(all))
	}
	for _, row := range []struct {
		filter usage.Filter
		want   int
	}{
		{usage.Filter{}, 12}, {usage.Filter{Kind: usage.Charge}, 8}, {usage.Filter{Kind: usage.Denial}, 4}, {usage.Filter{Item: "missing"}, 4},
		{usage.Filter{InstanceIDs: []string{"nobody"}}, 0}, {usage.Filter{FromMS: dawnMS + 1}, 0}, {usage.Filter{ToMS: dawnMS}, 0},
	} {
		for _, limit := range []int{1, 2, 3, 4, 5, 11, 12, 13} {
			ids, pages := w.pages(&row.filter, limit, 0)
			if len(ids) != row.want {
				t.Errorf("%+v in pages of %d selects %d events, want %d", row.filter, limit, len(ids), row.want)
			}
			seen := map[string]bool{}
			for _, id := range ids {
				if seen[id] {
					t.Errorf("%+v in pages of %d has event %s twice", row.filter, limit, id)
				}
				seen[id] = true
			}
			// A full last page may be followed by no other: nothing that the filter selects is left.
			if most := max(1, (row.want+limit-1)/limit); pages > most {
				t.Errorf("%+v in pages of %d takes %d pages, want at most %d", row.filter, limit, pages, most)
			}
		}
	}
}

// A position is a place in the record, whatever filter it came from.
func TestPositionGoesOnUnderAnotherFilter(t *testing.T) {
	w := newWorld(t, nil)
	w.record(3)
	w.must(w.View(ctx, func(r store.Reader) error {
		_, next, err := engine.EventPage(r, usage.Position{}, &usage.Filter{}, 2, 0)
		if err != nil || next == nil || next.Event != 2 {
			t.Fatalf("%+v, %v", next, err)
		}
		// This filter leaves the begun receipt out, so that the next one must come from its first event.
		later := usage.Position{Commit: next.Commit - 1, Receipt: 5, Event: 2}
		for _, from := range []usage.Position{later, {Commit: next.Commit, Receipt: 7, Event: 1}} {
			events, _, err := engine.EventPage(r, from, &usage.Filter{}, 1, 0)
			if err != nil || len(events) != 1 {
				return fmt.Errorf("%d events: %w", len(events), err)
			}
			if events[0].ID != events[0].CorrelationID+".0" {
				t.Errorf("from %+v, where nothing is, it goes on with %s", from, events[0].ID)
			}
		}
		return nil
	}))
}

// Whoever reads on from where a page ended, also the last one, gets each event once, whatever is recorded meanwhile.
func TestPagesGoOnWithWhatIsRecordedLater(t *testing.T) {
	for _, filter := range []usage.Filter{{}, {Kind: usage.Denial}, {Item: "x"}, {FromMS: 1}, {InstanceIDs: []string{"nobody"}}} {
		for limit := 1; limit < 8; limit++ {
			w := newWorld(t, nil)
			var from usage.Position
			var got []string
			follow := func(bound int) {
				for more := true; more; {
					var page *engine.Page
					w.must(w.View(ctx, func(r store.Reader) (err error) {
						page, err = engine.ReadPage(r, from, &filter, limit, bound)
						return err
					}))
					for i := range page.Events {
						got = append(got, page.Events[i].ID)
					}
					from, more = page.Next, page.More
				}
			}
			for bound := range 4 {
				follow(bound)
				w.record(bound)
			}
			follow(0)
			follow(0)
			if want, _ := w.pages(&filter, 1000, 0); !slices.Equal(got, want) {
				t.Errorf("%+v in pages of %d: read %q, want %q", filter, limit, got, want)
			}
		}
	}
}
