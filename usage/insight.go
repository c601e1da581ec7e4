package usage

import (
	"cmp"
	"maps"
	"slices"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/token"
)

// Table is what an insight answers: rows of cells, each a text, a whole number (int64, times among them) or an amount.
type Table struct {
	Columns []string
	Rows    [][]any
}

// InsightSpan is the time that an insight is about, and how it is cut, in UTC.
type InsightSpan struct {
	FromMS, ToMS int64
	Interval     Interval
}

// begin returns when the interval began that a time lies in.
func (s *InsightSpan) begin(ms int64) int64 {
	return (&Query{Interval: s.Interval}).spanOf(ms).fromMS
}

// Adoption finds who uses each item, interval by interval. It has to be given all events up to the end of its span, for what is
// new is what never was before.
type Adoption struct {
	Span  InsightSpan
	items map[ledger.ItemKey]*adopted
}

type adopted struct {
	firstMS  int64
	accounts map[string]int64 // when each used it first
	buckets  map[int64]*adoptedBucket
}

type adoptedBucket struct {
	accounts   map[string]bool
	requesters map[ledger.RequesterKey]bool
	requests   int64
	tokens     token.Amount
}

// Add takes an event.
func (a *Adoption) Add(e *Event) {
	if e.Kind == Denial || e.UsageTimeMS >= a.Span.ToMS {
		return
	}
	key := ledger.ItemKey{Item: e.Item, Version: e.ItemVersion}
	if a.items == nil {
		a.items = map[ledger.ItemKey]*adopted{}
	}
	item := a.items[key]
	if item == nil {
		item = &adopted{firstMS: e.UsageTimeMS, accounts: map[string]int64{}, buckets: map[int64]*adoptedBucket{}}
		a.items[key] = item
	}
	item.firstMS = min(item.firstMS, e.UsageTimeMS)
	if first, known := item.accounts[e.AccountID]; !known || e.UsageTimeMS < first {
		item.accounts[e.AccountID] = e.UsageTimeMS
	}
	if e.UsageTimeMS >= a.Span.FromMS {
		item.add(a.Span.begin(e.UsageTimeMS), e)
	}
}

func (a *adopted) add(beginMS int64, e *Event) {
	b := a.buckets[beginMS]
	if b == nil {
		b = &adoptedBucket{accounts: map[string]bool{}, requesters: map[ledger.RequesterKey]bool{}}
		a.buckets[beginMS] = b
	}
	if e.Kind != Refund { // a refund is no use
		b.accounts[e.AccountID] = true
		b.requesters[e.Requester.Key(e.InstanceID)] = true
	}
	if e.Kind == Charge { // a session's next periods were not asked for
		b.requests += int64(e.Requests)
	}
	b.tokens = b.tokens.Add(e.Tokens)
}

// Table lists items and intervals with use, by name, version and time.
func (a *Adoption) Table() *Table {
	t := &Table{Columns: []string{"item", "version", "firstUse", "interval", "accounts", "newAccounts", "requesters", "requests", "tokens"}}
	for _, key := range slices.SortedFunc(maps.Keys(a.items), compareItems) {
		item := a.items[key]
		for _, begin := range slices.Sorted(maps.Keys(item.buckets)) {
			b, fresh := item.buckets[begin], int64(0)
			for account := range b.accounts {
				if first := item.accounts[account]; first >= a.Span.FromMS && a.Span.begin(first) == begin {
					fresh++
				}
			}
			t.Rows = append(t.Rows, []any{key.Item, key.Version, item.firstMS, begin, int64(len(b.accounts)), fresh, int64(len(b.requesters)), b.requests, b.tokens})
		}
	}
	return t
}

func compareItems(a, b ledger.ItemKey) int {
	return cmp.Or(cmp.Compare(a.Item, b.Item), cmp.Compare(a.Version, b.Version))
}

// Growth compares what accounts used now and before, and lists them by change, the largest growth first or the largest decline.
func Growth(now, before map[string]token.Amount, decline bool) *Table {
	t := &Table{Columns: []string{"accountId", "tokens", "tokensBefore", "change", "percent"}}
	accounts := maps.Clone(before)
	maps.Copy(accounts, now)
	for account := range accounts {
		if now[account].IsZero() && before[account].IsZero() {
			continue // nothing but denials and what is free
		}
		change := now[account].Sub(before[account])
		percent := any("") // of nothing
		if before[account].Sign() > 0 {
			percent = token.MulDivHalfEven(change, token.FromInt(100), before[account])
		}
		t.Rows = append(t.Rows, []any{account, now[account], before[account], change, percent})
	}
	slices.SortFunc(t.Rows, func(a, b []any) int {
		order := b[3].(token.Amount).Cmp(a[3].(token.Amount))
		if decline {
			order = -order
		}
		return cmp.Or(order, cmp.Compare(a[0].(string), b[0].(string)))
	})
	return t
}

// TriedOnce finds items that accounts asked for once and never again. It has to be given all events.
type TriedOnce struct {
	BeforeMS int64 // accounts that first used an item later may still come back
	items    map[ledger.ItemKey]map[string]*tried
}

type tried struct {
	firstMS, requests int64
}

// Add takes an event. The charges of a session's next periods are no requests.
func (t *TriedOnce) Add(e *Event) {
	if e.Kind != Charge || e.Requests == 0 {
		return
	}
	if t.items == nil {
		t.items = map[ledger.ItemKey]map[string]*tried{}
	}
	key := ledger.ItemKey{Item: e.Item, Version: e.ItemVersion}
	if t.items[key] == nil {
		t.items[key] = map[string]*tried{}
	}
	one := t.items[key][e.AccountID]
	if one == nil {
		one = &tried{firstMS: e.UsageTimeMS}
		t.items[key][e.AccountID] = one
	}
	one.firstMS = min(one.firstMS, e.UsageTimeMS)
	one.requests += int64(e.Requests)
}

// Table lists items, those that most accounts tried once first; accounts that first used an item later are left out of both numbers.
func (t *TriedOnce) Table() *Table {
	out := &Table{Columns: []string{"item", "version", "accountsOnce", "accounts"}}
	for key, accounts := range t.items {
		var once, all int64
		for _, one := range accounts {
			if one.firstMS >= t.BeforeMS {
				continue
			}
			all++
			if one.requests == 1 {
				once++
			}
		}
		if once > 0 {
			out.Rows = append(out.Rows, []any{key.Item, key.Version, once, all})
		}
	}
	slices.SortFunc(out.Rows, func(a, b []any) int {
		return cmp.Or(cmp.Compare(b[2].(int64), a[2].(int64)), cmp.Compare(a[0].(string), b[0].(string)), cmp.Compare(a[1].(string), b[1].(string)))
	})
	return out
}

// Margin compares what the tokens of items were sold for with what the items cost.
type Margin struct {
	Span  InsightSpan
	Cost  func(*Event) *token.Amount // of one of an event's item; nil: not known
	items map[marginKey]*margin
}

type marginKey struct {
	ledger.ItemKey
	currency string
}

type margin struct {
	count, tokens, money, cost token.Amount
}

// Add takes an event.
func (m *Margin) Add(e *Event) {
	if e.Kind == Denial || e.UsageTimeMS < m.Span.FromMS || e.UsageTimeMS >= m.Span.ToMS {
		return
	}
	cost := m.Cost(e)
	if cost == nil {
		return
	}
	if m.items == nil {
		m.items = map[marginKey]*margin{}
	}
	key := marginKey{ledger.ItemKey{Item: e.Item, Version: e.ItemVersion}, e.Currency}
	if m.items[key] == nil {
		m.items[key] = &margin{}
	}
	one := m.items[key]
	one.count, one.tokens, one.money = one.count.Add(e.Count), one.tokens.Add(e.Tokens), one.money.Add(e.Money())
	one.cost = one.cost.Add(token.MulHalfEven(e.Count, *cost))
}

// Table lists items by name, version and currency.
func (m *Margin) Table() *Table {
	t := &Table{Columns: []string{"item", "version", "currency", "count", "tokens", "money", "cost", "margin"}}
	keys := slices.SortedFunc(maps.Keys(m.items), func(a, b marginKey) int {
		return cmp.Or(compareItems(a.ItemKey, b.ItemKey), cmp.Compare(a.currency, b.currency))
	})
	for _, key := range keys {
		one := m.items[key]
		t.Rows = append(t.Rows, []any{key.Item, key.Version, key.currency, one.count, one.tokens, one.money, one.cost, one.money.Sub(one.cost)})
	}
	return t
}
