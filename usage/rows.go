package usage

import (
	"slices"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/token"
)

// RowColumns are the columns that EachRow reads.
func RowColumns() []string {
	h := new(BucketHeader)
	return slices.DeleteFunc(h.ColumnNames(), func(name string) bool { return name == columnCommits })
}

// EachRow calls fn with the events of a bucket that a filter selects, as far as columns tell: without ids, metadata, dictionaries,
// rates and what they leave behind besides when allowances began. The event is another one's at the next call.
func (b *Bucket) EachRow(filter *Filter, fn func(*Event)) error {
	r, err := b.readRows()
	if err != nil {
		return err
	}
	wanted := r.wanted(filter)
	if wanted == nil {
		return nil
	}
	var e Event
	for row := range uint32(b.Header.Rows) {
		if !wanted[r.texts[ByInstance].at(row)] {
			continue
		}
		if t := r.numbers[columnTime].units(row); t < filter.FromMS || filter.ToMS != 0 && t >= filter.ToMS {
			continue
		}
		r.event(row, &e)
		if filter.Match(&e) {
			fn(&e)
		}
	}
	return nil
}

// rows are the columns of a bucket, to be read by row.
type rows struct {
	texts   map[Dimension]*texts
	numbers map[string]*numbers
	prices  []token.Amount // by the values of the column of prices
}

func (b *Bucket) readRows() (*rows, error) {
	r := &rows{texts: map[Dimension]*texts{}, numbers: map[string]*numbers{}}
	for _, d := range append(Dimensions[:len(Dimensions):len(Dimensions)], columnPrice) {
		c, err := readTexts(b.Columns[string(d)], b.Header.Rows)
		if err != nil {
			return nil, err
		}
		r.texts[d] = &c
	}
	for _, name := range []string{columnTime, columnTokens, columnOverdraft, columnCount, columnRequests, columnReset, columnUsedReset} {
		c, err := readNumbers(b.Columns[name], b.Header.Rows)
		if err != nil {
			return nil, err
		}
		r.numbers[name] = &c
	}
	for _, v := range r.texts[columnPrice].values {
		price, err := token.Restore(v.Text)
		if err != nil {
			return nil, errColumn
		}
		r.prices = append(r.prices, price)
	}
	return r, nil
}

// wanted tells of the values of the column of instances which a filter selects; nil if it selects none.
func (r *rows) wanted(filter *Filter) []bool {
	values := r.texts[ByInstance].values
	wanted, any := make([]bool, len(values)), false
	for i, v := range values {
		wanted[i] = filter.MatchReceipt(v.Text, max(filter.FromMS, 0))
		any = any || wanted[i]
	}
	if !any {
		return nil
	}
	return wanted
}

func (r *rows) event(row uint32, e *Event) {
	text := func(d Dimension) string { c := r.texts[d]; return c.values[c.at(row)].Text }
	*e = Event{
		AccountID: text(ByAccount), InstanceID: text(ByInstance), ActivationID: text(ByLineItem), Item: text(ByItem), ItemVersion: text(ByItemVersion),
		Kind: Kind(text(ByKind)), Status: ledger.Status(text(ByStatus)), RateTableSeries: text(BySeries), RateTableVersion: text(ByTableVersion),
		Currency: text(ByCurrency), UnitPrice: r.prices[r.texts[columnPrice].at(row)],
		UsageTimeMS: r.numbers[columnTime].units(row), Tokens: r.numbers[columnTokens].amount(row), Overdraft: r.numbers[columnOverdraft].amount(row),
		Count: r.numbers[columnCount].amount(row), Requests: int(r.numbers[columnRequests].units(row)), ResetMS: r.numbers[columnReset].units(row),
	}
	e.Balance.ResetMS = r.numbers[columnUsedReset].units(row)
	e.Requester.Type, e.Requester.Value = text(ByRequesterType), text(ByRequester)
	if kind := text(ByLineItemKind); kind == string(ledger.Free) {
		e.LineItemKind = ledger.Free
	}
	if address, agent := text(ByAddress), text(ByUserAgent); address != "" || agent != "" {
		e.Source = &Source{Address: address, UserAgent: agent}
	}
}
