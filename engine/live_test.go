package engine_test

import (
	"fmt"
	"testing"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/token"
)

func told(w *engine.Watch, rowsMost int) string {
	news := w.Take(rowsMost)
	text := fmt.Sprintf("%d charges, %d denials, %s tokens", news.Total.Charges, news.Total.Denials, news.Total.Tokens)
	for _, row := range news.Rows {
		text += fmt.Sprintf("; %s of %s: %d, %d, %s", row.InstanceID, row.AccountID, row.Charges, row.Denials, row.Tokens)
	}
	return text
}

// Whoever watches is told all that was decided once, however seldom they ask; and nobody of another's instances.
func TestWatchersAreToldAllOnce(t *testing.T) {
	w := newTimed(t, nil)
	w.quantity(10, 0)
	watch := func(instances []string, by engine.LiveBy) *engine.Watch {
		t.Helper()
		watch, err := w.Watch(instances, by)
		w.must(err)
		t.Cleanup(watch.End)
		return watch
	}
	ask := func(count int64) {
		t.Helper()
		_, _, err := w.Charge(&engine.Charge{InstanceID: w.instance, Request: &access.Request{
			Requester: access.Requester{Type: "USER", Value: "u"}, Items: []access.Item{{Ask: ledger.Ask{Item: "x", Count: token.FromInt(count)}}},
		}})
		w.must(err)
	}
	ask(1) // before anybody watches
	total, instances, accounts := watch(nil, engine.LiveTotal), watch(nil, engine.LiveByInstance), watch(nil, engine.LiveByAccount)
	own, others := watch([]string{w.instance}, engine.LiveByInstance), watch([]string{"another"}, engine.LiveByInstance)
	none := watch([]string{}, engine.LiveByInstance)
	ask(2)
	ask(100)
	w.Tick()
	if got, want := told(total, 9), "1 charges, 1 denials, 2 tokens"; got != want {
		t.Errorf("in all: %s, want %s", got, want)
	}
	w.settle(w.hold(3).Hold.ID, 3, true)
	ask(1)
	w.Tick()
	w.Tick()
	if got, want := told(total, 9), "2 charges, 0 denials, 4 tokens"; got != want {
		t.Errorf("in all, later: %s, want %s", got, want)
	}
	const account = "account"
	all := fmt.Sprintf("3 charges, 1 denials, 6 tokens; %s of %s: 3, 1, 6", w.instance, account)
	for name, c := range map[string]struct {
		watch *engine.Watch
		most  int
		want  string
	}{
		"by instance, asked late": {instances, 9, all},
		"by account":              {accounts, 9, fmt.Sprintf("3 charges, 1 denials, 6 tokens;  of %s: 3, 1, 6", account)},
		"one's own":               {own, 9, all},
		"of another":              {others, 9, "0 charges, 0 denials, 0 tokens"},
		"of none":                 {none, 9, "0 charges, 0 denials, 0 tokens"},
	} {
		if got := told(c.watch, c.most); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if got := told(instances, 9); got != "0 charges, 0 denials, 0 tokens" {
		t.Errorf("told twice: %s", got)
	}
	ask(1)
	w.Tick()
	if news := own.Take(0); len(news.Rows) > 0 || news.Total.Charges != 1 || news.Seconds == 0 {
		t.Errorf("without rows: %+v", news)
	}
}

// A watch that is over costs nothing, and one that is begun while the engine stops is refused.
func TestWatchesEnd(t *testing.T) {
	w := newTimed(t, nil)
	one, err := w.Watch(nil, engine.LiveTotal)
	w.must(err)
	other, err := w.Watch(nil, engine.LiveTotal)
	w.must(err)
	one.End()
	one.End()
	w.Stop()
	for range other.Ready { // is closed
	}
	other.End()
	if _, err := w.Watch(nil, engine.LiveTotal); err == nil {
		t.Error("a watch was begun on an engine that has stopped")
	}
}
