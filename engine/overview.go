package engine

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/farebox/farebox/forecast"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// Overview says which instances are listed, in which order.
type Overview struct {
	InstanceIDs []string // only these, if there are any; nil: all
	AccountID   string   // only those of this account, unless empty
	Search      string   // only those with it in the id, the short name or the account, in capitals or not
	Order       OverviewOrder
	Limit       int
	Offset      int
	Forecast    bool // with a forecast of every row, of which there are at most ForecastsMost
}

// OverviewOrder says what comes first in an overview.
type OverviewOrder string

// The orders there are.
const (
	ByDaysLeft OverviewOrder = "daysLeft" // those first whose tokens end soonest at their pace
	ByLeft     OverviewOrder = "left"     // those first with the least balance, and of an equal one the most overdraft used
	ByPace     OverviewOrder = "pace"     // those first that use most
	ByName     OverviewOrder = "name"     // by account and short name
)

// OverviewOrders are all of them.
var OverviewOrders = []OverviewOrder{ByDaysLeft, ByLeft, ByPace, ByName}

// ForecastsMost is how many forecasts are made for one overview.
const ForecastsMost = 50

// InstanceOverview is how an instance stands, in short. Amounts are of the line items that are usable now.
type InstanceOverview struct {
	store.Instance
	Usable        int // line items
	Balance       token.Amount
	Held          token.Amount
	OverdraftUsed token.Amount
	OverdraftLeft token.Amount
	Unlimited     bool          // there is an overdraft without a limit; OverdraftLeft is of the others
	NextEndMS     int64         // when the first of them ends; 0: there is none
	Pace          token.Amount  // a day, over the last 7 whole days
	Today         token.Amount  // since midnight, UTC
	DaysLeft      *token.Amount // that the balance lasts at that pace; nil: nothing was used
	Forecast      *forecast.Forecast

	week token.Amount // used in the last 7 whole days
}

// Instances lists how instances stand, and says how many there are in all. What is held is taken off the balance, but plays no part in the order. It fails
// as Usage does.
func (e *Engine) Instances(ctx context.Context, o *Overview) (rows []*InstanceOverview, total int, err error) {
	prices := pricesAt(e.store.Settings(), e.Now())
	err = e.question(ctx, "search", func(ctx context.Context, r store.Reader) error {
		v := &overlooking{Overview: o, ctx: ctx, r: r, columns: &e.columns, prices: prices}
		if err := v.gather(); err != nil {
			return err
		}
		v.sort()
		total = len(v.rows)
		rows = v.rows[min(o.Offset, total):min(o.Offset+o.Limit, total)]
		return v.detail(rows)
	})
	return rows, total, err
}

// overlooking is an overview being made on one state.
type overlooking struct {
	*Overview
	ctx     context.Context
	r       store.Reader
	columns *columns
	prices  *ledger.Prices
	rows    []*InstanceOverview
}

// gather finds the instances, and adds up what they have and use.
func (v *overlooking) gather() error {
	by := map[string]*InstanceOverview{}
	search := strings.ToLower(v.Search)
	add := func(i *store.Instance) {
		named := func(text string) bool { return strings.Contains(strings.ToLower(text), search) }
		if (v.AccountID == "" || i.AccountID == v.AccountID) && (named(i.ID) || named(i.ShortName) || named(i.AccountID)) {
			row := &InstanceOverview{Instance: *i}
			by[i.ID], v.rows = row, append(v.rows, row)
		}
	}
	if err := v.eachInstance(add); err != nil {
		return err
	}
	err := v.eachLineItem(func(l *ledger.LineItem) {
		if row := by[l.InstanceID]; row != nil && !l.Deleted {
			l.At(v.prices.NowMS)
			row.add(l, v.prices.NowMS, v.prices.Tolerant)
		}
	})
	if err != nil {
		return err
	}
	fromMS, todayMS := weekBefore(v.prices.NowMS)
	week, err := v.used(fromMS, todayMS)
	if err != nil {
		return err
	}
	today, err := v.used(todayMS, v.prices.NowMS+1)
	for _, row := range v.rows {
		row.use(week[row.ID], today[row.ID])
	}
	return err
}

func (v *overlooking) eachInstance(fn func(*store.Instance)) error {
	if v.InstanceIDs == nil {
		return eachInstance(v.r, fn)
	}
	ids := slices.Clone(v.InstanceIDs)
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		i, err := v.r.Instance(id)
		if err != nil {
			return err
		}
		if i != nil {
			fn(i)
		}
	}
	return nil
}

// fewInstances is up to how many of them line items are read by instance.
const fewInstances = 200

func (v *overlooking) eachLineItem(fn func(*ledger.LineItem)) error {
	ids := []string{""} // all
	if len(v.rows) <= fewInstances {
		ids = ids[:0]
		for _, row := range v.rows {
			ids = append(ids, row.ID)
		}
	}
	for _, id := range ids {
		all, err := v.r.LineItems(id)
		if err != nil {
			return err
		}
		for _, l := range all {
			fn(l)
		}
	}
	return nil
}

// used returns what each instance used in a time, refunds taken off.
func (v *overlooking) used(fromMS, toMS int64) (map[string]token.Amount, error) {
	sums := map[string]token.Amount{}
	if toMS <= fromMS || len(v.rows) == 0 {
		return sums, nil
	}
	q := &usage.Query{FromMS: fromMS, ToMS: toMS, By: []usage.Dimension{usage.ByInstance}}
	if len(v.rows) <= fewInstances {
		q.Where = ofInstance(idsOf(v.rows)...)
	}
	report, err := usageReport(v.ctx, v.r, v.columns, q, receiptsMost)
	if err != nil {
		return nil, err
	}
	for i := range report.Rows {
		sums[report.Rows[i].By[0].Text] = report.Rows[i].Tokens
	}
	return sums, nil
}

func idsOf(rows []*InstanceOverview) []string {
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	return ids
}

func (row *InstanceOverview) add(l *ledger.LineItem, nowMS int64, tolerant bool) {
	if !l.Usable(nowMS, tolerant) {
		return
	}
	row.Usable++
	row.Balance, row.Held, row.OverdraftUsed = row.Balance.Add(l.Balance()), row.Held.Add(l.Held), row.OverdraftUsed.Add(l.OverdraftUsed())
	if l.Overdraft == ledger.UnlimitedOverdraft {
		row.Unlimited = true
	} else {
		row.OverdraftLeft = row.OverdraftLeft.Add(l.OverdraftLeft())
	}
	if row.NextEndMS == 0 || l.EndMS < row.NextEndMS {
		row.NextEndMS = l.EndMS
	}
}

func (row *InstanceOverview) use(week, today token.Amount) {
	row.week, row.Today = week, today
	row.Pace, row.DaysLeft = perDay(week), daysLeft(row.Balance, week)
}

func (v *overlooking) sort() {
	slices.SortFunc(v.rows, func(a, b *InstanceOverview) int {
		order := 0
		switch v.Order {
		case ByDaysLeft:
			order = cmp.Or(compareDaysLeft(a.DaysLeft, b.DaysLeft), b.OverdraftUsed.Cmp(a.OverdraftUsed), b.Pace.Cmp(a.Pace))
		case ByLeft:
			order = cmp.Or(a.Balance.Cmp(b.Balance), b.OverdraftUsed.Cmp(a.OverdraftUsed))
		case ByPace:
			order = b.Pace.Cmp(a.Pace)
		}
		return cmp.Or(order, cmp.Compare(a.AccountID, b.AccountID), cmp.Compare(a.ShortName, b.ShortName), cmp.Compare(a.Number, b.Number))
	})
}

// detail adds what is looked up for the rows that are shown alone: holds, and forecasts.
func (v *overlooking) detail(rows []*InstanceOverview) error {
	var histories map[string]*forecast.History
	if v.Forecast && len(rows) > 0 {
		report, err := usageReport(v.ctx, v.r, v.columns, historyQuery(v.prices.NowMS, idsOf(rows)...), receiptsMost)
		if err != nil {
			return err
		}
		histories = historiesOf(report, v.prices.NowMS, idsOf(rows)...)
	}
	for _, row := range rows {
		held, err := v.r.Held(row.ID, v.prices.NowMS)
		if err != nil {
			return err
		}
		if len(held) == 0 && !v.Forecast {
			continue
		}
		b, err := balanceOf(v.r, row.ID, v.prices)
		if err != nil {
			return err
		}
		row.recount(b)
		if v.Forecast {
			row.Forecast = b.forecast(histories[row.ID])
		}
	}
	return v.ctx.Err()
}

// recount adds up again what an instance has, holds taken off.
func (row *InstanceOverview) recount(b *Balance) {
	row.Usable, row.NextEndMS, row.Unlimited = 0, 0, false
	row.Balance, row.Held, row.OverdraftUsed, row.OverdraftLeft = token.Amount{}, token.Amount{}, token.Amount{}, token.Amount{}
	for _, l := range b.Book.LineItems {
		row.add(l, b.NowMS, b.Tolerant)
	}
	row.use(row.week, row.Today)
}

// ReadOverviewOrder reads an order; empty: ByDaysLeft. It fails with a problem Invalid (sort).
func ReadOverviewOrder(text string) (OverviewOrder, error) {
	order := cmp.Or(OverviewOrder(text), ByDaysLeft)
	if !slices.Contains(OverviewOrders, order) {
		return "", problem.Field("sort", "must be %s, %s, %s or %s", ByDaysLeft, ByLeft, ByPace, ByName)
	}
	return order, nil
}
