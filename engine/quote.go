package engine

import (
	"context"
	"time"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// Quote is what a request would come to now.
type Quote struct {
	Receipt *usage.Receipt         // as it would be, but for its id
	Prices  []*token.Amount        // of one of each item, at the line item that is asked first; nil: nothing prices it
	Paces   map[int64]*Pace        // of the line items that would pay, by number; nil: nothing was used
	Held    map[int64]token.Amount // of the same line items
}

// Pace is how fast a line item is used, and how long its balance lasts after the request at that.
type Pace struct {
	TokensPerDay token.Amount
	LastsUntilMS int64 // at most the end of the year 9999
}

// Quote decides a request as a charge would, and takes nothing. It fails with a problem NotFound: there is no such instance.
func (e *Engine) Quote(ctx context.Context, instanceID string, request *access.Request) (q *Quote, err error) {
	prices := pricesAt(e.store.Settings(), e.Now())
	err = e.View(ctx, func(r store.Reader) error {
		q, err = quote(r, prices, instanceID, request)
		return err
	})
	return q, err
}

func quote(r store.Reader, prices *ledger.Prices, instanceID string, request *access.Request) (*Quote, error) {
	book, err := bookOf(r, instanceID, prices.NowMS)
	if err != nil {
		return nil, err
	}
	standing, err := r.Standing(request.Requester.Key(instanceID))
	if err != nil {
		return nil, err
	}
	before := book.Clone()
	before.At(prices.NowMS)
	q := &Quote{Prices: make([]*token.Amount, len(request.Items))}
	for i := range request.Items {
		q.Prices[i] = priceOf(before, prices, &request.Items[i].Ask)
	}
	outcomes := access.Decide(book, prices, standing, request)
	q.Receipt = usage.NewReceipt("", prices.NowMS, book, request, outcomes)
	q.Held = map[int64]token.Amount{}
	for number := range payers(q.Receipt) {
		q.Held[number] = book.ByNumber(number).Held
	}
	q.Paces, err = paces(r, book, before, q.Receipt)
	return q, err
}

// pricesAt is what is decided by at a time, besides books.
func pricesAt(s *store.Settings, nowMS int64) *ledger.Prices {
	return &ledger.Prices{Catalog: s.Rates, NowMS: nowMS, Tolerant: configured(s, TimezoneTolerant) == "true"}
}

// bookOf reads the book of an instance, as a batch would load it at a time. It fails with a problem NotFound.
func bookOf(r store.Reader, instanceID string, nowMS int64) (*ledger.Book, error) {
	instance, err := r.Instance(instanceID)
	if err == nil && instance == nil {
		err = NoInstance(instanceID)
	}
	if err != nil {
		return nil, err
	}
	book := &ledger.Book{InstanceID: instanceID, AccountID: instance.AccountID}
	if book.LineItems, err = r.LineItems(instanceID); err != nil {
		return nil, err
	}
	conditions, err := r.Conditions(instanceID)
	if err != nil {
		return nil, err
	}
	book.Conditions = make(map[string]*ledger.Condition, len(conditions))
	for _, c := range conditions {
		book.Conditions[c.ID] = c
	}
	book.Sort()
	held, err := r.Held(instanceID, nowMS)
	for _, h := range held {
		book.Keep(h)
	}
	book.HoldsAt(nowMS)
	return book, err
}

// priceOf returns what one of an item costs at the first line item that prices it, whether or not it can be paid.
func priceOf(book *ledger.Book, prices *ledger.Prices, ask *ledger.Ask) *token.Amount {
	for _, l := range book.LineItems {
		if !l.Usable(prices.NowMS, prices.Tolerant) {
			continue
		}
		if item := prices.Catalog.Effective(l.Series, prices.NowMS).Item(ask.Item, ask.Version); item != nil {
			if price, err := item.Price(ask.Variables); err == nil {
				return &price
			}
		}
	}
	return nil
}

// What a pace is taken from: events of the last days, and of those no more receipts than can be looked at while somebody waits.
const (
	paceSpan  = 7 * 24 * time.Hour
	paceLeast = time.Hour // a line item that is younger counts as being that old
	paceLooks = 20_000
)

// paces finds how fast the line items that would pay are used. Events state the use after them: all that was used since a
// time is found by the first event after it.
func paces(r store.Reader, book, before *ledger.Book, quoted *usage.Receipt) (map[int64]*Pace, error) {
	paying := payers(quoted)
	if len(paying) == 0 {
		return nil, nil
	}
	sinceMS := quoted.TimeMS - paceSpan.Milliseconds()
	was := map[int64]token.Amount{} // the use at sinceMS, or when the allowance began
	for _, l := range before.LineItems {
		if paying[l.Number] && l.ResetMS > sinceMS {
			was[l.Number] = token.Amount{}
		}
	}
	if err := firstUses(r, before, paying, sinceMS, was); err != nil {
		return nil, err
	}
	found := map[int64]*Pace{}
	for _, l := range before.LineItems {
		if at, known := was[l.Number]; known {
			found[l.Number] = newPace(l.Used.Sub(at), book.ByNumber(l.Number), max(sinceMS, l.StartMS, l.ResetMS), quoted.TimeMS)
		}
	}
	return found, nil
}

func payers(r *usage.Receipt) map[int64]bool {
	paying := map[int64]bool{}
	for i := range r.Items {
		for j := range r.Items[i].Slices {
			paying[r.Items[i].Slices[j].Number] = true
		}
	}
	return paying
}

// firstUses adds the use that paying line items had before their first event since a time. One without such an event is left
// out, and so is one that is so rarely used that a bounded look does not find it.
func firstUses(r store.Reader, before *ledger.Book, paying map[int64]bool, sinceMS int64, was map[int64]token.Amount) error {
	filter := &usage.Filter{InstanceIDs: []string{before.InstanceID}, FromMS: max(sinceMS, 0)}
	_, err := r.Receipts(usage.Position{}, filter, paceLooks, func(_ usage.Position, receipt *usage.Receipt) (bool, error) {
		if !filter.MatchReceipt(receipt.InstanceID, receipt.TimeMS) {
			return true, nil
		}
		look := func(s *usage.Slice, moved token.Amount) {
			l := before.ByNumber(s.Number)
			_, known := was[s.Number]
			if !known && paying[s.Number] && l != nil && s.ResetMS == l.ResetMS && s.UsedResetMS == 0 {
				was[s.Number] = s.Used.Sub(moved)
			}
		}
		for i := range receipt.Refunds {
			for j := range receipt.Refunds[i].Slices {
				s := &receipt.Refunds[i].Slices[j]
				look(s, s.Tokens.Neg())
			}
		}
		for i := range receipt.Items {
			for j := range receipt.Items[i].Slices {
				s := &receipt.Items[i].Slices[j]
				look(s, s.Tokens)
			}
		}
		return len(was) < len(paying), nil
	})
	return err
}

// newPace returns nil when nothing was used.
func newPace(used token.Amount, after *ledger.LineItem, sinceMS, nowMS int64) *Pace {
	if used.Sign() <= 0 {
		return nil
	}
	span := max(nowMS-sinceMS, paceLeast.Milliseconds())
	p := &Pace{TokensPerDay: token.MulDivHalfEven(used, token.FromInt((24 * time.Hour).Milliseconds()), token.FromInt(span))}
	lasts := token.DivDown(token.MulHalfEven(after.Balance(), token.FromInt(span)), used) // in milliseconds
	p.LastsUntilMS = period.LatestMS
	if ms, ok := lasts.Whole(); ok && ms < period.LatestMS-nowMS {
		p.LastsUntilMS = nowMS + ms
	}
	return p
}
