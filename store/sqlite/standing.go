package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"maps"
	"slices"
	"strings"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

const (
	selectCovers      = "SELECT instance_id, requester_type, requester_value, item, version, count, until_ms, line_item FROM cover "
	selectConsumed    = "SELECT instance_id, requester_type, requester_value, line_item, tokens, since_ms FROM consumed "
	whereRequester    = "WHERE (instance_id, requester_type, requester_value) = (?, ?, ?)"
	wherePeriod       = "WHERE (line_item, since_ms) = (?, ?) "
	wherePeriodAfter  = wherePeriod + "AND (requester_type, requester_value) > (?, ?) "
	pageOfRequesters  = "ORDER BY requester_type, requester_value LIMIT ?"
	selectAllocations = "SELECT line_item, action_id, allocation.used FROM line_item JOIN allocation ON line_item = number"

	forgetCovers      = "DELETE FROM cover WHERE until_ms < ?"
	forgetConsumed    = "DELETE FROM consumed WHERE line_item = ?"
	forgetAllocations = "DELETE FROM allocation WHERE line_item = ? AND action_id NOT IN "
	// The periods of a limit are the same for all: one is over when another, later one has begun.
	forgetPeriods = `DELETE FROM consumed WHERE (instance_id, requester_type, requester_value, line_item, since_ms) IN (
		SELECT c.instance_id, c.requester_type, c.requester_value, c.line_item, c.since_ms FROM line_item CROSS JOIN consumed AS c ON c.line_item = number
		WHERE consumption_limit IS NOT NULL AND c.since_ms < (SELECT max(since_ms) FROM consumed WHERE line_item = number AND since_ms <= ?)
		LIMIT ?)`
)

// loadStandings loads what the requesters of a batch and of its sessions have behind them. Without rate tables that have
// windows, and books that have limits, that is nothing, and asks the database nothing.
func (s *Store) loadStandings(ctx context.Context, want store.Want, loaded *store.Loaded) error {
	windows := loaded.Settings.Rates.HasWindows()
	for _, key := range want.Requesters {
		if err := s.loadStanding(ctx, key, windows, loaded); err != nil {
			return err
		}
	}
	for _, session := range loaded.Sessions {
		if session.Requester.Type == "" && session.Requester.Value == "" {
			continue // nothing was granted to it yet
		}
		if err := s.loadStanding(ctx, session.Requester.Key(session.InstanceID), windows, loaded); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) loadStanding(ctx context.Context, key ledger.RequesterKey, windows bool, loaded *store.Loaded) error {
	book := loaded.Books[key.InstanceID]
	ruled := book != nil && book.Ruled()
	if !windows && !ruled || loaded.Standings[key] != nil {
		return nil
	}
	standing := ledger.NewStanding(key)
	loaded.Standings[key] = standing
	if windows {
		rows, err := s.stmts.covers.QueryContext(ctx, key.InstanceID, key.Type, key.Value)
		if err != nil {
			return err
		}
		err = eachCover(rows, func(c *ledger.Cover) error {
			standing.Covers[c.ItemKey] = c
			return nil
		})
		if err != nil {
			return err
		}
	}
	if !ruled {
		return nil
	}
	rows, err := s.stmts.consumed.QueryContext(ctx, key.InstanceID, key.Type, key.Value)
	if err != nil {
		return err
	}
	return eachConsumed(rows, func(c *ledger.Consumed) error {
		standing.Consumed[c.PeriodKey] = c
		return nil
	})
}

func eachCover(rows *sql.Rows, fn func(*ledger.Cover) error) error {
	defer rows.Close()
	for rows.Next() {
		c := new(ledger.Cover)
		var count string
		if err := rows.Scan(&c.InstanceID, &c.Type, &c.Value, &c.Item, &c.Version, &count, &c.UntilMS, &c.Number); err != nil {
			return err
		}
		if err := c.Count.UnmarshalText([]byte(count)); err != nil {
			return err
		}
		if err := fn(c); err != nil {
			return err
		}
	}
	return rows.Err()
}

func eachConsumed(rows *sql.Rows, fn func(*ledger.Consumed) error) error {
	defer rows.Close()
	for rows.Next() {
		c := new(ledger.Consumed)
		var tokens string
		if err := rows.Scan(&c.InstanceID, &c.Type, &c.Value, &c.Number, &tokens, &c.SinceMS); err != nil {
			return err
		}
		if err := c.Tokens.UnmarshalText([]byte(tokens)); err != nil {
			return err
		}
		if err := fn(c); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Standing implements store.Reader.
func (r *reader) Standing(key ledger.RequesterKey) (*ledger.Standing, error) {
	standing := ledger.NewStanding(key)
	err := each(r, eachCover, func(c *ledger.Cover) error {
		standing.Covers[c.ItemKey] = c
		return nil
	}, selectCovers+whereRequester, key.InstanceID, key.Type, key.Value)
	if err != nil {
		return nil, err
	}
	return standing, each(r, eachConsumed, func(c *ledger.Consumed) error {
		standing.Consumed[c.PeriodKey] = c
		return nil
	}, selectConsumed+whereRequester, key.InstanceID, key.Type, key.Value)
}

func (r *reader) EachCover(fn func(*ledger.Cover) error) error {
	return each(r, eachCover, fn, selectCovers)
}

func (r *reader) EachConsumed(fn func(*ledger.Consumed) error) error {
	return each(r, eachConsumed, fn, selectConsumed)
}

func (r *reader) Consumed(of ledger.PeriodKey, after *ledger.RequesterKey, limit int) (all []ledger.Consumed, err error) {
	query, args := selectConsumed+wherePeriod+pageOfRequesters, []any{of.Number, of.SinceMS, limit}
	if after != nil {
		query, args = selectConsumed+wherePeriodAfter+pageOfRequesters, []any{of.Number, of.SinceMS, after.Type, after.Value, limit}
	}
	err = each(r, eachConsumed, func(c *ledger.Consumed) error {
		all = append(all, *c)
		return nil
	}, query, args...)
	return all, err
}

func (t *tx) ForgetConsumed(lineItem int64) error {
	_, err := t.exec(forgetConsumed, lineItem)
	return err
}

// forgetPeriodsAtOnce bounds for how long charges wait while consumption is forgotten.
const forgetPeriodsAtOnce = 5_000

func (s *Store) forgetPeriods(ctx context.Context, settledMS int64) error {
	for forgotten := int64(forgetPeriodsAtOnce); forgotten == forgetPeriodsAtOnce; {
		err := s.transaction(ctx, func() error {
			result, err := s.conn.ExecContext(ctx, forgetPeriods, settledMS, forgetPeriodsAtOnce)
			if err == nil {
				forgotten, err = result.RowsAffected()
			}
			return store.Unavailable(err)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// writeEffects writes how all that follows from a batch's receipts stands after it, always in the same order, so that the same batches
// make the same file.
func (s *Store) writeEffects(ctx context.Context, effects *usage.Effects) error {
	for _, number := range slices.Sorted(maps.Keys(effects.Balances)) {
		b := effects.Balances[number]
		result, err := s.stmts.balance.ExecContext(ctx, b.Used.String(), b.ResetMS, number)
		if err != nil {
			return err
		}
		if err := oneRow(result, "balance of line item", number); err != nil {
			return err
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(effects.Actions), compareActions) {
		used := effects.Actions[key]
		if _, err := s.stmts.putAllocation.ExecContext(ctx, key.Number, key.ActionID, used.String()); err != nil {
			return err
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(effects.Consumed), compareConsumed) {
		tokens := effects.Consumed[key]
		if _, err := s.stmts.consume.ExecContext(ctx, key.InstanceID, key.Type, key.Value, key.Number, key.SinceMS, tokens.String()); err != nil {
			return err
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(effects.Covers), compareCovers) {
		c := effects.Covers[key]
		_, err := s.stmts.putCover.ExecContext(ctx, c.InstanceID, c.Type, c.Value, c.Item, c.Version, c.Count.String(), c.UntilMS, c.Number)
		if err != nil {
			return err
		}
	}
	if err := s.writeHolds(ctx, effects.Holds); err != nil {
		return err
	}
	return s.writeGiven(ctx, s.lastCommit+1, effects.Given)
}

func compareActions(a, b usage.ActionKey) int {
	return cmp.Or(cmp.Compare(a.Number, b.Number), strings.Compare(a.ActionID, b.ActionID))
}

func compareConsumed(a, b usage.ConsumedKey) int {
	return cmp.Or(compareRequesters(a.RequesterKey, b.RequesterKey), cmp.Compare(a.Number, b.Number), cmp.Compare(a.SinceMS, b.SinceMS))
}

func compareCovers(a, b ledger.CoverKey) int {
	return cmp.Or(compareRequesters(a.RequesterKey, b.RequesterKey), strings.Compare(a.Item, b.Item), strings.Compare(a.Version, b.Version))
}

func compareRequesters(a, b ledger.RequesterKey) int {
	return cmp.Or(strings.Compare(a.InstanceID, b.InstanceID), strings.Compare(a.Type, b.Type), strings.Compare(a.Value, b.Value))
}

func anyActions(all []*ledger.LineItem) bool {
	for _, l := range all {
		if len(l.Actions) > 0 {
			return true
		}
	}
	return false
}

// scanAllocations gives actions the use of their allocations.
func scanAllocations(rows *sql.Rows, all []*ledger.LineItem) error {
	defer rows.Close()
	type key struct {
		number int64
		id     string
	}
	actions := map[key]*ledger.Action{}
	for _, l := range all {
		for i := range l.Actions {
			actions[key{l.Number, l.Actions[i].ID}] = &l.Actions[i]
		}
	}
	for rows.Next() {
		var of key
		var text string
		var used token.Amount
		if err := rows.Scan(&of.number, &of.id, &text); err != nil {
			return err
		}
		if err := used.UnmarshalText([]byte(text)); err != nil {
			return err
		}
		if a := actions[of]; a != nil {
			a.Used = used
		}
	}
	return rows.Err()
}

// keepAllocations forgets the use of all allocations but those of the actions that a line item has.
func (t *tx) keepAllocations(l *ledger.LineItem) error {
	args := []any{l.Number}
	for i := range l.Actions {
		args = append(args, l.Actions[i].ID)
	}
	_, err := t.exec(forgetAllocations+"("+strings.TrimSuffix(strings.Repeat("?, ", len(l.Actions)), ", ")+")", args...)
	return err
}
