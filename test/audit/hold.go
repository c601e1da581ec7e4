package audit

import (
	"maps"
	"math/big"
	"slices"
)

// Hold is what is kept back of line items until a time (D35).
type Hold struct {
	Instance           string
	Made, Until        int64
	Asks               []Ask
	Kept               [][]draw // of each ask, in the order of drawing
	State              string   // "" until it has ended
	Settled, Overdrawn *big.Rat
}

// How a hold ends.
const (
	settled  = "SETTLED"
	released = "RELEASED"
)

func (h *Hold) lives(now int64) bool { return h.State == "" && now < h.Until }

// Left returns what a hold keeps at a time.
func (h *Hold) Left(now int64) *big.Rat {
	left := zero
	if h.lives(now) {
		for _, kept := range h.Kept {
			left = add(left, sum(kept))
		}
	}
	return left
}

// Held returns what live holds keep of each line item.
func (w *Twin) Held() map[string]*big.Rat { return w.held("") }

func (w *Twin) held(except string) map[string]*big.Rat {
	all := map[string]*big.Rat{}
	for id, h := range w.holds {
		if id == except || !h.lives(w.Now) {
			continue
		}
		for _, kept := range h.Kept {
			for _, d := range kept {
				all[d.ID] = add(useOf(all, d.ID), d.tokens)
			}
		}
	}
	return all
}

// taken returns what of each line item cannot be drawn: what is used and what is held, but by one hold.
func (w *Twin) taken(except string) map[string]*big.Rat {
	all := maps.Clone(w.Used)
	for id, held := range w.held(except) {
		all[id] = add(useOf(all, id), held)
	}
	return all
}

// Hold keeps back what requests would be charged, all or nothing; id is empty where the product refused.
func (w *Twin) Hold(id string, r Request, ttl int64) (refused bool, how string) {
	if !w.Instances[r.Instance] {
		return false, NotFound
	}
	h := &Hold{Instance: r.Instance, Made: w.Now, Until: w.Now + ttl, Asks: r.Items, Settled: zero, Overdrawn: zero}
	taken := w.taken("")
	for _, ask := range r.Items {
		all, _ := w.candidates(r.Instance, ask, w.Now)
		draws, covered := pay(sources(all, taken), ask.Count)
		if !covered {
			return true, Done
		}
		for _, d := range draws {
			taken[d.ID] = add(useOf(taken, d.ID), d.tokens)
		}
		if paying := slices.DeleteFunc(slices.Clone(draws), func(d draw) bool { return d.tokens.Sign() == 0 }); len(paying) > 0 {
			draws = paying
		} else {
			draws = draws[:1] // it tells where it was
		}
		h.Kept = append(h.Kept, draws)
	}
	w.holds[id] = h
	return false, Done
}

// Extend has a hold live longer, never shorter.
func (w *Twin) Extend(id string, ttl int64) string {
	h := w.holds[id]
	if !h.lives(w.Now) {
		return Conflict
	}
	h.Until = max(h.Until, w.Now+ttl)
	return Done
}

// Release ends a hold; again is nothing (D39).
func (w *Twin) Release(id string) string {
	h := w.holds[id]
	if h.State == settled {
		return Conflict
	}
	h.State = released
	return Done
}

// settlement is one item of finished work while it is paid.
type settlement struct {
	ask  Ask
	of   int // which of the hold's asks; less than 0: none
	bill bill
	last *draw // what paid last: from the book, else from what was held
}

func (s *settlement) paid() bool {
	return s.ask.Count.Sign() == 0 || s.bill.rate != nil && s.bill.uncovered.Sign() == 0
}

// from takes what there is of a source, at its rate; false where it plays no part.
func (s *settlement) from(d source, left *big.Rat) (*big.Rat, bool) {
	next := s.bill.at(d.rate)
	if left.Sign() == 0 && next.uncovered.Sign() > 0 {
		return zero, false
	}
	take := smaller(left, next.uncovered)
	s.bill = next
	s.bill.uncovered = sub(next.uncovered, take)
	s.last = &draw{d, take}
	return take, true
}

// Settle pays for finished work: what was held for it first, then as a charge would now, then past all that is allowed (D36, D37, D38).
func (w *Twin) Settle(id string, work []Ask, final bool) (late bool, how string) {
	h := w.holds[id]
	if h.State != "" {
		return false, Conflict
	}
	late = !h.lives(w.Now)
	kept := make([][]draw, len(h.Kept))
	for i := range kept {
		kept[i] = slices.Clone(h.Kept[i])
	}
	used := maps.Clone(w.Used)
	total, overdrawn := zero, zero
	use := func(lineItem string, tokens *big.Rat) {
		used[lineItem] = add(useOf(used, lineItem), tokens)
		total = add(total, tokens)
	}
	items := make([]*settlement, len(work))
	for i, of := range h.placesOf(work) {
		items[i] = &settlement{ask: work[i], of: of, bill: bill{count: work[i].Count}}
		if of < 0 || late {
			continue
		}
		for j := range kept[of] {
			if items[i].paid() {
				break
			}
			d := &kept[of][j]
			if take, plays := items[i].from(d.source, d.tokens); plays {
				d.tokens = sub(d.tokens, take)
				use(d.ID, take)
			}
		}
	}
	still := map[string]*big.Rat{} // what cannot be drawn besides what is used
	maps.Copy(still, w.held(id))
	if !final && !late {
		for _, of := range kept {
			for _, d := range of {
				still[d.ID] = add(useOf(still, d.ID), d.tokens)
			}
		}
	}
	for _, s := range items {
		taken := maps.Clone(used)
		for lineItem, held := range still {
			taken[lineItem] = add(useOf(taken, lineItem), held)
		}
		fromHeld := s.last
		s.last = nil
		for _, from := range sources(w.pricing(h.Instance, s.ask, h.Made, func(l LineItem) bool { return w.usable(l, w.Now) }), taken) {
			if s.paid() {
				break
			}
			if take, plays := s.from(from, from.left); plays {
				use(from.ID, take)
			}
		}
		if s.paid() {
			continue
		}
		payer := w.beyond(h, s, fromHeld)
		if payer == nil {
			return false, Invalid
		}
		s.bill = s.bill.at(payer.rate)
		use(payer.ID, s.bill.uncovered)
		overdrawn = add(overdrawn, s.bill.uncovered)
	}
	w.Used, h.Kept = used, kept
	h.Settled, h.Overdrawn = add(h.Settled, total), add(h.Overdrawn, overdrawn)
	if final {
		h.State = settled
	}
	return late, Done
}

// beyond says on whom is booked what nothing covers; nil: nothing prices it.
func (w *Twin) beyond(h *Hold, s *settlement, fromHeld *draw) *source {
	if s.last != nil {
		return &s.last.source
	}
	if fromHeld != nil {
		return &fromHeld.source
	}
	if all := w.pricing(h.Instance, s.ask, h.Made, func(l LineItem) bool { return w.usable(l, w.Now) }); len(all) > 0 {
		return &source{candidate: all[0]}
	}
	if s.of >= 0 {
		return &h.Kept[s.of][0].source
	}
	if all := w.pricing(h.Instance, s.ask, h.Made, func(LineItem) bool { return true }); len(all) > 0 {
		return &source{candidate: all[0]}
	}
	return nil
}

// placesOf says which ask of a hold each item is: the nth of a name is the nth of it, and the rest of that name are the last.
func (h *Hold) placesOf(work []Ask) []int {
	nth := map[[2]string]int{}
	places := make([]int, len(work))
	for i, ask := range work {
		places[i] = -1
		name := [2]string{ask.Item, ask.Version}
		seen := 0
		for j, held := range h.Asks {
			if name == [2]string{held.Item, held.Version} && seen <= nth[name] {
				places[i] = j
				seen++
			}
		}
		nth[name]++
	}
	return places
}

// Refund gives back tokens of one item of a charge, what was drawn last first (D12); nil: all that is left of every item.
func (w *Twin) Refund(correlationID string, place int, tokens *big.Rat) string {
	paid := w.paid[correlationID]
	if tokens != nil {
		if sum(paid[place]).Cmp(tokens) < 0 {
			return Conflict
		}
		w.back(paid[place], tokens)
		return Done
	}
	total := zero
	for _, draws := range paid {
		total = add(total, sum(draws))
		w.back(draws, sum(draws))
	}
	if total.Sign() == 0 {
		return Conflict
	}
	return Done
}

// back replays draws backwards. A record does not tell in which order overdrafts were drawn, so that the line items' order now decides between those.
func (w *Twin) back(paid []draw, tokens *big.Rat) {
	slices.SortStableFunc(paid, func(a, b draw) int {
		if a.overdraft && b.overdraft {
			return drawn(w.lineItems[a.ID], w.lineItems[b.ID])
		}
		return 0 // balances come first as it is
	})
	for i := len(paid) - 1; i >= 0; i-- {
		back := smaller(tokens, paid[i].tokens)
		tokens, paid[i].tokens = sub(tokens, back), sub(paid[i].tokens, back)
		w.Used[paid[i].ID] = sub(w.Used[paid[i].ID], back)
	}
}

// Adjust has tokens used, or given back, for no item.
func (w *Twin) Adjust(instance, id string, tokens *big.Rat) string {
	l, there := w.lineItems[id]
	if !w.Instances[instance] || !there || l.Instance != instance {
		return NotFound
	}
	left := zero
	for _, s := range sources([]candidate{{LineItem: l}}, w.taken("")) {
		left = add(left, s.left)
	}
	after := add(useOf(w.Used, id), tokens)
	if after.Sign() < 0 || tokens.Sign() > 0 && l.Overdraft != unlimited && less(left, tokens) {
		return Conflict
	}
	w.Used[id] = after
	return Done
}

// TopUp adds to what was bought.
func (w *Twin) TopUp(instance, id string, tokens int64) string {
	l, there := w.lineItems[id]
	if !w.Instances[instance] || !there || l.Instance != instance {
		return NotFound
	}
	if l.State == obsolete {
		return Conflict
	}
	l.Quantity += tokens
	w.lineItems[id] = l
	return Done
}

// Transfer moves unused tokens between line items that are of one account.
func (w *Twin) Transfer(fromInstance, from, toInstance, to string, tokens int64) string {
	if from == to {
		return Invalid
	}
	giver, there := w.lineItems[from]
	taker, also := w.lineItems[to]
	if !there || giver.Instance != fromInstance || !also || taker.Instance != toInstance {
		return NotFound
	}
	unused := atLeast0(sub(whole(giver.Quantity), useOf(w.taken(""), from)))
	if giver.State == obsolete || taker.State == obsolete || less(unused, whole(tokens)) || giver.Quantity-tokens < 1 {
		return Conflict
	}
	giver.Quantity -= tokens
	taker.Quantity += tokens
	w.lineItems[from], w.lineItems[to] = giver, taker
	return Done
}
