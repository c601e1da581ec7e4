package notify

import (
	"cmp"
	"slices"
	"time"

	"github.com/farebox/farebox/token"
)

// Ring is what happened lately, in slots of equal length; older slots fall out.
type Ring struct {
	FirstMS int64  `json:"first,omitzero"` // when something happened first
	Slots   []Slot `json:"slots,omitzero"` // in the order of time
}

// Slot is what happened in one piece of time.
type Slot struct {
	Index    int64        `json:"at"` // its start, divided by its length
	Tokens   token.Amount `json:"tokens,omitzero"`
	Requests int64        `json:"requests,omitzero"`
	Denials  int64        `json:"denials,omitzero"`
}

func (r *Ring) empty() bool { return len(r.Slots) == 0 }

// add counts something at a time, in slots of a length of which so many are kept. What is older than those is not counted.
func (r *Ring) add(atMS int64, length time.Duration, keep int, what Slot) {
	if r.empty() && r.FirstMS == 0 {
		r.FirstMS = atMS
	}
	what.Index = atMS / length.Milliseconds()
	i, found := slices.BinarySearchFunc(r.Slots, what.Index, func(s Slot, index int64) int { return cmp.Compare(s.Index, index) })
	if !found {
		r.Slots = slices.Insert(r.Slots, i, Slot{Index: what.Index})
	}
	s := &r.Slots[i]
	s.Tokens, s.Requests, s.Denials = s.Tokens.Add(what.Tokens), s.Requests+what.Requests, s.Denials+what.Denials
	newest := r.Slots[len(r.Slots)-1].Index
	for len(r.Slots) > 1 && r.Slots[0].Index <= newest-int64(keep) {
		r.Slots = slices.Delete(r.Slots, 0, 1)
	}
}

// since adds up the slots of a length from the one on that is so many before that of a time.
func (r *Ring) since(nowMS int64, length time.Duration, slots int) (sum Slot) {
	from := nowMS/length.Milliseconds() - int64(slots)
	for i := range r.Slots {
		if s := &r.Slots[i]; s.Index >= from {
			sum.Tokens, sum.Requests, sum.Denials = sum.Tokens.Add(s.Tokens), sum.Requests+s.Requests, sum.Denials+s.Denials
		}
	}
	return sum
}

const (
	day  = 24 * time.Hour
	days = 7 // which a pace is taken from, and the part of today

	parts = 6 // of a window
)

// usual returns what was used of something in how many milliseconds, by days.
func (r *Ring) usual(nowMS int64) (tokens token.Amount, spanMS int64) {
	began := max(r.FirstMS, (nowMS/day.Milliseconds()-days)*day.Milliseconds())
	return r.since(nowMS, day, days).Tokens, nowMS - began
}

// Charged counts what a requester used, and returns what a Pace rule makes of it.
func (r *Rule) Charged(s *State, atMS int64, tokens token.Amount) Verdict {
	part := r.window / parts
	s.Recent.add(atMS, part, parts, Slot{Tokens: tokens})
	s.Usual.add(atMS, day, days+1, Slot{Tokens: tokens})
	return r.Requester(s, atMS)
}

// Requester returns what a Pace rule makes of a requester at a time. Nothing is usual of one that is known for less than a day.
func (r *Rule) Requester(s *State, nowMS int64) Verdict {
	now := s.Recent.since(nowMS, r.window/parts, parts-1).Tokens
	usual, span := s.Usual.usual(nowMS)
	before := span - r.window.Milliseconds()
	v := Verdict{Value: now, Threshold: r.Tokens, Unit: Tokens}
	if before < day.Milliseconds() {
		return s.step(v, false, nowMS)
	}
	far := token.MulDivHalfEven(usual.Sub(now), token.MulHalfEven(r.Factor, token.FromInt(r.window.Milliseconds())), token.FromInt(before))
	if v.Threshold.Less(far) {
		v.Threshold = far
	}
	return s.step(v, r.beyond(now, v.Threshold, s.Fired), nowMS)
}

// Decided counts what was asked of an instance, and returns what a Denials rule makes of it.
func (r *Rule) Decided(s *State, atMS, requests, denials int64) Verdict {
	s.Recent.add(atMS, r.window/parts, parts, Slot{Requests: requests, Denials: denials})
	return r.Instance(s, atMS)
}

// Instance returns what a Denials rule makes of an instance at a time. Too few requests leave an alert as it is, and none end it.
func (r *Rule) Instance(s *State, nowMS int64) Verdict {
	sum := s.Recent.since(nowMS, r.window/parts, parts-1)
	v := Verdict{Threshold: r.Percent, Unit: Percent}
	if sum.Requests > 0 {
		v.Value = token.MulDivHalfEven(token.FromInt(sum.Denials), hundred, token.FromInt(sum.Requests))
	}
	holds := s.Fired && sum.Requests > 0
	if sum.Requests >= r.Requests {
		holds = r.beyond(v.Value, v.Threshold, s.Fired)
	}
	return s.step(v, holds, nowMS)
}

// WindowDueMS is LineDueMS for requesters and instances.
func (r *Rule) WindowDueMS(s *State, nowMS int64) int64 {
	if s.Fired {
		return nowMS + (r.window / parts).Milliseconds()
	}
	return nowMS + forget.Milliseconds()
}
