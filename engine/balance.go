package engine

import (
	"context"
	"maps"
	"slices"

	"github.com/farebox/farebox/forecast"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// Balance is how an instance stands.
type Balance struct {
	NowMS    int64
	Tolerant bool
	Book     *ledger.Book // as of now, in the order in which line items are drawn, deleted ones left out
}

// Balance returns how an instance stands now. It fails with a problem NotFound: there is no such instance.
func (e *Engine) Balance(ctx context.Context, instanceID string) (b *Balance, err error) {
	prices := pricesAt(e.store.Settings(), e.Now())
	err = e.View(ctx, func(r store.Reader) error {
		b, err = balanceOf(r, instanceID, prices)
		return err
	})
	return b, err
}

func balanceOf(r store.Reader, instanceID string, prices *ledger.Prices) (*Balance, error) {
	book, err := bookOf(r, instanceID, prices.NowMS)
	if err != nil {
		return nil, err
	}
	book.LineItems = present(book.LineItems)
	book.At(prices.NowMS)
	book.Sort()
	return &Balance{NowMS: prices.NowMS, Tolerant: prices.Tolerant, Book: book}, nil
}

// present leaves out deleted line items.
func present(all []*ledger.LineItem) []*ledger.LineItem {
	left := make([]*ledger.LineItem, 0, len(all))
	for _, l := range all {
		if !l.Deleted {
			left = append(left, l)
		}
	}
	return left
}

// Outlook is a balance and how long it is likely to last.
type Outlook struct {
	*Balance
	Paces     forecast.Paces
	LinePaces map[string]forecast.Paces // by activationId
	Forecast  *forecast.Forecast
}

// Outlook forecasts how an instance's line items are drawn down. It fails as Balance and Usage do.
func (e *Engine) Outlook(ctx context.Context, instanceID string) (*Outlook, error) {
	b, err := e.Balance(ctx, instanceID)
	if err != nil {
		return nil, err
	}
	history, err := e.History(ctx, instanceID, b.NowMS)
	if err != nil {
		return nil, err
	}
	o := &Outlook{Balance: b, Paces: history.Paces(), LinePaces: map[string]forecast.Paces{}, Forecast: b.forecast(history)}
	for _, days := range [...]int64{1, 7, 30} {
		if err := e.linePaces(ctx, o, days); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// forecast is what alerts go by, and what GET …/forecast answers.
func (b *Balance) forecast(h *forecast.History) *forecast.Forecast {
	return forecast.Of(h, b.Book, b.NowMS, b.Tolerant)
}

func ofInstance(instanceIDs ...string) []usage.Match {
	m := usage.Match{Dimension: usage.ByInstance}
	for _, id := range instanceIDs {
		m.Values = append(m.Values, usage.Value{Text: id})
	}
	return []usage.Match{m}
}

// History returns what an instance was charged in the days that a forecast looks at. It fails as Usage does.
func (e *Engine) History(ctx context.Context, instanceID string, nowMS int64) (*forecast.History, error) {
	report, err := e.Usage(ctx, historyQuery(nowMS, instanceID))
	if err != nil {
		return nil, err
	}
	return historiesOf(report, nowMS, instanceID)[instanceID], nil
}

// historyQuery asks for the days of instances that a forecast looks at.
func historyQuery(nowMS int64, instanceIDs ...string) *usage.Query {
	return &usage.Query{
		FromMS: historyFromMS(nowMS), ToMS: nowMS + 1, Interval: usage.Daily, By: []usage.Dimension{usage.ByInstance}, Where: ofInstance(instanceIDs...),
	}
}

func historyFromMS(nowMS int64) int64 {
	return max(dayOf(nowMS)-forecast.HistoryDays*forecast.DayMS, 0)
}

// dayOf returns when the day of a time began, in UTC.
func dayOf(ms int64) int64 { return ms - ms%forecast.DayMS }

// weekBefore returns from when until when the last 7 whole days were.
func weekBefore(nowMS int64) (fromMS, toMS int64) {
	return max(dayOf(nowMS)-7*forecast.DayMS, 0), dayOf(nowMS)
}

// perDay returns what a day used of what those 7 did.
func perDay(week token.Amount) token.Amount {
	return token.MulDivHalfEven(week, token.FromInt(1), token.FromInt(7))
}

// daysLeft returns how many days a balance lasts at that pace; nil: nothing was used.
func daysLeft(balance, week token.Amount) *token.Amount {
	if week.Sign() <= 0 {
		return nil
	}
	left := token.MulDivHalfEven(balance, token.FromInt(7), week)
	return &left
}

// compareDaysLeft puts those without an end last.
func compareDaysLeft(a, b *token.Amount) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return a.Cmp(*b)
}

// historiesOf reads the answer to historyQuery, by instance.
func historiesOf(report *usage.Report, nowMS int64, instanceIDs ...string) map[string]*forecast.History {
	todayMS, fromMS := dayOf(nowMS), historyFromMS(nowMS)
	all := make(map[string]*forecast.History, len(instanceIDs))
	for _, id := range instanceIDs {
		all[id] = &forecast.History{Days: make([]token.Amount, (todayMS-fromMS)/forecast.DayMS)}
	}
	for i := range report.Rows {
		row := &report.Rows[i]
		h := all[row.By[0].Text]
		if row.FromMS >= todayMS {
			h.Today = h.Today.Add(row.Tokens)
		} else {
			h.Days[(row.FromMS-fromMS)/forecast.DayMS] = row.Tokens
		}
	}
	return all
}

// linePaces adds the paces of line items over the last whole days.
func (e *Engine) linePaces(ctx context.Context, o *Outlook, days int64) error {
	todayMS := dayOf(o.NowMS)
	if todayMS == 0 {
		return nil
	}
	q := &usage.Query{FromMS: max(todayMS-days*forecast.DayMS, 0), ToMS: todayMS, By: []usage.Dimension{usage.ByLineItem}, Where: ofInstance(o.Book.InstanceID)}
	report, err := e.Usage(ctx, q)
	if err != nil {
		return err
	}
	for i := range report.Rows {
		row := &report.Rows[i]
		paces, pace := o.LinePaces[row.By[0].Text], token.MulDivHalfEven(row.Tokens, token.FromInt(1), token.FromInt(days))
		switch days {
		case 1:
			paces.Day1 = pace
		case 7:
			paces.Day7 = pace
		default:
			paces.Day30 = pace
		}
		o.LinePaces[row.By[0].Text] = paces
	}
	return nil
}

// InstanceDays returns what each instance was charged in all, less refunds, in every whole day from its first use up to today's beginning,
// instances in the order of their ids.
func InstanceDays(r store.Reader, nowMS int64) ([][]token.Amount, error) {
	todayMS := dayOf(nowMS)
	if todayMS == 0 {
		return nil, nil
	}
	days := map[string]map[int64]token.Amount{}
	err := eachMoved(r, &usage.Filter{ToMS: todayMS}, 0, func(e *usage.Event) {
		if days[e.InstanceID] == nil {
			days[e.InstanceID] = map[int64]token.Amount{}
		}
		day := e.UsageTimeMS / forecast.DayMS
		days[e.InstanceID][day] = days[e.InstanceID][day].Add(e.Tokens)
	})
	var all [][]token.Amount
	for _, id := range slices.Sorted(maps.Keys(days)) {
		first := slices.Min(slices.Collect(maps.Keys(days[id])))
		series := make([]token.Amount, todayMS/forecast.DayMS-first)
		for i := range series {
			series[i] = days[id][first+int64(i)]
		}
		all = append(all, series)
	}
	return all, err
}
