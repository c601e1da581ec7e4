package engine

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// Simulation is what recorded usage would have cost by a draft of a rate table: of the line items that are priced by the
// draft's series, request by request. Balances are not run again: what the draft prices is taken to be granted as it was.
// What it does not price, prices negatively, or has a formula without a value for, would have been refused: variables are
// those of the recorded requests. What covers later use is what would, had the draft taken effect when the period begins.
type Simulation struct {
	FromMS, ToMS int64
	Requests     int64          // that were looked at
	Rows         []SimulatedRow // by account, item and version
	Notes        []string       // what the record does not tell, for people
}

// SimulatedRow is an item as an account used it, net of refunds.
type SimulatedRow struct {
	AccountID string
	Item      string
	Version   string

	Charges   int64        // that were granted
	Count     token.Amount // what they were for, less what was refunded
	OldTokens token.Amount
	NewTokens token.Amount

	Refused       int64         // of Charges: the draft would have refused them
	RefusedStatus ledger.Status // why, of the first
	RefusedTokens token.Amount  // of OldTokens, before refunds

	Denied   int64 // not granted then, of items that the draft prices
	Unpriced int64 // of Denied: for want of a price that could be charged, which the draft has
}

// Difference returns what the draft makes dearer; negative: cheaper.
func (r *SimulatedRow) Difference() token.Amount { return r.NewTokens.Sub(r.OldTokens) }

// Total adds all rows up.
func (s *Simulation) Total() (total SimulatedRow) {
	for i := range s.Rows {
		r := &s.Rows[i]
		total.Charges, total.Refused, total.Denied, total.Unpriced = total.Charges+r.Charges, total.Refused+r.Refused, total.Denied+r.Denied, total.Unpriced+r.Unpriced
		total.OldTokens, total.NewTokens = total.OldTokens.Add(r.OldTokens), total.NewTokens.Add(r.NewTokens)
		total.RefusedTokens = total.RefusedTokens.Add(r.RefusedTokens)
	}
	return total
}

// NotPriced returns the items that were used and that the draft does not price, of all accounts together.
func (s *Simulation) NotPriced() []SimulatedRow {
	byItem := map[ledger.ItemKey]*SimulatedRow{}
	for i := range s.Rows {
		r := &s.Rows[i]
		if r.RefusedStatus != ledger.NotFound {
			continue
		}
		key := ledger.ItemKey{Item: r.Item, Version: r.Version}
		all := byItem[key]
		if all == nil {
			all = &SimulatedRow{Item: r.Item, Version: r.Version}
			byItem[key] = all
		}
		all.Charges, all.OldTokens = all.Charges+r.Charges, all.OldTokens.Add(r.OldTokens)
	}
	return sortedRows(byItem)
}

func sortedRows[K comparable](rows map[K]*SimulatedRow) []SimulatedRow {
	all := make([]SimulatedRow, 0, len(rows))
	for r := range maps.Values(rows) {
		all = append(all, *r)
	}
	slices.SortFunc(all, func(a, b SimulatedRow) int {
		return cmp.Or(cmp.Compare(a.AccountID, b.AccountID), cmp.Compare(a.Item, b.Item), cmp.Compare(a.Version, b.Version))
	})
	return all
}

// Simulate replays recorded usage against a draft, and writes nothing.
func (e *Engine) Simulate(ctx context.Context, replay *Replay) (*Simulation, error) {
	return Simulate(ctx, e.store, replay)
}

// Replay says what to simulate, and within which bounds.
type Replay struct {
	Draft    *rate.Table
	FromMS   int64 // usage time, inclusive
	ToMS     int64 // exclusive
	RowsMost int   // 0: any number
	// FromAny begins later than FromMS if what was used then was removed; else that is refused.
	FromAny bool
	// CoversMost bounds how many charges cover later use at the same time, by the draft and as recorded; 0: SimulatedCoversMost.
	CoversMost int
	Patience   time.Duration // 0: however long it takes

	// Progress is called now and then with the time of the usage that has been replayed so far; nil: nobody asks.
	Progress func(atMS int64)
}

// replayPage is how many receipts are looked at in one view: a view that is held for long keeps the store from tidying up.
const replayPage = 10_000

// Simulate replays recorded usage against a draft. It writes nothing, and holds no more in memory than its rows and
// what covers later use. It fails with a problem: Invalid, or TooLarge when it is past its bounds.
func Simulate(ctx context.Context, s store.Store, replay *Replay) (*Simulation, error) {
	if err := replay.Draft.Validate(); err != nil {
		return nil, err
	}
	if replay.FromAny {
		var removed store.Removed
		err := s.View(ctx, func(r store.Reader) (err error) { removed, err = r.Removed(); return err })
		if err != nil {
			return nil, err
		}
		later := *replay
		later.FromMS = max(replay.FromMS, min(removed.EarliestMS, replay.ToMS-1))
		replay = &later
	}
	switch {
	case outOfTime(&replay.FromMS):
		return nil, noTime("from")
	case outOfTime(&replay.ToMS):
		return nil, noTime("to")
	case replay.ToMS <= replay.FromMS:
		return nil, problem.Field("to", "must be after from")
	}
	m := &simulator{
		Replay: replay, rows: map[simulatedKey]*SimulatedRow{}, series: map[int64]string{},
		filter: usage.Filter{FromMS: replay.FromMS, ToMS: replay.ToMS},
	}
	rate.NewCatalog([]*rate.Table{replay.Draft}) // makes its index
	m.covers = newCovers(replay.Draft, cmp.Or(replay.CoversMost, SimulatedCoversMost))
	m.rates = s.Settings().Rates
	if err := m.run(ctx, s, time.Now()); err != nil {
		return nil, err
	}
	return &Simulation{FromMS: replay.FromMS, ToMS: replay.ToMS, Requests: m.requests, Rows: sortedRows(m.rows), Notes: m.unknown.notes()}, nil
}

type simulatedKey struct {
	accountID string
	ledger.ItemKey
}

type simulator struct {
	*Replay
	filter   usage.Filter
	requests int64
	rows     map[simulatedKey]*SimulatedRow
	series   map[int64]string // of line items, by number, as far as they were looked up
	events   []usage.Event    // of the receipt at hand
	covers   *covers
	rates    *rate.Catalog // that there are
	unknown  unknown
}

func (m *simulator) run(ctx context.Context, s store.Store, started time.Time) error {
	search := m.filter
	for from := (usage.Position{}); ; {
		var next usage.Position
		err := s.View(ctx, func(r store.Reader) (err error) {
			if err := m.there(r); err != nil {
				return err
			}
			next, err = r.Receipts(from, &search, replayPage, func(_ usage.Position, receipt *usage.Receipt) (bool, error) {
				return true, m.replay(r, receipt)
			})
			return err
		})
		if err != nil || next == (usage.Position{}) {
			return err
		}
		if m.Patience > 0 && time.Since(started) > m.Patience {
			return problem.New(problem.TooLarge, "the usage of this period takes longer than %s to replay; choose a shorter one, or run `farebox rates simulate`, "+
				"which takes as long as it needs", m.Patience)
		}
		from, search.FromMS = next, 0 // the position is past it, and need not be searched for again
	}
}

// there refuses what was removed in part, also while it is replayed.
func (m *simulator) there(r store.Reader) error {
	removed, err := r.Removed()
	if err == nil && m.FromMS < removed.EarliestMS {
		err = problem.Field("from", "is before %s, and usage before that was removed (usage.retention); simulate from then on", exact(removed.EarliestMS))
	}
	return err
}

func (m *simulator) replay(r store.Reader, receipt *usage.Receipt) error {
	if !m.filter.MatchReceipt(receipt.InstanceID, receipt.TimeMS) {
		return nil
	}
	m.requests++
	if m.Progress != nil && m.requests%1024 == 0 {
		m.Progress(receipt.TimeMS)
	}
	for i := range receipt.Refunds {
		m.refund(receipt, &receipt.Refunds[i])
	}
	if c := receipt.Correction; c != nil && c.Of == "" {
		return nil // what is adjusted has no price
	}
	m.events = receipt.Events(m.events[:0])
	events := m.events
	for i := range receipt.Refunds {
		events = events[len(receipt.Refunds[i].Slices):]
	}
	for i := range receipt.Items {
		item := &receipt.Items[i]
		if item.Status != ledger.Granted {
			m.denial(receipt, item)
			events = events[1:]
			continue
		}
		if err := m.charge(r, receipt, item, events[:len(item.Slices)]); err != nil {
			return err
		}
		events = events[len(item.Slices):]
	}
	if m.RowsMost > 0 && len(m.rows) > m.RowsMost {
		return problem.New(problem.TooLarge, "the answer has more than %d rows; choose a shorter period, or run `farebox rates simulate`, which has no such bound",
			m.RowsMost)
	}
	return nil
}

func (m *simulator) row(receipt *usage.Receipt, item *usage.Item) *SimulatedRow {
	key := simulatedKey{receipt.AccountID, ledger.ItemKey{Item: item.Item, Version: item.Version}}
	r := m.rows[key]
	if r == nil {
		r = &SimulatedRow{AccountID: key.accountID, Item: key.Item, Version: key.Version}
		m.rows[key] = r
	}
	return r
}

// price returns what the draft charges for one of an item, and otherwise why it charges nothing.
func (m *simulator) price(item *usage.Item) (*rate.Item, token.Amount, ledger.Status) {
	priced := m.Draft.Item(item.Item, item.Version)
	if priced == nil {
		return nil, token.Amount{}, ledger.NotFound
	}
	price, err := priced.Price(item.Variables)
	switch {
	case err != nil:
		return priced, price, ledger.NotEvaluated
	case price.Sign() < 0:
		return priced, price, ledger.NegativeRate
	}
	return priced, price, ledger.Granted
}

// charge replays an item that was granted, as far as the draft's series priced it.
func (m *simulator) charge(r store.Reader, receipt *usage.Receipt, item *usage.Item, events []usage.Event) error {
	var used, tokens token.Amount // counts, and what was paid
	ours := 0
	for i := range events {
		series, err := m.seriesOf(r, item, i)
		if err != nil {
			return err
		}
		if series != m.Draft.Series {
			continue
		}
		ours++
		used, tokens = used.Add(events[i].Count), tokens.Add(events[i].Tokens)
	}
	if ours == 0 {
		return nil
	}
	row := m.row(receipt, item)
	row.Charges++
	row.Count, row.OldTokens = row.Count.Add(used), row.OldTokens.Add(tokens)
	newTokens, status, err := m.decide(receipt, item, used, ours < len(events))
	if status != ledger.Granted {
		row.Refused++
		row.RefusedStatus, row.RefusedTokens = cmp.Or(row.RefusedStatus, status), row.RefusedTokens.Add(tokens)
		return err
	}
	row.NewTokens = row.NewTokens.Add(newTokens)
	return err
}

// decide returns what the draft charges for a count of an item, and otherwise why it charges nothing. Part of the item may have been
// priced by other series.
func (m *simulator) decide(receipt *usage.Receipt, item *usage.Item, count token.Amount, split bool) (token.Amount, ledger.Status, error) {
	priced, price, status := m.price(item)
	hasWindow, hadWindow := priced != nil && priced.Window != 0, !item.CoverCount.IsZero()
	if receipt.Session != nil && priced != nil {
		m.compareTerms(item, priced)
	}
	if !hasWindow && !hadWindow {
		return token.MulHalfEven(count, price), status, nil
	}
	if split {
		m.unknown.note(&m.unknown.split, item)
	}
	o, err := m.covers.charge(receipt, item, count)
	return o.Tokens, o.Status, err
}

// compareTerms takes note of terms whose effect on a session the record does not tell.
func (m *simulator) compareTerms(item *usage.Item, priced *rate.Item) {
	if !item.CoverCount.IsZero() && priced.Window == 0 && item.Covered.IsZero() {
		m.unknown.note(&m.unknown.uncovered, item)
	}
	for i := range item.Slices {
		s := &item.Slices[i]
		if s.Series != m.Draft.Series || s.TableVersion == "" {
			continue
		}
		if was := m.rates.Find(s.Series, s.TableVersion).Item(item.Item, item.Version); was != nil && was.FreeSeconds != priced.FreeSeconds {
			m.unknown.note(&m.unknown.freed, item)
			return
		}
	}
}

// seriesOf returns the series that priced a slice. What was covered by a charge before was not priced; it is of the series of
// the line item that paid.
func (m *simulator) seriesOf(r store.Reader, item *usage.Item, i int) (string, error) {
	s := &item.Slices[i]
	if s.TableVersion != "" {
		return s.Series, nil
	}
	series, known := m.series[s.Number]
	if known {
		return series, nil
	}
	l, err := r.LineItem(s.ActivationID)
	if err == nil && l != nil {
		series = l.Series
	}
	m.series[s.Number] = series
	return series, err
}

// refund replays what a session gave back: the same part of the new charge as of the old one, and nothing of one that covers a
// window.
func (m *simulator) refund(receipt *usage.Receipt, item *usage.Item) {
	priced, price, status := m.price(item)
	for i := range item.Slices {
		s := &item.Slices[i]
		if s.Series != m.Draft.Series || s.Rate.IsZero() {
			continue // of what cost nothing, nothing is recorded
		}
		row := m.row(receipt, item)
		row.OldTokens = row.OldTokens.Sub(s.Tokens)
		row.Count = row.Count.Sub(token.MulDivHalfEven(s.Tokens, one, s.Rate))
		if status == ledger.Granted && priced.Window == 0 {
			row.NewTokens = row.NewTokens.Sub(token.MulDivHalfEven(s.Tokens, price, s.Rate))
		}
	}
}

var one = token.FromInt(1)

// denial counts an item that was not granted. It is not known which series would have priced it: those that the draft prices
// are of interest.
func (m *simulator) denial(receipt *usage.Receipt, item *usage.Item) {
	_, _, status := m.price(item)
	if status != ledger.Granted {
		return
	}
	row := m.row(receipt, item)
	row.Denied++
	switch item.Status {
	case ledger.NotFound, ledger.NotEvaluated, ledger.NegativeRate:
		row.Unpriced++
	}
}
