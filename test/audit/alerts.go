package audit

import (
	"fmt"
	"math/big"
	"slices"
)

// Alerts holds what was told of line items to what they came to: it is told what the producer set, and every event, in order, and works out by
// itself which alerts fired and which were over. Of what a line item's balance says every crossing is told of once; of the rest an alert that
// fires had reason to, and is over when the line item is.
type Alerts struct {
	watches  []Watch
	lines    map[string]*watched
	denied   map[string][]int64 // when, by instance
	firing   map[[2]string]bool // what was told, by watch and subject
	want     map[[2]string][]string
	told     map[[2]string][]string
	complain []string
	Seen     map[string]int
}

// Watch is a rule. Its kinds are the product's.
type Watch struct {
	Name, Kind      string
	Tokens, Percent *big.Rat // BALANCE_BELOW: either of them
	Within          int64    // ENDING, RUNNING_OUT
}

// Told is what people were told.
type Told struct {
	Watch, Instance, LineItem, Requester string
	Fired                                bool
	Time                                 int64
	Value, Threshold                     *big.Rat
	Used                                 *big.Rat
	Quantity, End                        int64
}

// watched is a line item as it stands.
type watched struct {
	LineItem
	recurs string
	used   *big.Rat
	shown  int64          // when the allowance began that used is of
	ends   map[int64]bool // that it had
	fires  map[string]bool
}

// NewAlerts returns an auditor of rules that are there from the beginning to the end.
func NewAlerts(watches ...Watch) *Alerts {
	return &Alerts{
		watches: watches, lines: map[string]*watched{}, denied: map[string][]int64{}, firing: map[[2]string]bool{},
		want: map[[2]string][]string{}, told: map[[2]string][]string{}, Seen: map[string]int{},
	}
}

// LineItem tells of a line item that was put at a time.
func (a *Alerts) LineItem(l LineItem, recurs string, now int64) {
	w := a.lines[l.ID]
	if w == nil {
		w = &watched{LineItem: l, recurs: recurs, used: zero, ends: map[int64]bool{}, fires: map[string]bool{}}
		a.lines[l.ID] = w
	} else {
		a.judge(w, now) // an allowance may have begun before
	}
	w.LineItem = l
	w.ends[l.End] = true
	a.judge(w, now)
}

// Event tells of an event, which was made at e.Written.
func (a *Alerts) Event(e *RuledEvent) {
	if e.Kind == "DENIAL" {
		a.denied[e.Instance] = append(a.denied[e.Instance], e.Written)
		return
	}
	w := a.lines[e.LineItem]
	if w.recurs != "" && e.Shown > w.shown { // the first use of an allowance
		w.shown, w.used = e.Shown, e.Used
		if e.Paid == e.Shown {
			w.used = sub(e.Used, e.Tokens)
		}
		a.judge(w, e.Written)
	}
	w.used = e.Used
	a.judge(w, e.Written)
}

// now is what is used at a time: nothing, if an allowance has begun since.
func (w *watched) now(now int64) *big.Rat {
	if w.recurs != "" && began(w.recurs, w.Start, max(now, w.Start)) > max(w.shown, began(w.recurs, w.Start, w.Start)) {
		return zero
	}
	return w.used
}

// holds says what a watch of balances makes of a line item, and whether it is one.
func (w *watched) holds(of *Watch, used *big.Rat, now int64) (holds, exact bool) {
	left := sub(whole(w.Quantity), used)
	if left.Sign() < 0 {
		left = zero
	}
	switch of.Kind {
	case "BALANCE_BELOW":
		least := of.Tokens
		if least == nil {
			least = halfEven(div(mul(whole(w.Quantity), of.Percent), whole(100)))
		}
		holds = left.Cmp(least) < 0
	case "EXHAUSTED":
		holds = left.Sign() == 0
	case "OVERDRAFT":
		holds = used.Cmp(whole(w.Quantity)) > 0
	default:
		return false, false
	}
	return holds && now < w.End, true
}

func (a *Alerts) judge(w *watched, now int64) {
	used := w.now(now)
	for i := range a.watches {
		of := &a.watches[i]
		holds, exact := w.holds(of, used, now)
		if !exact || holds == w.fires[of.Name] {
			continue
		}
		w.fires[of.Name] = holds
		key := [2]string{of.Name, w.ID}
		a.want[key] = append(a.want[key], said(holds, used, w.Quantity))
	}
}

// said is what has to be told of a crossing. When an alert is over, other use than that which ended it may be told.
func said(fired bool, used *big.Rat, quantity int64) string {
	if !fired {
		return "over"
	}
	return fmt.Sprintf("fired at %s of %d", text(used), quantity)
}

func (a *Alerts) wrong(format string, args ...any) {
	a.complain = append(a.complain, fmt.Sprintf(format, args...))
}

// Told tells what people were told, in order.
func (a *Alerts) Told(t *Told) {
	subject := t.LineItem
	if subject == "" {
		subject = t.Instance + " " + t.Requester
	}
	key := [2]string{t.Watch, subject}
	if a.firing[key] == t.Fired {
		a.wrong("of %v was told %+v, which it was already", key, t)
	}
	a.firing[key] = t.Fired
	at := slices.IndexFunc(a.watches, func(w Watch) bool { return w.Name == t.Watch })
	of := &a.watches[at]
	if t.Fired {
		a.Seen["alert "+of.Kind]++
	}
	w := a.lines[t.LineItem]
	switch of.Kind {
	case "BALANCE_BELOW", "EXHAUSTED", "OVERDRAFT":
		a.told[key] = append(a.told[key], said(t.Fired, t.Used, t.Quantity))
	case "ENDING", "RUNNING_OUT":
		if t.Fired && (!w.ends[t.End] || t.Time >= t.End) {
			a.wrong("%v fired at %d, with an end at %d", key, t.Time, t.End)
		}
		if t.Fired && (t.Value.Cmp(whole(of.Within)) > 0 || of.Kind == "ENDING" && t.Value.Cmp(whole(t.End-t.Time)) != 0) {
			a.wrong("%v fired at %d, %s ms before what is told of", key, t.Time, text(t.Value))
		}
	case "DENIALS":
		recent := func(at int64) bool { return t.Time-of.Within < at && at <= t.Time }
		if t.Fired && (t.Value.Cmp(of.Percent) < 0 || !slices.ContainsFunc(a.denied[t.Instance], recent)) {
			a.wrong("%v fired at %d, by %s percent", key, t.Time, text(t.Value))
		}
	case "PACE":
		if t.Fired && t.Value.Cmp(of.Tokens) < 0 {
			a.wrong("%v fired at %s tokens", key, text(t.Value))
		}
	}
}

// Complaints returns what is wrong, given that all was told that there is to tell by a time.
func (a *Alerts) Complaints(now int64) []string {
	for _, w := range a.lines {
		a.judge(w, now)
		for i := range a.watches {
			of := &a.watches[i]
			key := [2]string{of.Name, w.ID}
			switch {
			case of.Kind == "ENDING" && a.firing[key] != (now < w.End && w.End-now <= of.Within):
				a.wrong("of %v, which ends at %d, it is told at %d that it fires: %t", key, w.End, now, a.firing[key])
			case of.Kind == "RUNNING_OUT" && now >= w.End && a.firing[key]:
				a.wrong("%v still fires, and has ended", key)
			}
		}
	}
	for key, want := range a.want {
		if got := a.told[key]; !slices.Equal(got, want) {
			a.wrong("of %v was told\n%q\nwant\n%q", key, got, want)
		}
	}
	for key, got := range a.told {
		if a.want[key] == nil {
			a.wrong("of %v was told %q, and there was nothing", key, got)
		}
	}
	return a.complain
}
