package engine

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
)

// Pack is what a vendor sells: a template for line items. Its JSON is the same on the wire, in files and in the books.
type Pack struct {
	Name             string           `json:"name"`
	Quantity         int64            `json:"quantity"`           // tokens of one pack
	Period           string           `json:"period,omitzero"`    // how long it is good for; empty: the sale says when it ends
	Series           string           `json:"series,omitzero"`    // of the rate tables
	Kind             ledger.Kind      `json:"kind,omitzero"`      // PAID unless told otherwise
	UnitPrice        token.Amount     `json:"unitPrice,omitzero"` // of one token
	Currency         string           `json:"currency,omitzero"`  // of unitPrice
	Priority         int64            `json:"priority,omitzero"`  // lower is drawn first
	ResetFrequency   period.Frequency `json:"resetFrequency,omitzero"`
	OverdraftType    string           `json:"overdraftType,omitzero"`    // one of PackOverdrafts
	OverdraftLimit   int64            `json:"overdraftLimit,omitzero"`   // of one pack, with NUMBER
	OverdraftPercent token.Amount     `json:"overdraftPercent,omitzero"` // of what is sold, with PERCENT
	Created          int64            `json:"created,omitzero"`
	Modified         int64            `json:"modified,omitzero"`
}

// How far packs may be charged past their quantity.
const (
	OverdraftNone          = "NONE"
	OverdraftUnlimited     = "UNLIMITED"
	OverdraftNumber        = "NUMBER"          // by overdraftLimit tokens a pack
	OverdraftPercent       = "PERCENT"         // by overdraftPercent of what is sold
	OverdraftPercentAtSale = "PERCENT_AT_SALE" // by a percentage that every sale tells
)

// PackOverdrafts are all kinds of overdraft.
var PackOverdrafts = []string{OverdraftNone, OverdraftUnlimited, OverdraftNumber, OverdraftPercent, OverdraftPercentAtSale}

// Complete sets what a pack does not tell to its default, and checks it. The problem names a field.
func (p *Pack) Complete() error {
	p.Kind = cmp.Or(p.Kind, ledger.Paid)
	p.OverdraftType = cmp.Or(p.OverdraftType, OverdraftNone)
	if why := problem.Unnamed(p.Name); why != "" {
		return problem.Field("name", "%s", why)
	}
	if p.Period != "" {
		if _, err := period.Parse(p.Period); err != nil {
			return problem.Field("period", "%v", err)
		}
	}
	if err := p.validateOverdraft(); err != nil {
		return err
	}
	// What a line item would be refused for must not wait for the first sale.
	sample := p.template()
	sample.ActivationID, sample.Quantity, sample.EndMS = "sample", p.Quantity, 1
	for _, wrong := range sample.Validate() {
		return renamed(wrong)
	}
	return nil
}

// renamed names a line item's field as a pack or a sale has it.
func renamed(p *problem.Error) *problem.Error {
	field := strings.TrimPrefix(p.Field, "attributes.")
	if field == "rateTableSeries" {
		field = "series"
	}
	return problem.Field(field, "%s", p.Message)
}

func (p *Pack) validateOverdraft() error {
	switch p.OverdraftType {
	case OverdraftNone, OverdraftUnlimited, OverdraftNumber, OverdraftPercent, OverdraftPercentAtSale:
	default:
		return problem.Field("overdraftType", "must be NONE, UNLIMITED, NUMBER, PERCENT or PERCENT_AT_SALE")
	}
	switch number := p.OverdraftType == OverdraftNumber; {
	case number && p.OverdraftLimit < 1:
		return problem.Field("overdraftLimit", "must be at least 1 with overdraftType NUMBER: how many tokens")
	case !number && p.OverdraftLimit != 0:
		return problem.Field("overdraftLimit", "is for overdraftType NUMBER only, and that is %s", p.OverdraftType)
	}
	switch percent := p.OverdraftType == OverdraftPercent; {
	case percent && p.OverdraftPercent.Sign() <= 0:
		return problem.Field("overdraftPercent", "must be more than 0 with overdraftType PERCENT: how much of the quantity, such as 10")
	case !percent && !p.OverdraftPercent.IsZero():
		return problem.Field("overdraftPercent", "is for overdraftType PERCENT only, and that is %s; a percentage of PERCENT_AT_SALE comes with the sale",
			p.OverdraftType)
	case percent:
		_, err := percentOf(p.OverdraftPercent, p.Quantity)
		return err
	}
	return nil
}

// percentOf returns a percentage of a quantity in whole tokens, rounded down.
func percentOf(percent token.Amount, quantity int64) (int64, error) {
	share := token.DivDown(token.MulHalfEven(token.FromInt(quantity), percent), token.FromInt(100)) // the product is exact
	n, fits := share.Whole()
	if !fits {
		return 0, problem.Field("overdraftPercent", "%s percent of %d are too many tokens", percent, quantity)
	}
	return n, nil
}

// template returns what all line items of a pack have in common.
func (p *Pack) template() ledger.LineItem {
	l := ledger.LineItem{
		State: ledger.Deployed, Elastic: true, Series: p.Series, Priority: p.Priority, Kind: p.Kind, UnitPrice: p.UnitPrice,
		Currency: p.Currency, Recurs: p.ResetFrequency,
	}
	switch p.OverdraftType {
	case OverdraftNone:
	case OverdraftUnlimited:
		l.Overdraft = ledger.UnlimitedOverdraft
	default:
		l.Overdraft = ledger.NumberOverdraft
	}
	return l
}

// Order is one sale of a pack. Its JSON is what the books keep of it, to tell whether an order that comes again is the same.
type Order struct {
	OrderNumber      string        `json:"orderNumber"`
	Pack             string        `json:"pack"`
	InstanceID       string        `json:"instanceId"`
	Quantity         int64         `json:"quantity"` // of packs
	Start            *int64        `json:"start,omitempty"`
	End              *int64        `json:"end,omitempty"`
	OverdraftPercent *token.Amount `json:"overdraftPercent,omitempty"`
	ActivationID     string        `json:"activationId"`
}

func (o *Order) validate() error {
	if why := problem.Unnamed(o.OrderNumber); why != "" {
		return problem.Field("orderNumber", "%s", why)
	}
	o.ActivationID = cmp.Or(o.ActivationID, o.OrderNumber)
	if why := problem.Unnamed(o.ActivationID); why != "" {
		return problem.Field("activationId", "%s", why)
	}
	switch {
	case outOfTime(o.Start):
		return noTime("start")
	case outOfTime(o.End):
		return noTime("end")
	case o.OverdraftPercent != nil && o.OverdraftPercent.Sign() < 0:
		return problem.Field("overdraftPercent", "must not be negative")
	case o.InstanceID == "":
		return problem.Field("instanceId", "is required: where the line item is to live")
	case o.Quantity < 1:
		return problem.Field("quantity", "must be at least 1: how many packs are sold")
	}
	return nil
}

func outOfTime(ms *int64) bool { return ms != nil && (*ms < 0 || *ms > period.LatestMS) }

func noTime(field string) error {
	return problem.Field(field, "must be milliseconds since 1970, from 0 to %d", period.LatestMS)
}

// lineItem returns what an order makes of a pack.
func (p *Pack) lineItem(o *Order, nowMS int64) (ledger.LineItem, error) {
	l := p.template()
	if p.Quantity > math.MaxInt64/o.Quantity {
		return l, problem.Field("quantity", "%d packs of %d tokens are too many", o.Quantity, p.Quantity)
	}
	l.ActivationID, l.InstanceID, l.Quantity = o.ActivationID, o.InstanceID, p.Quantity*o.Quantity
	if err := p.date(o, &l, nowMS); err != nil {
		return l, err
	}
	if err := p.overdraw(o, &l); err != nil {
		return l, err
	}
	for _, wrong := range l.Validate() {
		return l, renamed(wrong)
	}
	return l, nil
}

// date sets from when until when a line item is good.
func (p *Pack) date(o *Order, l *ledger.LineItem, nowMS int64) error {
	l.StartMS = nowMS
	if o.Start != nil {
		l.StartMS = *o.Start
	}
	if p.Period == "" {
		if o.End == nil {
			return problem.Field("end", "is required: the pack %q has no period", p.Name)
		}
		l.EndMS = *o.End
		return nil
	}
	if o.End != nil {
		return problem.Field("end", "contradicts the period of the pack %q, which is %s from the start on; leave it out", p.Name, p.Period)
	}
	length, err := period.Parse(p.Period)
	l.EndMS = l.StartMS + length.Milliseconds()
	if l.EndMS > period.LatestMS {
		return problem.Field("start", "is too late: %s later is after the year 9999", p.Period)
	}
	return err
}

// overdraw sets how far a line item may be charged past its quantity.
func (p *Pack) overdraw(o *Order, l *ledger.LineItem) (err error) {
	switch atSale := p.OverdraftType == OverdraftPercentAtSale; {
	case atSale && o.OverdraftPercent == nil:
		return problem.Field("overdraftPercent", "is required: the pack %q leaves it to the sale", p.Name)
	case !atSale && o.OverdraftPercent != nil:
		return problem.Field("overdraftPercent", "is not for a sale of the pack %q, whose overdraft is %s; leave it out", p.Name, p.OverdraftType)
	case atSale:
		l.OverdraftLimit, err = percentOf(*o.OverdraftPercent, l.Quantity)
	case p.OverdraftType == OverdraftPercent:
		l.OverdraftLimit, err = percentOf(p.OverdraftPercent, l.Quantity)
	case p.OverdraftType == OverdraftNumber:
		if p.OverdraftLimit > math.MaxInt64/o.Quantity {
			return problem.Field("quantity", "the overdraft of %d packs is too large", o.Quantity)
		}
		l.OverdraftLimit = p.OverdraftLimit * o.Quantity
	}
	return err
}

// CreatePack adds a pack. The pack must be complete.
func (c *Change) CreatePack(p *Pack) error {
	old, err := c.tx.Pack(p.Name)
	if err != nil {
		return err
	}
	if old != nil {
		return problem.New(problem.Conflict, "there is a pack %q already; PUT replaces it", p.Name)
	}
	return c.putPack(p, c.nowMS)
}

// ReplacePack changes a pack; nothing that was sold changes with it. The pack must be complete.
func (c *Change) ReplacePack(p *Pack) error {
	old, err := c.tx.Pack(p.Name)
	if err != nil {
		return err
	}
	if old == nil {
		return NoPack(p.Name)
	}
	return c.putPack(p, old.CreatedMS)
}

// PutPack adds or replaces a pack.
func (c *Change) PutPack(p *Pack) error {
	err := c.ReplacePack(p)
	if problem.KindOf(err) == problem.NotFound {
		err = c.CreatePack(p)
	}
	return err
}

func (c *Change) putPack(p *Pack, createdMS int64) error {
	p.Created, p.Modified = 0, 0 // columns of their own
	body, err := json.Marshal(p)
	p.Created, p.Modified = createdMS, c.nowMS
	return orErr(err, c.tx.PutPack(store.Pack{Name: p.Name, CreatedMS: createdMS, ModifiedMS: c.nowMS, Body: body}))
}

// DeletePack takes a pack out of the shop; nothing that was sold changes with it.
func (c *Change) DeletePack(name string) error {
	old, err := c.tx.Pack(name)
	if err != nil {
		return err
	}
	if old == nil {
		return NoPack(name)
	}
	return c.tx.DeletePack(name)
}

// Sell makes a line item of a pack. An order that was made before, with the same content, is answered with the line item
// that it made, and sold is false.
func (c *Change) Sell(o *Order) (sale *store.Sale, l *ledger.LineItem, sold bool, err error) {
	if err := o.validate(); err != nil {
		return nil, nil, false, err
	}
	body, err := json.Marshal(o)
	if err != nil {
		return nil, nil, false, err
	}
	sale, err = c.tx.Sale(o.OrderNumber)
	if err != nil {
		return nil, nil, false, err
	}
	if sale != nil {
		l, err = c.soldBefore(sale, body)
		return sale, l, false, err
	}
	if l, err = c.sell(o); err != nil {
		return nil, nil, false, err
	}
	sale = &store.Sale{OrderNumber: o.OrderNumber, InstanceID: o.InstanceID, Pack: o.Pack, ActivationID: o.ActivationID, TimeMS: c.nowMS, Body: body}
	return sale, l, true, c.tx.InsertSale(*sale)
}

// soldBefore returns what an order made. Orders are for good: what became of the line item since does not sell it again.
func (c *Change) soldBefore(sale *store.Sale, body []byte) (*ledger.LineItem, error) {
	if !bytes.Equal(sale.Body, body) {
		return nil, problem.New(problem.Conflict, "order %q was made before with another content (line item %q); use a new order number for a new order",
			sale.OrderNumber, sale.ActivationID)
	}
	l, err := c.tx.LineItem(sale.ActivationID)
	if err == nil && (l == nil || l.Deleted || l.InstanceID != sale.InstanceID) {
		err = problem.New(problem.Ended, "order %q was made before, and its line item %q was deleted since; use a new order number to sell again",
			sale.OrderNumber, sale.ActivationID)
	}
	return l, err
}

func (c *Change) sell(o *Order) (*ledger.LineItem, error) {
	kept, err := c.tx.Pack(o.Pack)
	if err == nil && kept == nil {
		err = NoPack(o.Pack)
	}
	if err != nil {
		return nil, err
	}
	pack, err := packOf(kept)
	if err != nil {
		return nil, err
	}
	next, err := pack.lineItem(o, c.nowMS)
	if err != nil {
		return nil, err
	}
	there, err := c.tx.LineItem(o.ActivationID)
	if err != nil {
		return nil, err
	}
	if there != nil {
		return nil, problem.New(problem.Conflict, "there is, or was, a line item %q already; give this sale an activationId of its own", o.ActivationID)
	}
	return c.PutLineItem(next)
}

// NoPack is the problem of a pack that is not there.
func NoPack(name string) error { return problem.New(problem.NotFound, "there is no pack %q", name) }

func packOf(kept *store.Pack) (*Pack, error) {
	p := new(Pack)
	if err := json.Unmarshal(kept.Body, p); err != nil {
		return nil, fmt.Errorf("pack %q: %w", kept.Name, err)
	}
	p.Name, p.Created, p.Modified = kept.Name, kept.CreatedMS, kept.ModifiedMS
	return p, nil
}

// PackOf returns a pack; it fails with a problem NotFound.
func PackOf(r store.Reader, name string) (*Pack, error) {
	kept, err := r.Pack(name)
	if err == nil && kept == nil {
		err = NoPack(name)
	}
	if err != nil {
		return nil, err
	}
	return packOf(kept)
}

// Packs returns all packs by name.
func Packs(r store.Reader) ([]*Pack, error) {
	kept, err := r.Packs()
	if err != nil {
		return nil, err
	}
	all := make([]*Pack, len(kept))
	for i := range kept {
		if all[i], err = packOf(&kept[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Changes says for people what makes a pack differ from an older one, such as "quantity 100 -> 200". Both are complete.
func (p *Pack) Changes(older *Pack) (all []string) {
	was, now := older.terms(), p.terms()
	for i := range now {
		if was[i].value != now[i].value {
			all = append(all, fmt.Sprintf("%s %s -> %s", now[i].name, cmp.Or(was[i].value, "none"), cmp.Or(now[i].value, "none")))
		}
	}
	return all
}

// Terms says what a pack is, for people.
func (p *Pack) Terms() string {
	var all []string
	for _, t := range p.terms() {
		if t.value != "" {
			all = append(all, t.name+" "+t.value)
		}
	}
	return strings.Join(all, ", ")
}

type packTerm struct{ name, value string }

func (p *Pack) terms() []packTerm {
	number := func(n int64) string {
		if n == 0 {
			return ""
		}
		return strconv.FormatInt(n, 10)
	}
	amount := func(a token.Amount, unit string) string {
		if a.IsZero() {
			return ""
		}
		return a.String() + unit
	}
	overdraft := p.OverdraftType
	switch overdraft {
	case OverdraftNone:
		overdraft = ""
	case OverdraftNumber:
		overdraft = number(p.OverdraftLimit)
	case OverdraftPercent:
		overdraft = amount(p.OverdraftPercent, "%")
	}
	return []packTerm{
		{"quantity", number(p.Quantity)}, {"period", p.Period}, {"series", p.Series}, {"kind", string(p.Kind)},
		{"unitPrice", strings.TrimSpace(amount(p.UnitPrice, " ") + p.Currency)}, {"priority", number(p.Priority)},
		{"resetFrequency", string(p.ResetFrequency)}, {"overdraft", overdraft},
	}
}
