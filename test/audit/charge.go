package audit

import (
	"maps"
	"math/big"
	"slices"
)

// Charge answers a request. The real answer is needed for one thing alone: when rates differ, a partial grant may fall
// short of the largest by roundings that no decision fixes, so its count is taken over where it is large enough.
func (w *Twin) Charge(r Request, key, fingerprint string, really *Answer) (answer *Answer, replayed bool, how string) {
	if !w.Instances[r.Instance] {
		return nil, false, NotFound
	}
	id := r.Instance + "\x00" + key
	if earlier, taken := w.keys[id]; taken && key != "" {
		if !earlier.charge || earlier.fingerprint != fingerprint {
			return nil, false, KeyReused
		}
		return earlier.answer, true, Done
	}
	answer = &Answer{CorrelationID: really.CorrelationID, Items: make([]AnsweredItem, len(r.Items))}
	used, events := maps.Clone(w.Used), len(w.Events)
	denied := false
	w.paid[answer.CorrelationID] = make([][]draw, len(r.Items))
	for i, ask := range r.Items {
		answer.Items[i] = w.item(answer, i, r.Instance, ask, really.Items[i].Count)
		denied = denied || answer.Items[i].Status != granted
	}
	if r.AllOrNothing && denied {
		w.Used, w.Events = used, w.Events[:events]
		for i, item := range answer.Items {
			if item.Status == granted {
				item.Status = noStatus
			}
			answer.Items[i] = w.deny(answer, r.Instance, r.Items[i], item.Status)
		}
	}
	if r.AllOrNothing && denied {
		delete(w.paid, answer.CorrelationID)
	}
	if key != "" {
		w.keys[id] = onceUsed{fingerprint, true, answer}
	}
	return answer, false, Done
}

// item decides and books one item.
func (w *Twin) item(answer *Answer, i int, instance string, ask Ask, reallyCount *big.Rat) AnsweredItem {
	all, usable := w.candidates(instance, ask, w.Now)
	switch {
	case !w.pricedAnywhere(ask, w.Now):
		return w.deny(answer, instance, ask, notFound)
	case usable == 0:
		return w.deny(answer, instance, ask, noLineItem)
	case len(all) == 0:
		return w.deny(answer, instance, ask, notFound)
	}
	from := sources(all, w.taken(""))
	count := ask.Count
	draws, covered := pay(from, count)
	if !covered && ask.Partial {
		count = largestPart(from, ask.Count, reallyCount)
		draws, covered = pay(from, count)
	}
	if !covered || count.Sign() == 0 {
		return w.deny(answer, instance, ask, insufficient)
	}
	w.paid[answer.CorrelationID][i] = draws
	return w.grant(answer, instance, ask, count, draws)
}

// draw is what is taken from a source.
type draw struct {
	source
	tokens *big.Rat
}

func sum(draws []draw) *big.Rat {
	total := zero
	for _, d := range draws {
		total = add(total, d.tokens)
	}
	return total
}

// pay draws on the sources in turn until a count is paid. A source with nothing left plays no part, unless nothing is to be
// paid there. No item costs more than the most that may be booked.
func pay(from []source, count *big.Rat) (draws []draw, covered bool) {
	b := bill{count: count}
	for _, s := range from {
		next := b.at(s.rate)
		left := smaller(s.left, sub(most, sum(draws)))
		if left.Sign() == 0 && next.uncovered.Sign() > 0 {
			continue
		}
		take := smaller(left, next.uncovered)
		b = next
		b.uncovered = sub(b.uncovered, take)
		draws = append(draws, draw{s, take})
		if b.uncovered.Sign() == 0 {
			return draws, true
		}
	}
	return draws, false
}

// largestPart returns the largest count that the sources cover. At one rate it is what their tokens buy, to the 12th
// digit; with several rates it is what the real answer says, if that is near enough.
func largestPart(from []source, asked, really *big.Rat) *big.Rat {
	ideal, near, total, rates := zero, zero, zero, []*big.Rat{}
	for _, s := range from {
		left := smaller(s.left, sub(most, total))
		if left.Sign() == 0 || s.rate.Sign() == 0 {
			continue
		}
		ideal, total = add(ideal, div(left, s.rate)), add(total, left)
		near = add(near, mul(whole(4), add(ulp, div(ulp, s.rate))))
		if !slices.ContainsFunc(rates, func(r *big.Rat) bool { return same(r, s.rate) }) {
			rates = append(rates, s.rate)
		}
	}
	ideal = smaller(ideal, asked)
	if len(rates) < 2 {
		return down(ideal)
	}
	if less(ideal, really) || less(add(really, near), ideal) {
		return down(ideal)
	}
	return really
}

func (w *Twin) deny(answer *Answer, instance string, ask Ask, status string) AnsweredItem {
	w.Events = append(w.Events, Event{
		CorrelationID: answer.CorrelationID, Kind: "DENIAL", Status: status, Time: w.Now, Instance: instance,
		Item: ask.Item, Version: ask.Version, Count: ask.Count, Rate: zero, Tokens: zero, Overdraft: zero, Used: zero,
	})
	return AnsweredItem{Status: status, Count: ask.Count, Tokens: zero}
}

// grant books what was drawn: one slice and one event for each line item.
func (w *Twin) grant(answer *Answer, instance string, ask Ask, count *big.Rat, draws []draw) AnsweredItem {
	first := len(w.Events)
	item := AnsweredItem{Status: granted, Count: count, Tokens: sum(draws)}
	for _, d := range draws {
		i := slices.IndexFunc(item.Slices, func(s Slice) bool { return s.LineItem == d.ID })
		if i < 0 {
			i = len(item.Slices)
			item.Slices = append(item.Slices, Slice{LineItem: d.ID, Rate: d.rate, Tokens: zero})
			w.Events = append(w.Events, Event{
				CorrelationID: answer.CorrelationID, Kind: "CHARGE", Status: granted, Time: w.Now, Instance: instance, LineItem: d.ID,
				Item: ask.Item, Version: ask.Version, Rate: d.rate, Tokens: zero, Overdraft: zero, Quantity: d.Quantity,
				Series: d.table.Series, TableVersion: d.table.Version,
			})
		}
		item.Slices[i].Tokens = add(item.Slices[i].Tokens, d.tokens)
		e := &w.Events[first+i]
		e.Tokens = item.Slices[i].Tokens
		if d.overdraft {
			e.Overdraft = add(e.Overdraft, d.tokens)
		}
		w.Used[d.ID] = add(useOf(w.Used, d.ID), d.tokens)
		e.Used = w.Used[d.ID]
	}
	return item
}
