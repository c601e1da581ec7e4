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

// Insight is a question that a producer has about customers. docs/INSIGHTS.md defines each.
type Insight struct {
	Name       string
	Question   string
	Parameters []string // besides limit and offset
	answer     func(*asking) (*usage.Table, error)
}

// Insights are all there are.
var Insights = []Insight{
	{"adoption", "Who uses each item, and since when?", []string{"from", "to", "interval"}, adoption},
	{"growth", "Who uses more than before, and who less?", []string{"from", "to", "order"}, growth},
	{"running-out", "Who is near the end, or in overdraft?", []string{"days"}, runningOut},
	{"unused-purchases", "Who bought and has used nothing since?", []string{"days"}, unusedPurchases},
	{"tried-once", "Which items were tried and not used again?", []string{"days"}, triedOnce},
	{"margin", "What is left of the money after costs?", []string{"from", "to"}, margin},
}

// InsightParameters are what an insight is asked with. What it does not use has to be left at zero.
type InsightParameters struct {
	FromMS, ToMS int64          // 0: the last 30 whole days in UTC
	Interval     usage.Interval // empty: month
	Order        string         // growth or decline; empty: growth
	Days         int64          // 0: 14
	Limit        int            // rows
	Offset       int
}

// Bounds of an insight: a time is at most two years, and what is looked at for one over HTTP at most so many receipts.
const (
	insightSpanMost  = 2 * 366 * forecast.DayMS
	insightLooksMost = 2_000_000
	insightSpanUsual = 30 * forecast.DayMS
	insightDaysUsual = 14
	InsightDaysMost  = 3660 // of the parameter days
)

// asking is an insight being answered on one state.
type asking struct {
	ctx   context.Context
	r     store.Reader
	nowMS int64
	p     InsightParameters
	most  int // receipts to look at; 0: all
}

// FindInsight returns the insight of a name. It fails with a problem NotFound.
func FindInsight(name string) (*Insight, error) {
	for i := range Insights {
		if Insights[i].Name == name {
			return &Insights[i], nil
		}
	}
	names := make([]string, len(Insights))
	for i := range Insights {
		names[i] = Insights[i].Name
	}
	return nil, problem.New(problem.NotFound, "there is no insight %q; there are %s", name, strings.Join(names, ", "))
}

// Insight answers an insight, and says how many rows there are in all. It fails with a problem: Invalid (a parameter is out of range, or there is too
// much to look at).
func (e *Engine) Insight(ctx context.Context, i *Insight, p InsightParameters) (t *usage.Table, rows int, err error) {
	err = e.question(ctx, "from", func(ctx context.Context, r store.Reader) error {
		t, rows, err = i.On(ctx, r, p, e.Now(), insightLooksMost)
		return err
	})
	return t, rows, err
}

// On answers an insight on one state, looking at a number of receipts at most (0: all).
func (i *Insight) On(ctx context.Context, r store.Reader, p InsightParameters, nowMS int64, most int) (*usage.Table, int, error) {
	if err := p.complete(nowMS); err != nil {
		return nil, 0, err
	}
	t, err := i.answer(&asking{ctx, r, nowMS, p, most})
	if err != nil {
		return nil, 0, err
	}
	rows := len(t.Rows)
	t.Rows = t.Rows[min(p.Offset, rows):min(p.Offset+p.Limit, rows)]
	return t, rows, nil
}

func (p *InsightParameters) complete(nowMS int64) error {
	if p.ToMS == 0 {
		p.ToMS = dayOf(nowMS)
	}
	if p.FromMS == 0 {
		p.FromMS = max(p.ToMS-insightSpanUsual, 0)
	}
	p.Interval, p.Order, p.Days = cmp.Or(p.Interval, usage.Monthly), cmp.Or(p.Order, "growth"), cmp.Or(p.Days, insightDaysUsual)
	switch {
	case p.FromMS > p.ToMS:
		return problem.Field("from", "must be before to")
	case p.ToMS-p.FromMS > insightSpanMost:
		return problem.Field("from", "must be at most two years before to")
	case p.Interval == usage.Hourly || !slices.Contains(usage.Intervals, p.Interval):
		return problem.Field("interval", "must be day, week or month")
	case p.Order != "growth" && p.Order != "decline":
		return problem.Field("order", "must be growth or decline")
	case p.Days < 1 || p.Days > InsightDaysMost:
		return problem.Field("days", "must be from 1 to %d", InsightDaysMost)
	}
	return nil
}

func (p *InsightParameters) span() usage.InsightSpan {
	return usage.InsightSpan{FromMS: p.FromMS, ToMS: p.ToMS, Interval: p.Interval}
}

// sums returns what was used by each value of a dimension.
func (a *asking) sums(by usage.Dimension, fromMS, toMS int64, where ...usage.Match) (map[string]token.Amount, error) {
	sums := map[string]token.Amount{}
	if toMS <= fromMS {
		return sums, nil
	}
	report, err := UsageReport(a.ctx, a.r, &usage.Query{FromMS: fromMS, ToMS: toMS, By: []usage.Dimension{by}, Where: where}, a.most)
	if err != nil {
		return nil, err
	}
	for i := range report.Rows {
		sums[report.Rows[i].By[0].Text] = report.Rows[i].Tokens
	}
	return sums, nil
}

// each calls fn with the events from a time on, in no order; see eachUsed.
func (a *asking) each(fromMS int64, fn func(*usage.Event)) error {
	return eachUsed(a.r, &usage.Filter{FromMS: fromMS}, a.most, fn)
}

func adoption(a *asking) (*usage.Table, error) {
	in := usage.Adoption{Span: a.p.span()}
	err := a.each(0, in.Add)
	return in.Table(), err
}

func growth(a *asking) (*usage.Table, error) {
	now, err := a.sums(usage.ByAccount, a.p.FromMS, a.p.ToMS)
	if err != nil {
		return nil, err
	}
	before, err := a.sums(usage.ByAccount, max(a.p.FromMS-(a.p.ToMS-a.p.FromMS), 0), a.p.FromMS)
	return usage.Growth(now, before, a.p.Order == "decline"), err
}

func triedOnce(a *asking) (*usage.Table, error) {
	in := usage.TriedOnce{BeforeMS: a.nowMS - a.p.Days*forecast.DayMS}
	err := a.each(0, in.Add)
	return in.Table(), err
}

// margin prices what was used by what the tables that priced it say that it costs.
func margin(a *asking) (*usage.Table, error) {
	settings, err := a.r.Settings()
	if err != nil {
		return nil, err
	}
	in := usage.Margin{Span: a.p.span(), Cost: func(e *usage.Event) *token.Amount {
		item := settings.Rates.Find(e.RateTableSeries, e.RateTableVersion).Item(e.Item, e.ItemVersion)
		if item == nil {
			return nil
		}
		return item.Cost
	}}
	err = a.each(a.p.FromMS, in.Add)
	return in.Table(), err
}

// unusedPurchases lists line items that are usable since long, and that nothing was ever taken from.
func unusedPurchases(a *asking) (*usage.Table, error) {
	taken := usage.Match{Dimension: usage.ByKind, Values: []usage.Value{{Text: string(usage.Charge)}, {Text: string(usage.AutomaticCharge)}, {Text: string(usage.Settlement)}, {Text: string(usage.LeaseReport)}}}
	used, err := a.sums(usage.ByLineItem, 0, a.nowMS+1, taken)
	if err != nil {
		return nil, err
	}
	books, err := a.books()
	if err != nil {
		return nil, err
	}
	t := &usage.Table{Columns: []string{"accountId", "instanceId", "activationId", "kind", "quantity", "start", "end"}}
	for _, book := range books {
		for _, l := range book.LineItems {
			if l.Usable(a.nowMS, false) && used[l.ActivationID].IsZero() && l.StartMS <= a.nowMS-a.p.Days*forecast.DayMS {
				t.Rows = append(t.Rows, []any{book.AccountID, l.InstanceID, l.ActivationID, string(l.Kind), l.Quantity, l.StartMS, l.EndMS})
			}
		}
	}
	slices.SortFunc(t.Rows, func(x, y []any) int { // the longest unused first
		return cmp.Or(cmp.Compare(x[5].(int64), y[5].(int64)), cmp.Compare(x[2].(string), y[2].(string)))
	})
	return t, nil
}

// books returns the line items of all instances as they stand now, by instance.
func (a *asking) books() ([]*ledger.Book, error) {
	by := map[string]*ledger.Book{}
	var books []*ledger.Book
	err := eachInstance(a.r, func(i *store.Instance) {
		b := &ledger.Book{InstanceID: i.ID, AccountID: i.AccountID}
		by[i.ID], books = b, append(books, b)
	})
	if err != nil {
		return nil, err
	}
	all, err := a.r.LineItems("")
	for _, l := range present(all) {
		l.At(a.nowMS)
		by[l.InstanceID].LineItems = append(by[l.InstanceID].LineItems, l)
	}
	return books, err
}

// runningOut lists instances in overdraft, or whose balance lasts no longer than so many days at the pace of the last 7 whole days, or that
// have nothing left though they were used in them.
func runningOut(a *asking) (*usage.Table, error) {
	fromMS, toMS := weekBefore(a.nowMS)
	week, err := a.sums(usage.ByInstance, fromMS, toMS)
	if err != nil {
		return nil, err
	}
	books, err := a.books()
	var all []*nearEnd
	for _, book := range books {
		if n := a.nearEnd(book, week[book.InstanceID]); n != nil {
			all = append(all, n)
		}
	}
	slices.SortFunc(all, func(x, y *nearEnd) int {
		return cmp.Or(y.overdraft.Cmp(x.overdraft), compareDaysLeft(x.daysLeft, y.daysLeft), cmp.Compare(x.InstanceID, y.InstanceID))
	})
	t := &usage.Table{Columns: []string{"accountId", "instanceId", "balance", "overdraftUsed", "tokensPerDay", "daysLeft"}}
	for _, n := range all {
		days := any("") // no pace, no end
		if n.daysLeft != nil {
			days = *n.daysLeft
		}
		t.Rows = append(t.Rows, []any{n.AccountID, n.InstanceID, n.balance, n.overdraft, n.perDay, days})
	}
	return t, err
}

// nearEnd is an instance that is near the end.
type nearEnd struct {
	*ledger.Book
	balance, overdraft, perDay token.Amount
	daysLeft                   *token.Amount
}

// nearEnd returns how an instance stands that is near the end; nil of one that is not.
func (a *asking) nearEnd(book *ledger.Book, week token.Amount) *nearEnd {
	n := &nearEnd{Book: book, perDay: perDay(week)}
	for _, l := range book.LineItems {
		if l.Usable(a.nowMS, false) {
			n.balance, n.overdraft = n.balance.Add(l.Balance()), n.overdraft.Add(l.OverdraftUsed())
		}
	}
	n.daysLeft = daysLeft(n.balance, week)
	if n.overdraft.Sign() <= 0 && (n.daysLeft == nil || token.FromInt(a.p.Days).Less(*n.daysLeft)) {
		return nil
	}
	return n
}
