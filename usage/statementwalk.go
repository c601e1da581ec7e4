package usage

import (
	"cmp"
	"maps"
	"slices"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/token"
)

// lineWalk goes through a line item's time from cut to cut, as the books went through it.
type lineWalk struct {
	told  []Told
	moved [][]movement // by cut

	terms     *ledger.LineItem
	nowMS     int64
	allowance int64                  // when the allowance began that counts
	paid      int64                  // when the last one began that the books have counted
	used      map[int64]token.Amount // by allowance
	flows     Flows
}

type movement struct {
	MovedKey
	Moved
}

// line makes the walk.
func (w *lineWalk) line(key LineKey, cuts []int64) *StatementLine {
	w.count(0)
	w.until(cuts[0] - 1) // what happens at the beginning is of this statement
	w.flows = Flows{Opening: w.balance()}
	for i, cutMS := range cuts {
		w.until(cutMS)
		w.pass(i + 1)
	}
	w.flows.Closing = w.balance()
	w.flows.OverdraftToBill = overdraft(w.flows.Closing).Sub(overdraft(w.flows.Opening)).Add(w.flows.OverdraftEnded)
	l := &StatementLine{LineKey: key, Flows: w.flows, Items: w.items()}
	if w.terms != nil {
		l.Terms = *w.terms
	}
	l.Money = w.money(l)
	return l
}

// until applies what happens up to a time, and at it.
func (w *lineWalk) until(ms int64) {
	for len(w.told) > 0 && w.told[0].TimeMS <= ms {
		w.tell(&w.told[0])
	}
	w.turn(ms)
}

// tell changes the terms. What that does to the balance was purchased or withdrawn.
func (w *lineWalk) tell(t *Told) {
	w.turn(t.TimeMS)
	before := w.balance()
	w.terms, w.told = &t.Terms, w.told[1:]
	w.nowMS = max(w.nowMS, t.TimeMS)
	w.renew()
	if change := w.balance().Sub(before); change.Sign() >= 0 {
		w.flows.Purchased = w.flows.Purchased.Add(change)
	} else {
		w.flows.Withdrawn = w.flows.Withdrawn.Sub(change)
	}
}

// turn lets time go on: a line item ends, or an allowance, and another begins.
func (w *lineWalk) turn(ms int64) {
	if w.terms == nil {
		w.nowMS = ms
		return
	}
	before := w.balance()
	w.nowMS = max(w.nowMS, ms)
	if began := w.allowance; w.renew() > began {
		var owed token.Amount
		if before.Sign() < 0 {
			owed, before = before.Neg(), token.Amount{}
		}
		w.flows.Expired = w.flows.Expired.Add(before)
		w.flows.OverdraftEnded = w.flows.OverdraftEnded.Add(owed)
		w.flows.Granted = w.flows.Granted.Add(w.balance()).Add(owed)
		return
	}
	w.flows.Expired = w.flows.Expired.Add(before).Sub(w.balance())
}

// renew finds the allowance that counts: the one that runs, or the last one that the books have counted. It returns when
// that began.
func (w *lineWalk) renew() int64 {
	l := w.terms
	w.allowance = max(w.paid, l.BegunMS)
	if l.Recurs != "" {
		began, _ := l.Recurs.Around(l.StartMS, min(max(w.nowMS, l.StartMS), l.EndMS-1))
		w.allowance = max(w.allowance, began)
	}
	return w.allowance
}

// balance is what is left, signed; nothing but overdraft of a line item that is over.
func (w *lineWalk) balance() token.Amount {
	if w.terms == nil {
		return token.Amount{}
	}
	left := token.FromInt(w.terms.Quantity).Sub(w.used[w.allowance])
	if w.over() && left.Sign() > 0 {
		return token.Amount{}
	}
	return left
}

func (w *lineWalk) over() bool {
	return w.deleted() || w.terms.EndMS <= w.nowMS
}

func (w *lineWalk) deleted() bool { return w.terms.Deleted || w.terms.State == ledger.Obsolete }

// pass lets what was moved after a cut happen.
func (w *lineWalk) pass(cut int) {
	before := w.balance()
	used, refunded := w.count(cut)
	w.flows.Used, w.flows.Refunded = w.flows.Used.Add(used), w.flows.Refunded.Add(refunded)
	w.lose(before.Sub(used).Add(refunded).Sub(w.balance()))
}

// lose accounts for tokens that were given back to, or taken from, what is over already.
func (w *lineWalk) lose(tokens token.Amount) {
	if w.terms != nil && w.deleted() {
		w.flows.Withdrawn = w.flows.Withdrawn.Add(tokens)
	} else {
		w.flows.Expired = w.flows.Expired.Add(tokens)
	}
}

func (w *lineWalk) count(cut int) (used, refunded token.Amount) {
	for i := range w.moved[cut] {
		m := &w.moved[cut][i]
		tokens := m.Tokens
		if m.Refund {
			refunded = refunded.Add(tokens)
			tokens = tokens.Neg()
		} else {
			used = used.Add(tokens)
		}
		w.used[m.AllowanceMS] = w.used[m.AllowanceMS].Add(tokens)
		w.paid = max(w.paid, m.LastMS)
		w.allowance = max(w.allowance, w.paid)
	}
	return used, refunded
}

func overdraft(balance token.Amount) token.Amount {
	if balance.Sign() < 0 {
		return balance.Neg()
	}
	return token.Amount{}
}

func (w *lineWalk) items() []StatementItem {
	by := map[ledger.ItemKey]*StatementItem{}
	for _, moved := range w.moved[1:] {
		for i := range moved {
			m := &moved[i]
			item := by[m.ItemKey]
			if item == nil {
				item = &StatementItem{ItemKey: m.ItemKey}
				by[m.ItemKey] = item
			}
			if m.Refund {
				item.Refunded = item.Refunded.Add(m.Tokens)
			} else {
				item.Used = item.Used.Add(m.Tokens)
			}
		}
	}
	items := make([]StatementItem, 0, len(by))
	for _, item := range by {
		items = append(items, *item)
	}
	slices.SortFunc(items, func(a, b StatementItem) int {
		return cmp.Or(cmp.Compare(a.Item, b.Item), cmp.Compare(a.Version, b.Version))
	})
	return items
}

func (w *lineWalk) money(l *StatementLine) []StatementMoney {
	recognised := map[string]token.Amount{}
	for _, moved := range w.moved[1:] {
		for i := range moved {
			for currency, amount := range moved[i].Money {
				recognised[currency] = recognised[currency].Add(amount)
			}
		}
	}
	price, now := l.Terms.UnitPrice, l.Terms.Currency
	if !price.IsZero() {
		recognised[now] = recognised[now].Add(token.Amount{})
	}
	var all []StatementMoney
	for _, currency := range slices.Sorted(maps.Keys(recognised)) {
		m := StatementMoney{Currency: currency, Recognised: recognised[currency]}
		if currency == now && !price.IsZero() {
			if l.Closing.Sign() > 0 {
				m.Deferred = token.MulHalfEven(l.Closing, price)
			}
			m.Breakage, m.Overdraft = token.MulHalfEven(l.Expired, price), token.MulHalfEven(l.OverdraftToBill, price)
		}
		all = append(all, m)
	}
	return all
}
