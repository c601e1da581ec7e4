package usage

import (
	"cmp"
	"maps"
	"slices"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/token"
)

// LineKey names a line item in a statement. An activationId that was never charged may have moved on to another instance.
type LineKey struct {
	InstanceID, ActivationID string
}

// Told is how a line item was told to be from a time on; with Deleted, it was deleted or removed.
type Told struct {
	TimeMS int64
	Terms  ledger.LineItem
}

// MovedKey is what the tokens of a statement are added up by.
type MovedKey struct {
	LineKey
	Cut         int   // which of the times between Cuts
	AllowanceMS int64 // when the allowance began that paid; 0 of a line item that does not recur
	ItemKey     ledger.ItemKey
	Refund      bool
}

// Moved is what was moved: tokens taken, or given back, both positive, and what they were sold for by currency.
type Moved struct {
	Tokens token.Amount
	Money  map[string]token.Amount // negative of refunds
	LastMS int64                   // when the allowance began that the books counted last; later than AllowanceMS after late refunds
}

// Statement says what became of the line items of some instances in a time. Closing = opening + purchased + granted - used +
// refunded - expired - withdrawn, of every line and of every sum of lines.
type Statement struct {
	FromMS, ToMS int64
	Lines        []StatementLine // by instance and activationId; those with nothing to say are left out
}

// Flows are what came and went, in tokens. Balances are signed: below 0 they are overdraft.
type Flows struct {
	Opening   token.Amount `json:"opening"`
	Purchased token.Amount `json:"purchased"` // new line items, raised quantities, and what a change brought back
	Granted   token.Amount `json:"granted"`   // by allowances that began anew
	Used      token.Amount `json:"used"`
	Refunded  token.Amount `json:"refunded"`
	Expired   token.Amount `json:"expired"`   // with the end of a line item or of an allowance
	Withdrawn token.Amount `json:"withdrawn"` // by a deletion, a lowered quantity or another change
	Closing   token.Amount `json:"closing"`

	OverdraftEnded  token.Amount `json:"overdraftEnded"`  // of allowances that began anew, which is forgiven in the balance but not in the bill
	OverdraftToBill token.Amount `json:"overdraftToBill"` // closing overdraft - opening overdraft + OverdraftEnded
}

// StatementLine is one line item's part.
type StatementLine struct {
	LineKey
	Terms ledger.LineItem // as it was last told to be
	Flows
	Items []StatementItem
	Money []StatementMoney // by currency
}

// StatementItem is what one item came to.
type StatementItem struct {
	ledger.ItemKey
	Used, Refunded token.Amount
}

// StatementMoney is what tokens were sold for, as far as that was told.
type StatementMoney struct {
	Currency   string       `json:"currency"`
	Recognised token.Amount `json:"recognised"` // what was used, less refunds, at the price at its time
	Deferred   token.Amount `json:"deferred"`   // the closing balance, if it is positive, at the last price
	Breakage   token.Amount `json:"breakage"`   // what expired, at the last price
	Overdraft  token.Amount `json:"overdraft"`  // the overdraft to bill, at the last price
}

// Add adds what came and went elsewhere.
func (f *Flows) Add(g *Flows) {
	f.Opening, f.Purchased, f.Granted = f.Opening.Add(g.Opening), f.Purchased.Add(g.Purchased), f.Granted.Add(g.Granted)
	f.Used, f.Refunded, f.Expired = f.Used.Add(g.Used), f.Refunded.Add(g.Refunded), f.Expired.Add(g.Expired)
	f.Withdrawn, f.Closing = f.Withdrawn.Add(g.Withdrawn), f.Closing.Add(g.Closing)
	f.OverdraftEnded, f.OverdraftToBill = f.OverdraftEnded.Add(g.OverdraftEnded), f.OverdraftToBill.Add(g.OverdraftToBill)
}

// Add adds money of the same currency.
func (m *StatementMoney) Add(n *StatementMoney) {
	m.Recognised, m.Deferred, m.Breakage = m.Recognised.Add(n.Recognised), m.Deferred.Add(n.Deferred), m.Breakage.Add(n.Breakage)
	m.Overdraft = m.Overdraft.Add(n.Overdraft)
}

// Cuts returns the times at which a statement has to know what was used up to then, the first being its beginning: what was moved at Cuts[i]
// and later, before Cuts[i+1], is of the Cut i+1, and what was moved before the statement of the Cut 0.
func Cuts(told []Told, fromMS, toMS int64) []int64 {
	at := map[int64]bool{fromMS: true}
	add := func(ms int64) {
		if ms > fromMS && ms < toMS {
			at[ms] = true
		}
	}
	last := map[LineKey]*ledger.LineItem{}
	ends := func(l *ledger.LineItem, sinceMS, untilMS int64) {
		add(l.EndMS)
		for ms := max(sinceMS, fromMS); l.Recurs != "" && ms < min(untilMS, l.EndMS); {
			_, ms = l.Recurs.Around(l.StartMS, max(ms, l.StartMS))
			if ms < l.EndMS {
				add(ms)
			}
		}
	}
	since := map[LineKey]int64{}
	for i := range told {
		key := told[i].key()
		add(told[i].TimeMS)
		if before := last[key]; before != nil {
			ends(before, since[key], min(told[i].TimeMS, toMS))
		}
		last[key], since[key] = &told[i].Terms, told[i].TimeMS
	}
	for key, l := range last {
		ends(l, since[key], toMS)
	}
	return slices.Sorted(maps.Keys(at))
}

func (t *Told) key() LineKey { return LineKey{t.Terms.InstanceID, t.Terms.ActivationID} }

// NewStatement makes a statement of what line items were told to be, in the order in which they were told, and of what was moved between Cuts.
func NewStatement(told []Told, moved map[MovedKey]Moved, fromMS, toMS int64) *Statement {
	cuts := Cuts(told, fromMS, toMS)
	lines := map[LineKey]*lineWalk{}
	walk := func(key LineKey) *lineWalk {
		if lines[key] == nil {
			lines[key] = &lineWalk{used: map[int64]token.Amount{}, moved: make([][]movement, len(cuts)+1)}
		}
		return lines[key]
	}
	for i := range told {
		w := walk(told[i].key())
		w.told = append(w.told, told[i])
	}
	for key, m := range moved {
		w := walk(key.LineKey)
		w.moved[key.Cut] = append(w.moved[key.Cut], movement{key, m})
	}
	s := &Statement{FromMS: fromMS, ToMS: toMS}
	for key, w := range lines {
		if line := w.line(key, cuts); line.says() {
			s.Lines = append(s.Lines, *line)
		}
	}
	slices.SortFunc(s.Lines, func(a, b StatementLine) int {
		return cmp.Or(cmp.Compare(a.InstanceID, b.InstanceID), cmp.Compare(a.ActivationID, b.ActivationID))
	})
	return s
}

// says reports whether there is anything to say of a line item.
func (l *StatementLine) says() bool {
	f := &l.Flows
	for _, a := range [...]token.Amount{f.Opening, f.Purchased, f.Granted, f.Used, f.Refunded, f.Expired, f.Withdrawn, f.Closing} {
		if !a.IsZero() {
			return true
		}
	}
	return len(l.Items) > 0
}

// Total is what lines of one kind come to.
type Total struct {
	Flows
	Money []StatementMoney // by currency
}

// Sum adds up lines of a kind; the empty one is all of them, without money: what was given is no revenue.
func Sum(lines []StatementLine, kind ledger.Kind) (sum Total) {
	by := map[string]*StatementMoney{}
	for i := range lines {
		l := &lines[i]
		if kind != "" && kind != l.Terms.Kind {
			continue
		}
		sum.Add(&l.Flows)
		for j := range l.Money {
			m := &l.Money[j]
			if by[m.Currency] == nil {
				by[m.Currency] = &StatementMoney{Currency: m.Currency}
			}
			by[m.Currency].Add(m)
		}
	}
	for _, currency := range slices.Sorted(maps.Keys(by)) {
		if kind != "" {
			sum.Money = append(sum.Money, *by[currency])
		}
	}
	return sum
}
