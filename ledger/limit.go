package ledger

import (
	"github.com/farebox/farebox/formula"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/token"
)

// Limit is what every single requester may consume from a line item in a period (decisions.md D23). Its JSON is the one in
// the books.
type Limit struct {
	Tokens      token.Amount     `json:"limit"`
	Period      period.Frequency `json:"period"`
	NextResetMS int64            `json:"nextReset"` // a time at which a period begins; all others follow from it
	FromMS      int64            `json:"from"`      // what was consumed before does not count
}

// Around returns from when on consumption counts in the present period of a limit, and when the next one begins.
func (l *Limit) Around(nowMS int64) (sinceMS, nextMS int64) {
	sinceMS, nextMS = l.Period.Around(l.NextResetMS, nowMS)
	return max(sinceMS, l.FromMS), nextMS
}

// limitAround is Around of a line item's limit.
func (l *LineItem) limitAround(nowMS int64) (sinceMS, nextMS int64) {
	sinceMS, nextMS = l.limited.Around(l.Limit.Period, l.Limit.NextResetMS, nowMS)
	return max(sinceMS, l.Limit.FromMS), nextMS
}

// Continues decides from when on consumption counts in a new limit, and reports whether that is as in the one before, nil if
// there is none: the period that runs has to begin when that one's did. Those before it are kept only if they are as long.
// A next reset that is the one before leaves the day as it is.
func (l *Limit) Continues(before *Limit, nowMS int64) bool {
	l.FromMS = nowMS
	if before == nil {
		return false
	}
	was, next := before.Period.Around(before.NextResetMS, nowMS)
	if l.Period == before.Period && l.NextResetMS == next {
		l.NextResetMS = before.NextResetMS // as it was shown: a day clipped to a month's end is not to stay clipped
	}
	now, _ := l.Period.Around(l.NextResetMS, nowMS)
	switch {
	case now != was:
		return false
	case l.Period == before.Period:
		l.FromMS = before.FromMS
	default:
		l.FromMS = max(now, before.FromMS)
	}
	return true
}

// PeriodKey names a period of the limit of a line item.
type PeriodKey struct {
	Number  int64 // of the line item
	SinceMS int64 // when the period began
}

// Consumed is what a requester has consumed from a line item in a period of its limit. Periods that are over are kept apart, as
// long as something can still be charged as of then.
type Consumed struct {
	RequesterKey
	PeriodKey
	Tokens token.Amount
}

// RequesterKey names a requester on an instance: by type and value.
type RequesterKey struct {
	InstanceID string
	Type       string
	Value      string
}

// Standing is what a requester has behind it on an instance: the charges that cover its use, and what it has consumed from
// line items with a limit.
type Standing struct {
	RequesterKey
	Covers   map[ItemKey]*Cover
	Consumed map[PeriodKey]*Consumed
}

// ItemKey names an item.
type ItemKey struct{ Item, Version string }

// NewStanding returns the standing of one who has nothing behind it.
func NewStanding(key RequesterKey) *Standing {
	return &Standing{RequesterKey: key, Covers: map[ItemKey]*Cover{}, Consumed: map[PeriodKey]*Consumed{}}
}

// Clone returns a copy of a standing to try things out on.
func (s *Standing) Clone() *Standing {
	c := NewStanding(s.RequesterKey)
	for key, cover := range s.Covers {
		copied := *cover
		c.Covers[key] = &copied
	}
	for key, consumed := range s.Consumed {
		copied := *consumed
		c.Consumed[key] = &copied
	}
	return c
}

func (s *Standing) cover(key ItemKey) *Cover {
	c := s.Covers[key]
	if c == nil {
		c = &Cover{CoverKey: CoverKey{s.RequesterKey, key}}
		s.Covers[key] = c
	}
	return c
}

func (s *Standing) consumed(key PeriodKey) *Consumed {
	c := s.Consumed[key]
	if c == nil {
		c = &Consumed{RequesterKey: s.RequesterKey, PeriodKey: key}
		s.Consumed[key] = c
	}
	return c
}

// Who asks, as rules and limits see it, in one request. Its methods remember what they found, so it is for one goroutine.
type Who struct {
	Standing   *Standing
	Dictionary Dictionary
	Work       formula.Work // of the formulas that were evaluated for the request so far

	matched map[*LineItem]*Action
	held    map[string]bool // conditions by id
	sets    map[string]map[string]bool
}
