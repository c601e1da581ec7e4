// Package ledger decides who pays, and whether it may be spent: line items, their order, the split of a charge and the
// overdraft. It is pure: books and prices come in, an outcome goes out.
package ledger

import (
	"cmp"
	"reflect"
	"slices"
	"strings"

	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/token"
)

// State is what a line item is fit for.
type State string

// The states of a line item.
const (
	Deployed State = "DEPLOYED" // may be charged
	Inactive State = "INACTIVE" // may not be charged now
	Obsolete State = "OBSOLETE" // may never be charged again
)

// OverdraftType says how far a line item may be charged past its quantity.
type OverdraftType string

// The types of overdraft; the empty one is none.
const (
	NoOverdraft        OverdraftType = ""
	NumberOverdraft    OverdraftType = "Number"    // by OverdraftLimit tokens
	UnlimitedOverdraft OverdraftType = "Unlimited" // without end
)

// Kind tells sold tokens from given ones, which are reported apart (decisions.md D27).
type Kind string

// The kinds of line item.
const (
	Paid Kind = "PAID"
	Free Kind = "FREE"
)

// LineItem is a purchase of tokens. All fields but Used and Deleted are the producer's.
type LineItem struct {
	ActivationID   string
	InstanceID     string
	State          State
	Quantity       int64 // tokens bought, at least 1
	StartMS        int64 // usable from then on ...
	EndMS          int64 // ... until before then
	Elastic        bool  // only elastic line items are charged
	Series         string
	Overdraft      OverdraftType
	OverdraftLimit int64        // tokens, with NumberOverdraft only
	Priority       int64        // lower is drawn first
	Kind           Kind         // Paid unless told otherwise
	UnitPrice      token.Amount // what one token was sold for, in Currency; 0 when not told
	Currency       string       // ISO 4217, or empty

	// Recurs is how often a recurring allowance begins anew, counted from StartMS; empty: the quantity is there once.
	Recurs period.Frequency
	// BegunMS is when the allowance began that ran when Recurs, StartMS or EndMS were told to be otherwise: an earlier one does not come back by that.
	// 0: none did.
	BegunMS int64
	Actions []Action // rules of access, in order; none: all may use it
	Limit   *Limit   // for every single requester; nil: none

	Used    token.Amount // charges - refunds of its events; of a recurring one, since ResetMS
	ResetMS int64        // when the allowance began that Used is of; 0: none was begun
	Held    token.Amount // by live holds, as of its book's HoldsAt; of a recurring one, of the allowance that Used is of
	Deleted bool         // kept for its events only
	Number  int64        // the store's name for it

	allowance, limited period.Memo // the periods that were looked at last, of Recurs and Limit
	ahead              ahead
}

// Validate checks what the producer sets; its problems name fields as the JSON document has them.
func (l *LineItem) Validate() []*problem.Error {
	var all []*problem.Error
	refuse := func(field, format string, args ...any) {
		all = append(all, problem.Field(field, format, args...))
	}
	if why := problem.Unnamed(l.ActivationID); why != "" {
		refuse("activationId", "%s", why)
	}
	if l.State != Deployed && l.State != Inactive && l.State != Obsolete {
		refuse("state", "must be DEPLOYED, INACTIVE or OBSOLETE")
	}
	if l.Quantity < 1 {
		refuse("quantity", "must be at least 1")
	}
	if l.StartMS < 0 || l.StartMS > period.LatestMS {
		refuse("start", "must be milliseconds since 1970, from 0 to %d", period.LatestMS)
	}
	if l.EndMS < 0 || l.EndMS > period.LatestMS {
		refuse("end", "must be milliseconds since 1970, from 0 to %d", period.LatestMS)
	} else if l.EndMS <= l.StartMS {
		refuse("end", "must be after start")
	}
	if why := problem.Misnamed(l.Series); why != "" {
		refuse("attributes.rateTableSeries", "%s", why)
	}
	if l.Overdraft != NoOverdraft && l.Overdraft != NumberOverdraft && l.Overdraft != UnlimitedOverdraft {
		refuse("attributes.overdraftType", "must be Number or Unlimited")
	}
	if l.OverdraftLimit < 0 {
		refuse("attributes.overdraftLimit", "must not be negative")
	}
	if l.Kind != Paid && l.Kind != Free {
		refuse("attributes.kind", "must be PAID or FREE")
	}
	if l.Recurs != "" && !slices.Contains(period.Frequencies, l.Recurs) {
		refuse("attributes.resetFrequency", "must be DAY, WEEK, MONTH, QUARTER or YEAR")
	}
	if l.UnitPrice.Sign() < 0 {
		refuse("attributes.unitPrice", "must not be negative")
	}
	if l.Currency != "" && !currency(l.Currency) {
		refuse("attributes.currency", "must be three capital letters, such as EUR")
	}
	if !l.UnitPrice.IsZero() && l.Currency == "" {
		refuse("attributes.currency", "is required with unitPrice")
	}
	return all
}

func currency(s string) bool {
	return len(s) == 3 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// Terms returns a line item as the producer told it to be, without its use, actions and limit.
func (l *LineItem) Terms() LineItem {
	terms := *l
	terms.Actions, terms.Limit, terms.Used, terms.Held, terms.ResetMS = nil, nil, token.Amount{}, token.Amount{}, 0
	terms.allowance, terms.limited, terms.ahead = period.Memo{}, period.Memo{}, ahead{}
	return terms
}

// SameTerms reports whether two line items were told to be the same.
func (l *LineItem) SameTerms(other *LineItem) bool {
	a, b := l.Terms(), other.Terms()
	same := a.UnitPrice.Equal(b.UnitPrice)
	a.UnitPrice = b.UnitPrice
	return same && reflect.DeepEqual(a, b)
}

// Tolerance is how much earlier and later a line item is usable with the configuration timezone.tolerant.
const Tolerance = 12 * 60 * 60 * 1000 // milliseconds

// Usable reports whether a line item may be charged at a time: start <= now < end (decisions.md D6).
func (l *LineItem) Usable(nowMS int64, tolerant bool) bool {
	var margin int64
	if tolerant {
		margin = Tolerance
	}
	return l.State == Deployed && l.Elastic && !l.Deleted && l.StartMS-margin <= nowMS && nowMS < l.EndMS+margin
}

// NextMS returns when a line item next gives more or less than now for no other reason than the time: it starts or ends, or
// an allowance or a limit's period does. 0: never.
func (l *LineItem) NextMS(nowMS int64, tolerant bool) int64 {
	if l.State != Deployed || !l.Elastic || l.Deleted {
		return 0
	}
	start, end := l.StartMS, l.EndMS
	if tolerant {
		start, end = start-Tolerance, end+Tolerance
	}
	switch {
	case start > nowMS:
		return start
	case end <= nowMS:
		return 0
	}
	if l.Recurs != "" {
		if _, next := l.allowance.Around(l.Recurs, l.StartMS, max(nowMS, l.StartMS)); next < l.EndMS {
			end = min(end, next)
		}
	}
	if l.Limit != nil {
		_, next := l.limitAround(nowMS)
		end = min(end, next)
	}
	return end
}

// Clone returns a copy of a book to try things out on.
func (b *Book) Clone() *Book {
	items := make([]LineItem, len(b.LineItems))
	c := *b
	c.LineItems = make([]*LineItem, len(b.LineItems))
	for i, l := range b.LineItems {
		items[i] = *l
		items[i].Actions = slices.Clone(l.Actions)
		c.LineItems[i] = &items[i]
	}
	return &c
}

// Restore brings a book back to how a clone of it was.
func (b *Book) Restore(was *Book) {
	for _, l := range was.LineItems {
		restored := b.mustHave(l.Number)
		*restored = *l
		restored.Actions = slices.Clone(l.Actions)
	}
	b.Sort()
}

// Balance returns what is left of the quantity, and is not held; never negative.
func (l *LineItem) Balance() token.Amount {
	left := token.FromInt(l.Quantity).Sub(l.Used).Sub(l.Held)
	if left.Sign() < 0 {
		return token.Amount{}
	}
	return left
}

// OverdraftUsed returns how far a line item is charged past its quantity; never negative.
func (l *LineItem) OverdraftUsed() token.Amount {
	past := l.Used.Sub(token.FromInt(l.Quantity))
	if past.Sign() < 0 {
		return token.Amount{}
	}
	return past
}

// OverdraftLeft returns what may be charged past the quantity once the balance is gone. What is held of it may not.
func (l *LineItem) OverdraftLeft() token.Amount {
	if l.Overdraft == NoOverdraft {
		return token.Amount{}
	}
	taken := l.Used.Add(l.Held)
	left := token.Max.Sub(taken).Sub(l.Balance())
	if l.Overdraft == NumberOverdraft {
		if past := taken.Sub(token.FromInt(l.Quantity)); past.Sign() > 0 {
			left = token.Min(left, token.FromInt(l.OverdraftLimit).Sub(past))
		} else {
			left = token.Min(left, token.FromInt(l.OverdraftLimit))
		}
	}
	if left.Sign() < 0 {
		return token.Amount{}
	}
	return left
}

// Book is an instance with its line items in the order in which they are drawn.
type Book struct {
	InstanceID string
	AccountID  string
	LineItems  []*LineItem
	Conditions map[string]*Condition // by id

	// HeldSinceMS is from when on the book knows its holds: one that was live before then may be missing.
	HeldSinceMS int64

	recurring bool   // some line items are
	ruled     bool   // some line items have actions or a limit
	holds     *holds // nil: none
}

// Sort puts the line items in the order in which they are drawn: priority, earliest end, earliest start, then
// activationId in byte order (decisions.md D4). It has to be called when line items have changed.
func (b *Book) Sort() {
	b.recurring, b.ruled = false, false
	for _, l := range b.LineItems {
		b.recurring = b.recurring || l.Recurs != "" || l.BegunMS > 0
		b.ruled = b.ruled || len(l.Actions) > 0 || l.Limit != nil
	}
	slices.SortFunc(b.LineItems, order)
}

// Find returns a line item of a book that is not deleted; nil if there is none of that name.
func (b *Book) Find(activationID string) *LineItem {
	for _, l := range b.LineItems {
		if l.ActivationID == activationID && !l.Deleted {
			return l
		}
	}
	return nil
}

// ByNumber returns a line item of a book, deleted or not; nil if the book does not have it, as one that shows some only.
func (b *Book) ByNumber(number int64) *LineItem {
	for _, l := range b.LineItems {
		if l.Number == number {
			return l
		}
	}
	return nil
}

// Ruled reports whether some line item asks who draws on it.
func (b *Book) Ruled() bool { return b.ruled }

func order(x, y *LineItem) int {
	return cmp.Or(cmp.Compare(x.Priority, y.Priority), cmp.Compare(x.ends(), y.ends()), cmp.Compare(x.StartMS, y.StartMS),
		cmp.Compare(x.ActivationID, y.ActivationID))
}

// Replace checks what a PUT makes of a line item: the state rules of the reference and D26. Nil old means a new one.
// It returns the line item to keep: next with the use and number of old, since used never changes by PUT (D25).
func Replace(old *LineItem, next LineItem, nowMS int64) (LineItem, error) {
	if old == nil || old.Deleted {
		if next.State != Deployed {
			return LineItem{}, problem.Field("state", "a new line item must be DEPLOYED; %s can be set later", next.State)
		}
	}
	if old == nil {
		return next, nil
	}
	switch {
	case old.InstanceID != next.InstanceID:
		return LineItem{}, problem.New(problem.Conflict, "activationId %q belongs to another instance", next.ActivationID)
	case old.State == Obsolete && next.State != Obsolete && !old.Deleted:
		return LineItem{}, problem.New(problem.Conflict, "line item %q is OBSOLETE for good; it cannot become %s", next.ActivationID, next.State)
	}
	next.Used, next.ResetMS, next.Number, next.Actions, next.Limit = old.Used, old.ResetMS, old.Number, old.Actions, old.Limit
	next.BegunMS = old.BegunMS
	if next.Recurs != old.Recurs || next.StartMS != old.StartMS || next.EndMS != old.EndMS {
		next.BegunMS = old.running(nowMS)
	}
	return next, nil
}
