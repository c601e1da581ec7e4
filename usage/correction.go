package usage

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/token"
)

// Correction says that an administrator made a receipt, and why: a refund of an earlier charge, or an adjustment of a line item.
type Correction struct {
	Of     string `json:"of,omitzero"`     // the correlation id of the charge whose tokens go back; empty of an adjustment
	Places []int  `json:"places,omitzero"` // of a refund: whose item each of Refunds is, by its place in that charge
	By     string `json:"by"`              // the id of the key whose token asked for it
	Reason string `json:"reason,omitzero"`
}

// GivenBack is what one refund gave back of a charge. It follows from the refund's receipt.
type GivenBack struct {
	Of            string     `json:"-"` // the correlation id of the charge
	CorrelationID string     `json:"-"` // of the refund
	TimeMS        int64      `json:"time"`
	By            string     `json:"by"`
	Reason        string     `json:"reason,omitzero"`
	Items         []ItemBack `json:"items"`
}

// ItemBack is a part of one item of a charge.
type ItemBack struct {
	Place  int          `json:"place"` // of the item in the charge, from 0
	Tokens token.Amount `json:"tokens"`
}

// GivesBack returns what a receipt gives back of an earlier charge; nil if it is not a refund by an administrator.
func (r *Receipt) GivesBack() *GivenBack {
	if r.Correction == nil || r.Correction.Of == "" {
		return nil
	}
	g := &GivenBack{
		Of: r.Correction.Of, CorrelationID: r.CorrelationID, TimeMS: r.TimeMS, By: r.Correction.By, Reason: r.Correction.Reason,
		Items: make([]ItemBack, len(r.Refunds)),
	}
	for i := range r.Refunds {
		g.Items[i] = ItemBack{r.Correction.Places[i], r.Refunds[i].Tokens}
	}
	return g
}

// Equal reports whether two are of the same refund and the same in all.
func (g *GivenBack) Equal(other GivenBack) bool {
	return g.Of == other.Of && g.CorrelationID == other.CorrelationID && g.TimeMS == other.TimeMS && g.By == other.By && g.Reason == other.Reason &&
		slices.EqualFunc(g.Items, other.Items, func(a, b ItemBack) bool { return a.Place == b.Place && a.Tokens.Equal(b.Tokens) })
}

// TokensBack adds up what was given back of one item of a charge.
func TokensBack(given []GivenBack, place int) (sum token.Amount) {
	for i := range given {
		for _, item := range given[i].Items {
			if item.Place == place {
				sum = sum.Add(item.Tokens)
			}
		}
	}
	return sum
}

// BackOf reports which tokens of a charge a refund is asked to give back.
type BackOf struct {
	Place  int           // of the item in the charge, from 0
	Tokens *token.Amount // more than 0; nil: by Count
	Count  *token.Amount // more than 0; nil, and no Tokens: all that is left
}

// Back works out what a refund gives back of a charge, of which some was given back before. Without parts it is all that is left. It fails with
// a problem: Invalid where the parts say what cannot be, Conflict where less is left than they ask for.
func (r *Receipt) Back(given []GivenBack, parts []BackOf) ([]ItemBack, error) {
	if len(parts) == 0 {
		return r.rest(given)
	}
	if len(parts) > access.ItemsMost {
		return nil, problem.Field("items", "are %d, at most %d are possible", len(parts), access.ItemsMost)
	}
	all := make([]ItemBack, len(parts))
	for i, p := range parts {
		if p.Place < 0 || p.Place >= len(r.Items) {
			return nil, problem.Field(PartField(i, "place"), "must be that of one of the %d items of the charge, from 0", len(r.Items))
		}
		if slices.ContainsFunc(parts[:i], func(q BackOf) bool { return q.Place == p.Place }) {
			return nil, problem.Field(PartField(i, "place"), "is there twice")
		}
		item := &r.Items[p.Place]
		left := item.Tokens.Sub(TokensBack(given, p.Place))
		tokens, err := p.of(i, item, left)
		if err != nil {
			return nil, err
		}
		all[i] = ItemBack{p.Place, tokens}
	}
	slices.SortFunc(all, func(a, b ItemBack) int { return cmp.Compare(a.Place, b.Place) })
	return all, nil
}

func (r *Receipt) rest(given []GivenBack) (all []ItemBack, err error) {
	for i := range r.Items {
		if left := r.Items[i].Tokens.Sub(TokensBack(given, i)); left.Sign() > 0 {
			all = append(all, ItemBack{i, left})
		}
	}
	if len(all) == 0 && len(given) > 0 {
		return nil, problem.New(problem.Conflict, "all of this charge was refunded before")
	}
	if len(all) == 0 {
		return nil, problem.New(problem.Conflict, "this request took no tokens, so there is nothing to refund")
	}
	return all, nil
}

func (p *BackOf) of(i int, item *Item, left token.Amount) (token.Amount, error) {
	if p.Tokens != nil && p.Count != nil {
		return token.Amount{}, problem.Field(PartField(i, "count"), "must be left out beside tokens")
	}
	field, tokens, said := PartField(i, "place"), left, cmp.Or(p.Tokens, p.Count)
	switch {
	case p.Tokens != nil:
		field, tokens = PartField(i, "tokens"), *p.Tokens
	case p.Count != nil:
		field = PartField(i, "count")
	}
	if said != nil && said.Sign() <= 0 {
		return token.Amount{}, problem.Field(field, "must be more than 0")
	}
	if p.Count != nil {
		if item.Count.Less(*p.Count) {
			return token.Amount{}, problem.New(problem.Conflict, "%s: %s of %s are more than the %s that were charged", field, p.Count, item.Item, item.Count)
		}
		tokens = token.MulDivHalfEven(item.Tokens, *p.Count, item.Count)
	}
	switch {
	case left.Less(tokens), left.Sign() <= 0:
		return token.Amount{}, problem.New(problem.Conflict, "%s: %s of the %s tokens of %s can still be refunded", field, left, item.Tokens, item.Item)
	case tokens.IsZero():
		return token.Amount{}, problem.Field(field, "comes to no tokens, rounded to %d digits", token.FractionDigits)
	}
	return tokens, nil
}

// Shares returns what line items of a book paid for an item, in the order in which it was drawn; see ledger.Shares. Where
// the overdrafts of several paid, their order is the one that the line items have now.
func (i *Item) Shares(book *ledger.Book) []ledger.Share {
	var all []ledger.Share
	add := func(s *Slice, overdraft bool) {
		if share := s.share(overdraft); !share.Tokens.IsZero() {
			all = append(all, share)
		}
	}
	for j := range i.Slices { // the first draw of each that has a balance was on that
		add(&i.Slices[j], false)
	}
	for _, l := range book.LineItems {
		for j := range i.Slices {
			if s := &i.Slices[j]; s.Number == l.Number {
				add(s, true)
			}
		}
	}
	return all
}

func (s *Slice) share(overdraft bool) ledger.Share {
	share := ledger.Share{
		Number: s.Number, Series: s.Series, Version: s.TableVersion, Rate: s.Rate, Tokens: s.Overdraft, Overdraft: overdraft, ResetMS: s.ResetMS,
	}
	if !overdraft {
		share.Tokens = s.Tokens.Sub(s.Overdraft)
	}
	if r := s.Ruled; r != nil {
		share.ActionID, share.Limited, share.SinceMS = r.ActionID, r.Limited, r.SinceMS
	}
	return share
}

// NewRefund records a refund of a charge, booked already and nothing else since: an outcome for each part that goes back.
func NewRefund(id string, nowMS int64, book *ledger.Book, charge *Receipt, back []ItemBack, outcomes []ledger.Outcome, why *Correction) *Receipt {
	r := newReceipt(id, nowMS, book, &access.Request{Requester: charge.Requester}, nil)
	why.Of, why.Places = charge.CorrelationID, make([]int, len(back))
	r.Correction, r.Refunds = why, make([]Item, len(back))
	for i, b := range back {
		item := &charge.Items[b.Place]
		asked := access.Item{Ask: ledger.Ask{Item: item.Item, Version: item.Version, Variables: item.Variables}, MetaData: item.MetaData}
		why.Places[i] = b.Place
		r.Refunds[i] = newItem(&asked, &outcomes[i], nil)
		r.Refunds[i].Count = refundedCount(&outcomes[i])
	}
	return r
}

// NewAdjustment records an adjustment of a line item, booked already and nothing else since.
func NewAdjustment(id string, nowMS int64, book *ledger.Book, outcome *ledger.Outcome, why *Correction) *Receipt {
	request := &access.Request{Requester: access.Requester{Type: AdministratorType, Value: why.By}, Items: make([]access.Item, 1)}
	r := newReceipt(id, nowMS, book, request, []ledger.Outcome{*outcome})
	r.Correction = why
	return r
}

// AdministratorType is the type of the requester of adjustments; its value is the id of a key.
const AdministratorType = "ADMINISTRATOR"

// PartField names a field of a part of a refund, as people write it.
func PartField(i int, name string) string { return "items[" + strconv.Itoa(i) + "]." + name }
