package engine

import (
	"context"
	"errors"
	"strings"

	"github.com/farebox/farebox/forecast"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/notify"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
)

// Line items that run out soon are found by the same forecast that GET …/forecast answers with. It reads half a year and plays hundreds of
// futures, so it is made for an instance at most once an hour, and only while something moves, or comes nearer by itself. When is remembered
// as a state of the instance; whoever is due is found by going round these states, a portion at a time: a forecast may be late, and nothing
// else waits for it.
const outlookSubjects = "outlook:"

// outlook returns what RunningOut rules remember of an instance.
func (t *turn) outlook(accountID, instanceID string) (*watchedOther, error) {
	subject := outlookSubjects + instanceID
	if w := t.others[subject]; w != nil {
		return w, nil
	}
	all, err := t.states(subject, func(r *notify.Rule) bool {
		return r.Kind == notify.RunningOut && (r.AccountID == "" || r.AccountID == accountID) && (r.InstanceID == "" || r.InstanceID == instanceID)
	})
	if err != nil {
		return nil, err
	}
	w := &watchedOther{all}
	t.others[subject] = w
	return w, nil
}

// moved has forecasts made of the instance of a line item that was used, or with told was told to be otherwise.
func (t *turn) moved(w *watchedLine, nowMS int64, told bool) (err error) {
	for _, rule := range w.watched {
		if rule.Kind != notify.RunningOut {
			continue
		}
		if w.outlook == nil {
			if w.outlook, err = t.outlook(w.accountID, w.InstanceID); err != nil {
				return err
			}
		}
		if of := named(w.outlook.watched, rule.Name); of.state.Moved(nowMS, told) {
			t.touch(outlookSubjects+w.InstanceID, of, 0)
		}
	}
	return nil
}

// forecast goes round the instances once, in so many turns at most (0: any number), and has alerts fire by the forecasts that are due.
func (w *watcher) forecast(ctx context.Context, turns int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if turns == 0 {
		w.circle = ""
	}
	failures := 0
	for n := 0; turns == 0 || n < turns; n++ {
		watched := false
		err := w.engine.View(ctx, func(r store.Reader) error {
			_, body, err := w.refresh(r)
			watched = body != nil && anyOf(w.rules, notify.RunningOut)
			return err
		})
		if err != nil || !watched || w.engine.stopped.Load() {
			return err
		}
		from := w.circle
		err = w.turn(ctx, (*turn).forecasts)
		switch {
		case errors.Is(err, errBehind), errors.Is(err, errOvertaken), problem.KindOf(err) == problem.Unavailable: // next time
			w.circle = from
			if failures++; failures == watchRetries || turns > 0 {
				return nil
			}
		case err != nil:
			w.circle = from
			return err
		case w.circle == "":
			return nil
		}
	}
	return nil
}

// forecasts looks at a portion of the instances, and makes the forecasts that are due.
func (t *turn) forecasts(nowMS int64) error {
	states, err := t.AlertStatesFrom(outlookSubjects, t.circle, lookMost)
	if err != nil {
		return err
	}
	var due []*dueOutlook
	at := ""
	for i := range states {
		subject := states[i].Subject
		if subject == at {
			continue // all its rules were looked at
		}
		if len(due) == forecastMost || t.full() {
			break
		}
		at = subject
		d, err := t.isDue(subject, nowMS)
		if err != nil {
			return err
		}
		if len(d.rules) > 0 {
			due = append(due, d)
		}
	}
	t.watcher.circle = at
	if len(states) < lookMost && (len(states) == 0 || at == states[len(states)-1].Subject) {
		t.watcher.circle = "" // round
	}
	return t.make(due, nowMS)
}

// dueOutlook is an instance, and the rules that a forecast is due for.
type dueOutlook struct {
	subject, instanceID string
	rules               []*watchedRule
}

// isDue returns for which rules a forecast of an instance is due, and forgets what says nothing any more.
func (t *turn) isDue(subject string, nowMS int64) (*dueOutlook, error) {
	d := &dueOutlook{subject: subject, instanceID: strings.TrimPrefix(subject, outlookSubjects)}
	accountID, err := t.account(d.instanceID)
	if err != nil {
		return nil, err
	}
	w, err := t.outlook(accountID, d.instanceID)
	if err != nil {
		return nil, err
	}
	for _, rule := range w.watched {
		switch {
		case rule.state.Empty():
		case rule.state.Stale(nowMS):
			rule.state = notify.State{}
			t.touch(subject, rule, 0)
		case rule.state.NextMS != 0 && rule.state.NextMS <= nowMS:
			d.rules = append(d.rules, rule)
		}
	}
	return d, nil
}

// make makes forecasts, of which the past is read at once.
func (t *turn) make(due []*dueOutlook, nowMS int64) error {
	if len(due) == 0 {
		return nil
	}
	ids := make([]string, len(due))
	for i, d := range due {
		ids[i] = d.instanceID
	}
	report, err := usageReport(t.ctx, t, &t.engine.columns, historyQuery(nowMS, ids...), receiptsMost)
	if err != nil {
		return err
	}
	histories, prices := historiesOf(report, nowMS, ids...), pricesAt(t.engine.store.Settings(), nowMS)
	for _, d := range due {
		b, err := balanceOf(t, d.instanceID, prices)
		if err != nil {
			return err
		}
		if err := t.outlive(d, b, histories[d.instanceID]); err != nil {
			return err
		}
	}
	return nil
}

// outlive has rules judge how long the line items of an instance last.
func (t *turn) outlive(d *dueOutlook, b *Balance, h *forecast.History) error {
	lines, err := t.outlooked(d, b.Book)
	if err != nil {
		return err
	}
	var f *forecast.Forecast
	if anySoon(d, lines, b.Book, h) {
		f = b.forecast(h)
	}
	for _, rule := range d.rules {
		againMS := int64(0)
		if f != nil && f.TooLittle != "" && h.Used() {
			againMS = b.NowMS + forecast.DayMS
		}
		for _, w := range lines {
			of := named(w.watched, rule.Name)
			if of == nil || f == nil {
				continue
			}
			lastsMS, known := f.LastsMS(w.Number, b.NowMS)
			if !known {
				continue
			}
			was := of.state
			t.step(w, of, &was, of.Lasts(&of.state, &w.LineItem, lastsMS, b.NowMS), &w.LineItem, b.NowMS)
			switch nearMS := b.NowMS + lastsMS - rule.WithinMS(); {
			case of.state.Fired:
				againMS = b.NowMS
			case lastsMS < forecast.HorizonDays*forecast.DayMS && (againMS == 0 || nearMS < againMS):
				againMS = nearMS
			}
		}
		rule.state.Forecast(b.NowMS, againMS)
		t.touch(d.subject, rule, 0)
	}
	return nil
}

// outlooked returns the line items that one of the rules covers.
func (t *turn) outlooked(d *dueOutlook, book *ledger.Book) (lines []*watchedLine, err error) {
	numbers := make([]int64, len(book.LineItems))
	for i, l := range book.LineItems {
		numbers[i] = l.Number
	}
	if err := t.readStates(numbers); err != nil {
		return nil, err
	}
	for _, l := range book.LineItems {
		w, err := t.as(l)
		if err != nil {
			return nil, err
		}
		for _, rule := range d.rules {
			if named(w.watched, rule.Name) != nil {
				lines = append(lines, w)
				break
			}
		}
	}
	return lines, nil
}

// anySoon reports whether a line item may be used up soon enough for a rule, or has to be seen not to be any more. Of the others no
// forecast is needed.
func anySoon(d *dueOutlook, lines []*watchedLine, book *ledger.Book, h *forecast.History) bool {
	for _, rule := range d.rules {
		days := rule.WithinMS()/forecast.DayMS + 1
		for _, w := range lines {
			of := named(w.watched, rule.Name)
			if of != nil && (of.state.Fired || !h.Lasts(book.ByNumber(w.Number).Balance(), days)) {
				return true
			}
		}
	}
	return false
}
