package audit

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// RuledHold is what is kept back for a requester's work until a time, where rules and limits have a say; or of a lease, whose tokens a client spends
// by itself.
type RuledHold struct {
	ID, Type, Requester string
	Dictionary          []byte
	Made, Until         int64
	State               string // "" until it has ended
	Items               []DecidedItem
	Kept                [][]keptShare // of each item, in the order of drawing
	Settled, Overdrawn  *big.Rat

	Lease    bool
	Tokens   *big.Rat   // leased
	Prices   []*big.Rat // of each item
	Reported []*big.Rat // of each item, in all
}

// keptShare is what of a line item is kept, with what it counts against.
type keptShare struct {
	lineItem, series, version string
	rate, tokens              *big.Rat
	overdraft                 bool
	allowance                 int64
	action                    string // whose allocation; empty: none
	consumes                  *consumption
}

// sameSlice says whether two shares are told as one.
func (s *keptShare) sameSlice(t *keptShare) bool {
	return s.lineItem == t.lineItem && s.series == t.series && s.version == t.version && same(s.rate, t.rate) && s.allowance == t.allowance && s.action == t.action &&
		(s.consumes == nil) == (t.consumes == nil) && (s.consumes == nil || *s.consumes == *t.consumes)
}

func (s keptShare) String() string {
	return fmt.Sprintf("%s %s at %s of %s %s, overdraft %t, allowance of %d", s.lineItem, text(s.tokens), text(s.rate), s.series, s.version, s.overdraft, s.allowance)
}

// ShownHold is how a receipt says that a hold stands.
type ShownHold struct {
	ID, State          string
	Until              int64
	Kept               [][]ShownShare
	Settled, Overdrawn *big.Rat
	Prices, Reported   []*big.Rat
}

// ShownShare is what it keeps of a line item, which has a number there.
type ShownShare struct {
	Number          int64
	Series, Version string
	Rate, Tokens    *big.Rat
	Overdraft       bool
	Allowance       int64
	Action          string
	Limited         bool
	Since           int64
}

func (h *RuledHold) lives(now int64) bool { return h.State == "" && now < h.Until }

// kept adds up what live holds keep, as far as it counts.
func (r *Rules) kept(now int64, counts func(*keptShare) bool) *big.Rat {
	total := zero
	for _, h := range r.allHolds {
		if !h.lives(now) {
			continue
		}
		for _, of := range h.Kept {
			for i := range of {
				if counts(&of[i]) {
					total = add(total, of[i].tokens)
				}
			}
		}
	}
	return total
}

// heldOf returns what is held now of what a line item has at a time: of an allowance that is over nothing is left to be held.
func (r *Rules) heldOf(now int64, l *RuledLineItem, at int64) *big.Rat {
	allowance := l.counts(at)
	return r.kept(now, func(s *keptShare) bool { return s.lineItem == l.ID && s.allowance == allowance })
}

func (r *Rules) heldOfAction(now int64, id string) *big.Rat {
	return r.kept(now, func(s *keptShare) bool { return s.action == id })
}

func (r *Rules) heldOfLimit(now int64, c consumption) *big.Rat {
	return r.kept(now, func(s *keptShare) bool { return s.consumes != nil && *s.consumes == c })
}

// keptOf turns draws into what is kept: balances in the order of drawing, then overdrafts. Of what costs nothing it keeps where that was.
func (a *attempt) keptOf(paid []*giver) (all []keptShare) {
	order := a.inOrder(a.Time)
	inOrder := slices.Clone(paid)
	slices.SortFunc(inOrder, func(x, y *giver) int {
		return slices.Index(order, x.RuledLineItem) - slices.Index(order, y.RuledLineItem)
	})
	for _, overdraft := range []bool{false, true} {
		for _, g := range inOrder {
			tokens := g.over
			if !overdraft {
				tokens = sub(g.drawn, g.over)
			}
			if tokens.Sign() > 0 {
				all = append(all, g.share(a.Time, tokens, overdraft))
			}
		}
	}
	if len(all) == 0 && len(paid) > 0 {
		all = append(all, paid[0].share(a.Time, zero, false))
	}
	return all
}

func (g *giver) share(now int64, tokens *big.Rat, overdraft bool) keptShare {
	s := keptShare{
		lineItem: g.ID, series: g.table.Series, version: g.table.Version, rate: g.rate, tokens: tokens, overdraft: overdraft, allowance: g.counts(now),
	}
	if g.allocation != nil {
		s.action = g.action.ID
	}
	if g.limit != nil {
		consumes := g.consumes
		s.consumes = &consumes
	}
	return s
}

// Holds tells of a hold that was made, for items that were decided on, or refused, if it is shown as none.
func (r *Rules) Holds(d *Decision, shown *ShownHold) {
	d.Held = true
	kept := r.Decides(d)
	if shown == nil {
		return
	}
	h := &RuledHold{
		ID: shown.ID, Type: d.Type, Requester: d.Requester, Dictionary: d.Dictionary, Made: d.Time, Until: shown.Until, Items: d.Items, Kept: kept,
		Settled: zero, Overdrawn: zero,
	}
	r.hold(h, shown)
}

func (r *Rules) hold(h *RuledHold, shown *ShownHold) {
	if r.Hold(h.ID) != nil {
		r.complains = append(r.complains, fmt.Sprintf("hold %s was made before", h.ID))
	}
	r.Seen["hold"]++
	r.allHolds = append(r.allHolds, h)
	r.stands(h, shown)
}

// Hold returns a hold or a lease; nil: nobody made it.
func (r *Rules) Hold(id string) *RuledHold {
	for _, h := range r.allHolds {
		if h.ID == id {
			return h
		}
	}
	return nil
}

// moved returns the hold that a move is of.
func (r *Rules) moved(now int64, what, id string) *RuledHold {
	h := r.Hold(id)
	if h == nil {
		r.complains = append(r.complains, fmt.Sprintf("%s of hold %s at %d, which nobody made", what, id, now))
		return nil
	}
	r.Seen[what]++
	if h.State != "" {
		r.complains = append(r.complains, fmt.Sprintf("%s of hold %s at %d, which was %s", what, id, now, h.State))
	}
	return h
}

// Extends tells that a hold lives until a time from now on.
func (r *Rules) Extends(now int64, shown *ShownHold) {
	h := r.moved(now, "extension", shown.ID)
	if h == nil {
		return
	}
	if !h.lives(now) || shown.Until < h.Until {
		r.complains = append(r.complains, fmt.Sprintf("hold %s until %d is extended at %d until %d", h.ID, h.Until, now, shown.Until))
	}
	h.Until = shown.Until
	r.stands(h, shown)
}

// Releases tells that a hold was released.
func (r *Rules) Releases(now int64, shown *ShownHold) {
	if h := r.moved(now, "release", shown.ID); h != nil {
		h.end(released)
		r.stands(h, shown)
	}
}

// Ends tells that a lease is over now.
func (r *Rules) Ends(now int64, shown *ShownHold) {
	h := r.moved(now, "end of a lease", shown.ID)
	if h == nil {
		return
	}
	if !h.lives(now) || !h.Lease {
		r.complains = append(r.complains, fmt.Sprintf("hold %s until %d is ended at %d", h.ID, h.Until, now))
	}
	h.Until = now
	r.stands(h, shown)
}

func (h *RuledHold) end(state string) {
	h.State = state
	for _, of := range h.Kept {
		for i := range of {
			of[i].tokens = zero
		}
	}
}

// stands compares a hold with how it is shown.
func (r *Rules) stands(h *RuledHold, shown *ShownHold) {
	if got, want := shown.text(r), h.text(); got != want {
		r.complains = append(r.complains, fmt.Sprintf("hold %s is\n%s\nwant\n%s", h.ID, got, want))
	}
}

func (h *RuledHold) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s until %d, settled %s, overdrawn %s, reported %s", orHeld(h.State), h.Until, text(h.Settled), text(h.Overdrawn), texts(h.Reported))
	for _, of := range h.Kept {
		for _, s := range of {
			fmt.Fprintf(&b, "\n  %s, of %q", s, s.action)
			if s.consumes != nil {
				fmt.Fprintf(&b, ", of the limit since %d", s.consumes.since)
			}
		}
	}
	return b.String()
}

func (s *ShownHold) text(r *Rules) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s until %d, settled %s, overdrawn %s, reported %s", s.State, s.Until, text(s.Settled), text(s.Overdrawn), texts(s.Reported))
	for _, of := range s.Kept {
		for _, k := range of {
			share := keptShare{r.Numbers[k.Number], k.Series, k.Version, k.Rate, k.Tokens, k.Overdraft, k.Allowance, k.Action, nil}
			fmt.Fprintf(&b, "\n  %s, of %q", share, share.action)
			if k.Limited {
				fmt.Fprintf(&b, ", of the limit since %d", k.Since)
			}
		}
	}
	return b.String()
}

func orHeld(state string) string {
	if state == "" {
		return "HELD"
	}
	return state
}

func texts(all []*big.Rat) string {
	var b strings.Builder
	for _, a := range all {
		b.WriteString(text(a) + " ")
	}
	return b.String()
}
