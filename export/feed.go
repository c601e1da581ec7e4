package export

import (
	"context"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

// Sender delivers CloudEvents.
type Sender interface {
	// Send returns nil when all events have been taken over for good, in their order. After an error some may have been.
	Send(context.Context, []event.Event) error
	// Together says how many receipts' events should be given to Send at a time.
	Together() int
	Close() error
}

const (
	feedMost = 100                    // receipts that are read at a time
	feedWait = 250 * time.Millisecond // how often is looked for new ones
	feedSpan = 5 * time.Second        // after which progress is written down, so that a crash repeats little
)

// Feed returns who sends the events of a record, in its order, each at least once. It remembers how far it has come with the books,
// under a name; a new name begins at the beginning. Those that were sent and not yet written down when the process ended are
// sent again: receivers tell them by their id.
func Feed(name string, to Sender) *engine.Follower {
	return &engine.Follower{Name: name, Most: feedMost, Wait: feedWait, Take: func(ctx context.Context, batch *engine.Followed) (int, func(store.Tx) error, error) {
		taken := 0
		for began := time.Now(); taken < len(batch.Receipts) && time.Since(began) < feedSpan; {
			together := min(to.Together(), len(batch.Receipts)-taken)
			events, err := cloudEvents(batch.Receipts[taken : taken+together])
			if err == nil && len(events) > 0 {
				err = to.Send(ctx, events)
			}
			if err != nil && taken == 0 {
				return 0, nil, err
			}
			if err != nil {
				break // what has been sent counts; the next look tells what is wrong
			}
			taken += together
		}
		return taken, nil, nil
	}}
}

func cloudEvents(receipts []*usage.Receipt) (all []event.Event, err error) {
	var events []usage.Event
	for _, r := range receipts {
		events = r.Events(events[:0])
		for i := range events {
			e, err := CloudEvent(&events[i])
			if err != nil {
				return nil, err
			}
			all = append(all, e)
		}
	}
	return all, nil
}

// Source is where all CloudEvents say that they come from; with their id it tells them apart.
const Source = "/farebox/v1/usage/events"

// CloudEvent returns a usage event as a CloudEvent 1.0: its data is the event as GET /farebox/v1/usage/events has it, its subject
// the instance, its time that of the usage.
func CloudEvent(e *usage.Event) (event.Event, error) {
	out := event.New()
	out.SetID(e.ID)
	out.SetSource(Source)
	out.SetType(Type(e.Kind))
	out.SetSubject(e.InstanceID)
	out.SetTime(time.UnixMilli(e.UsageTimeMS).UTC())
	data, err := json.Marshal(e)
	if err != nil {
		return out, err
	}
	out.SetDataContentType(event.ApplicationJSON)
	out.DataEncoded = data // as it is: SetData would make it base64, or write it anew
	return out, nil
}

// Type returns the type of CloudEvents of a kind, such as dev.farebox.usage.automatic-charge.v1.
func Type(kind usage.Kind) string {
	return "dev.farebox.usage." + strings.ReplaceAll(strings.ToLower(string(kind)), "_", "-") + ".v1"
}
