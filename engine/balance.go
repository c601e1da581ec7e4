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
	book, err := bookOf(r, instanceID)
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
	LinePaces map[int64]forecast.Paces // by line item number
	Forecast  *forecast.Forecast
}

// Outlook forecasts how an instance's line items are drawn down. It fails as Balance does.
func (e *Engine) Outlook(ctx context.Context, instanceID string) (o *Outlook, err error) {
	prices := pricesAt(e.store.Settings(), e.Now())
	var histories *histories
	err = e.View(ctx, func(r store.Reader) error {
		b, err := balanceOf(r, instanceID, prices)
		if err != nil {
			return err
		}
		o = &Outlook{Balance: b}
		histories, err = historiesOf(r, &usage.Filter{InstanceIDs: []string{instanceID}}, prices.NowMS)
		return err
	})
	if err != nil {
		return nil, err
	}
	o.Paces, o.LinePaces = histories.all.Paces(), map[int64]forecast.Paces{}
	for number, h := range histories.lines {
		o.LinePaces[number] = h.Paces()
	}
	o.Forecast = forecast.Of(&histories.all, o.Book, o.NowMS, o.Tolerant)
	return o, nil
}

// histories are the days of an instance, and of each of its line items by number.
type histories struct {
	todayMS int64 // when it began
	all     forecast.History
	lines   map[int64]*forecast.History
}

// historiesOf reads what was used in the days that a forecast looks at.
func historiesOf(r store.Reader, filter *usage.Filter, nowMS int64) (*histories, error) {
	h := &histories{todayMS: nowMS - nowMS%forecast.DayMS, lines: map[int64]*forecast.History{}}
	h.all = h.empty()
	filter.FromMS, filter.ToMS = max(h.todayMS-forecast.HistoryDays*forecast.DayMS, 0), nowMS+1
	err := eachMoved(r, filter, func(e *usage.Event) {
		if h.lines[e.LineItem] == nil {
			line := h.empty()
			h.lines[e.LineItem] = &line
		}
		h.add(&h.all, e)
		h.add(h.lines[e.LineItem], e)
	})
	return h, err
}

func (h *histories) empty() forecast.History { return forecast.History{Days: forecast.NewDays()} }

func (h *histories) add(to *forecast.History, e *usage.Event) {
	if e.UsageTimeMS >= h.todayMS {
		to.Today = to.Today.Add(e.Tokens)
		return
	}
	day := len(to.Days) - 1 - int((h.todayMS-1-e.UsageTimeMS)/forecast.DayMS)
	to.Days[day] = to.Days[day].Add(e.Tokens)
}

// InstanceDays returns what each instance was charged in all, less refunds, in every whole day from its first use up to today's beginning,
// instances in the order of their ids.
func InstanceDays(r store.Reader, nowMS int64) ([][]token.Amount, error) {
	todayMS := nowMS - nowMS%forecast.DayMS
	if todayMS == 0 {
		return nil, nil
	}
	days := map[string]map[int64]token.Amount{}
	err := eachMoved(r, &usage.Filter{ToMS: todayMS}, func(e *usage.Event) {
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
