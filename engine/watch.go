package engine

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/notify"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// watcherName is the follower that alerts fire by.
const watcherName = "alerts"

// Of what there is to look at a turn takes a portion, so that charges get in between.
const (
	watchMost = 2048 // receipts
	lookMost  = 256  // line items, changes of line items, or states that are due
	sweepMost = 4096 // line items of a sweep: most have nothing to be written of them
	writeMost = 32   // states to be written, after which no more is looked at: charges wait for what is written

	forecastMost = 32               // instances of which it is forecast how long their line items last, in a turn ...
	circleMost   = 8                // ... and turns at most in a pass
	lookEvery    = 10 * time.Second // for what time alone changes
	watchedMost  = 100_000          // subjects remembered between turns
	watchRetries = 10               // turns to catch up with the record before giving way
)

// watching is what the follower remembers.
type watching struct {
	Rules    int64                   `json:"rules"`             // how often they were changed
	Turns    int64                   `json:"turns,omitzero"`    // that were taken beside the record
	Told     int64                   `json:"told"`              // the last change of a line item that was looked at
	Sweeping bool                    `json:"sweeping,omitzero"` // all line items are looked at, since there are new rules ...
	Swept    int64                   `json:"swept,omitzero"`    // ... up to this number
	Ending   map[string]endingCursor `json:"ending,omitzero"`   // up to which end a rule has seen line items
}

type endingCursor struct {
	MS     int64 `json:"ms"`
	Number int64 `json:"number"`
}

func watchingOf(body []byte) (*watching, error) {
	w := &watching{Ending: map[string]endingCursor{}}
	if len(body) == 0 {
		return w, nil
	}
	return w, json.Unmarshal(body, w)
}

// watcher has alerts fire: by the record, which it follows, and by the time. What it remembers between turns is as the books have it, or is
// dropped.
type watcher struct {
	engine *Engine
	mu     sync.Mutex // one turn at a time

	known    bool // what is remembered holds ...
	at       usage.Position
	changed  int64 // ... at this position, with these rules and after so many turns
	turns    int64
	rules    []*notify.Rule
	lines    map[int64]*watchedLine
	others   map[string]*watchedOther
	accounts map[string]string // by instance
	circle   string            // up to which instance it was looked whether a forecast is due
}

// watchAlerts has alerts fire until the engine stops.
func (e *Engine) watchAlerts() {
	ctx := context.Background()
	var looked time.Time
	for {
		select {
		case <-e.quit:
			return
		case <-time.After(refreshEvery):
		}
		onlyTold := time.Since(looked) < lookEvery
		if !onlyTold {
			looked = time.Now()
		}
		err := e.watcher.catchUp(ctx, onlyTold)
		if err == nil && !onlyTold {
			err = e.watcher.forecast(ctx, circleMost)
		}
		err = orErr(err, e.LookAtTopUps(ctx))
		if err != nil && problem.KindOf(err) != problem.Unavailable {
			slog.Warn("alerts are held up; trying again", logged(err))
		}
	}
}

// LookAtAlerts has all alerts fire that are to fire by now, and asks for automatic top-ups.
func (e *Engine) LookAtAlerts(ctx context.Context) error {
	return orErr(orErr(e.watcher.catchUp(ctx, false), e.watcher.forecast(ctx, 0)), e.LookAtTopUps(ctx))
}

// catchUp follows the record to its end and looks at what else has changed: with onlyTold, at line items that were told to be otherwise
// alone.
func (w *watcher) catchUp(ctx context.Context, onlyTold bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for behind := 0; ; {
		watched, todo, err := w.todo(ctx, onlyTold)
		if err != nil || !watched {
			return err
		}
		more, err := w.follow(ctx)
		switch {
		case err != nil:
			return err
		case more:
			if w.engine.stopped.Load() {
				return nil
			}
			continue
		case !todo:
			return nil
		}
		err = w.turn(ctx, (*turn).look)
		if errors.Is(err, errBehind) || errors.Is(err, errOvertaken) {
			if behind++; behind < watchRetries {
				continue
			}
			return nil
		}
		if err != nil || w.engine.stopped.Load() {
			return err
		}
	}
}

// todo reports whether anything is watched at all, and whether there is something to look at beside the record.
func (w *watcher) todo(ctx context.Context, onlyTold bool) (watched, todo bool, err error) {
	nowMS := w.engine.Now()
	err = w.engine.View(ctx, func(r store.Reader) error {
		_, body, err := w.refresh(r)
		if err != nil || body == nil || len(w.rules) == 0 {
			return err
		}
		watched = true
		told, err := r.ToldAfter(body.Told, 1)
		if err != nil || len(told) > 0 || body.Sweeping || onlyTold {
			todo = len(told) > 0 || body.Sweeping
			return err
		}
		due, err := r.DueAlertStates(nowMS, 1)
		if err != nil || len(due) > 0 {
			todo = len(due) > 0
			return err
		}
		for _, rule := range w.rules {
			if rule.SoonMS() == 0 {
				continue
			}
			cursor := body.cursor(rule, nowMS)
			ending, err := r.LineItemsEnding(cursor.MS, cursor.Number, nowMS+rule.SoonMS(), 1)
			if err != nil || len(ending) > 0 {
				todo = len(ending) > 0
				return err
			}
		}
		return nil
	})
	return watched, todo, err
}

// cursor returns up to which end a rule has seen line items: to begin with, those that have ended.
func (b *watching) cursor(rule *notify.Rule, nowMS int64) endingCursor {
	c := b.Ending[rule.Name]
	if c.MS < nowMS {
		c = endingCursor{MS: nowMS}
	}
	return c
}

// refresh reads what the follower remembers, and drops what is remembered here when it does not hold any more. Nil: there never was a rule.
func (w *watcher) refresh(r store.Reader) (*store.Follower, *watching, error) {
	f, err := r.Follower(watcherName)
	if err != nil || f == nil {
		return nil, nil, err
	}
	body, err := watchingOf(f.Body)
	if err != nil {
		return nil, nil, err
	}
	if w.known && w.at == f.Position && w.changed == body.Rules && w.turns == body.Turns && len(w.lines)+len(w.others) < watchedMost {
		return f, body, nil
	}
	w.lines, w.others, w.accounts = map[int64]*watchedLine{}, map[string]*watchedOther{}, map[string]string{}
	w.known, w.at, w.changed, w.turns = true, f.Position, body.Rules, body.Turns
	w.rules, err = enabledAlerts(r)
	if err != nil {
		w.known = false
	}
	return f, body, err
}

// follow takes the receipts that come next.
func (w *watcher) follow(ctx context.Context) (more bool, err error) {
	var done *turn
	more, err = w.engine.FollowOnce(ctx, &Follower{Name: watcherName, Most: watchMost, Take: func(ctx context.Context, batch *Followed) (int, func(store.Tx) error, error) {
		before := bytes.Clone(batch.Body)
		var t *turn
		err := w.engine.View(ctx, func(r store.Reader) (err error) {
			if t, err = w.begin(r); err != nil {
				return err
			}
			return t.followed(batch)
		})
		if err != nil {
			w.known = false
			return 0, nil, err
		}
		return len(batch.Receipts), func(tx store.Tx) error {
			if f, err := tx.Follower(watcherName); err != nil || f == nil || !bytes.Equal(f.Body, before) {
				return orErr(err, errOvertaken) // the rules are others by now
			}
			done = t
			t.at = batch.Next(len(batch.Receipts))
			return t.write(tx)
		}, nil
	}})
	switch {
	case err != nil:
		w.known = false
	case done != nil:
		w.done(done)
	}
	return more, err
}

// done is told that a turn was written.
func (w *watcher) done(t *turn) {
	w.known, w.at, w.turns = true, t.at, t.body.Turns
	w.engine.metrics.alerted(t.notices)
	if len(t.notices) > 0 {
		w.engine.hint()
	}
}

// begin starts a turn. What is remembered holds again once it was written.
func (w *watcher) begin(r store.Reader) (*turn, error) {
	f, body, err := w.refresh(r)
	w.known = false
	if err != nil {
		return nil, err
	}
	if body == nil {
		return nil, errOvertaken
	}
	return &turn{watcher: w, Reader: r, was: f, body: body, at: w.at}, nil
}

var errBehind = errors.New("there is more in the record")

// turn is a turn for what is not in the record. It is only taken at the record's end, where the books are as the record says. Charges wait
// for what is written alone: what is looked at is one state, and what comes after that is looked at next.
func (w *watcher) turn(ctx context.Context, look func(*turn, int64) error) error {
	nowMS, err := w.between(ctx)
	if err != nil {
		return err
	}
	var t *turn
	err = w.engine.View(ctx, func(r store.Reader) (err error) {
		if t, err = w.begin(r); err != nil {
			return err
		}
		if err := t.rest(); err != nil {
			return err
		}
		t.ctx = ctx
		return look(t, max(nowMS, t.latestMS))
	})
	if err != nil {
		w.known = false
		return err
	}
	err = w.engine.store.Change(ctx, func(tx store.Tx) error {
		is, err := tx.Follower(watcherName)
		if err != nil {
			return err
		}
		if is == nil || is.Position != t.was.Position || !bytes.Equal(is.Body, t.was.Body) {
			return errOvertaken // the rules are others by now, or another server was faster
		}
		if err := t.write(tx); err != nil {
			return err
		}
		t.body.Turns++ // so that other servers, which may be at the same place in the record, notice that what they remember is old
		body, err := json.Marshal(t.body)
		return orErr(err, tx.PutFollower(store.Follower{Name: watcherName, Position: t.at, Body: body}))
	})
	if err != nil {
		w.known = false
		return err
	}
	w.done(t)
	return nil
}

// between returns a time that no request which is not in the books yet comes before: requests get theirs while they hold the writer's lock.
func (w *watcher) between(ctx context.Context) (nowMS int64, err error) {
	err = w.engine.store.Change(ctx, func(store.Tx) error {
		nowMS = w.engine.Now()
		return nil
	})
	return nowMS, err
}

// watchedLine is a line item as it stands where the follower is, with the rules that cover it.
type watchedLine struct {
	ledger.LineItem
	accountID string
	watched   []*watchedRule
	outlook   *watchedOther // of its instance, if a rule needs forecasts and it has moved

	// While its use stays between these, and its terms and its allowance are the same, nothing fires until then.
	above, below *token.Amount
	quietUntilMS int64
}

// watchedRule is a rule and its state of a subject.
type watchedRule struct {
	*notify.Rule
	state notify.State
}

// watchedOther is a requester or an instance.
type watchedOther struct{ watched []*watchedRule }
