package postgres

import (
	"github.com/jackc/pgx/v5"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

const (
	selectCovers      = "SELECT instance_id, requester_type, requester_value, item, version, count, until_ms, line_item FROM cover "
	selectConsumed    = "SELECT instance_id, requester_type, requester_value, line_item, tokens, since_ms FROM consumed "
	whereRequester    = "WHERE (instance_id, requester_type, requester_value) = ($1, $2, $3)"
	wherePeriod       = "WHERE (line_item, since_ms) = ($1, $2) "
	pageOfRequesters  = wherePeriod + "ORDER BY requester_type, requester_value LIMIT $3"
	laterRequesters   = wherePeriod + "AND (requester_type, requester_value) > ($4, $5) ORDER BY requester_type, requester_value LIMIT $3"
	selectAllocations = "SELECT line_item, action_id, used FROM allocation WHERE line_item = ANY($1)"

	forgetConsumed    = "DELETE FROM consumed WHERE line_item = $1"
	forgetAllocations = "DELETE FROM allocation WHERE line_item = $1 AND action_id <> ALL($2)"

	updateBalances = `WITH done AS (UPDATE balance SET used = n.used, reset_ms = n.reset_ms, charged = true
		FROM unnest($1::bigint[], $2::text[], $3::bigint[]) AS n (line_item, used, reset_ms) WHERE balance.line_item = n.line_item RETURNING 1)
		SELECT must_be(count(*), $4, 'balances') FROM done`
	putAllocations = `INSERT INTO allocation (line_item, action_id, used) SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[])
		ON CONFLICT (line_item, action_id) DO UPDATE SET used = excluded.used`
	putConsumed = `INSERT INTO consumed (instance_id, requester_type, requester_value, line_item, since_ms, tokens)
		SELECT * FROM unnest($1::text[], $2::bytea[], $3::bytea[], $4::bigint[], $5::bigint[], $6::text[])
		ON CONFLICT (instance_id, requester_type, requester_value, line_item, since_ms) DO UPDATE SET tokens = excluded.tokens`
	putCovers = `INSERT INTO cover (instance_id, requester_type, requester_value, item, version, count, until_ms, line_item)
		SELECT * FROM unnest($1::text[], $2::bytea[], $3::bytea[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::bigint[])
		ON CONFLICT (instance_id, requester_type, requester_value, item, version)
		DO UPDATE SET (count, until_ms, line_item) = (excluded.count, excluded.until_ms, excluded.line_item)`
)

// queueEffects has written how all that follows from a batch's receipts stands after it. Moved becomes the number of the last move of a hold, if there is any.
func queueEffects(b *pgx.Batch, effects *usage.Effects, moved *int64) error {
	if n := len(effects.Balances); n > 0 {
		var numbers, resets []int64
		var used []string
		for number, of := range effects.Balances {
			numbers, used, resets = append(numbers, number), append(used, of.Used.String()), append(resets, of.ResetMS)
		}
		b.Queue(updateBalances, numbers, used, resets, n)
	}
	if len(effects.Actions) > 0 {
		var numbers []int64
		var actions, used []string
		for key, of := range effects.Actions {
			numbers, actions, used = append(numbers, key.Number), append(actions, key.ActionID), append(used, of.String())
		}
		b.Queue(putAllocations, numbers, actions, used)
	}
	queueConsumed(b, effects)
	queueCovers(b, effects)
	return queueHoldEffects(b, effects.Holds, moved)
}

func queueConsumed(b *pgx.Batch, effects *usage.Effects) {
	if len(effects.Consumed) == 0 {
		return
	}
	var of requesters
	var numbers, since []int64
	var tokens []string
	for key, consumed := range effects.Consumed {
		of.add(key.RequesterKey)
		numbers, since, tokens = append(numbers, key.Number), append(since, key.SinceMS), append(tokens, consumed.String())
	}
	b.Queue(putConsumed, of.instances, of.types, of.values, numbers, since, tokens)
}

func queueCovers(b *pgx.Batch, effects *usage.Effects) {
	if len(effects.Covers) == 0 {
		return
	}
	var of requesters
	var items, versions, counts []string
	var until, numbers []int64
	for _, c := range effects.Covers {
		of.add(c.RequesterKey)
		items, versions, counts = append(items, c.Item), append(versions, c.Version), append(counts, c.Count.String())
		until, numbers = append(until, c.UntilMS), append(numbers, c.Number)
	}
	b.Queue(putCovers, of.instances, of.types, of.values, items, versions, counts, until, numbers)
}

func scanCover(rows pgx.Rows, c *ledger.Cover) error {
	var kind, value []byte
	var count string
	if err := rows.Scan(&c.InstanceID, &kind, &value, &c.Item, &c.Version, &count, &c.UntilMS, &c.Number); err != nil {
		return err
	}
	c.Type, c.Value = string(kind), string(value)
	return c.Count.UnmarshalText([]byte(count))
}

func scanConsumed(rows pgx.Rows, c *ledger.Consumed) error {
	var kind, value []byte
	var tokens string
	if err := rows.Scan(&c.InstanceID, &kind, &value, &c.Number, &tokens, &c.SinceMS); err != nil {
		return err
	}
	c.Type, c.Value = string(kind), string(value)
	return c.Tokens.UnmarshalText([]byte(tokens))
}

func (r *reader) EachCover(fn func(*ledger.Cover) error) error {
	return eachOf(r, scanCover, fn, selectCovers)
}

func (r *reader) EachConsumed(fn func(*ledger.Consumed) error) error {
	return eachOf(r, scanConsumed, fn, selectConsumed)
}

func (r *reader) Consumed(of ledger.PeriodKey, after *ledger.RequesterKey, limit int) ([]ledger.Consumed, error) {
	if after != nil {
		return collect(r, scanConsumed, selectConsumed+laterRequesters, of.Number, of.SinceMS, limit, []byte(after.Type), []byte(after.Value))
	}
	return collect(r, scanConsumed, selectConsumed+pageOfRequesters, of.Number, of.SinceMS, limit)
}

// Standing implements store.Reader.
func (r *reader) Standing(key ledger.RequesterKey) (*ledger.Standing, error) {
	standing := ledger.NewStanding(key)
	covers, err := collect(r, scanCover, selectCovers+whereRequester, key.InstanceID, []byte(key.Type), []byte(key.Value))
	if err != nil {
		return nil, err
	}
	for i := range covers {
		standing.Covers[covers[i].ItemKey] = &covers[i]
	}
	consumed, err := collect(r, scanConsumed, selectConsumed+whereRequester, key.InstanceID, []byte(key.Type), []byte(key.Value))
	for i := range consumed {
		standing.Consumed[consumed[i].PeriodKey] = &consumed[i]
	}
	return standing, err
}

func (t *tx) ForgetConsumed(lineItem int64) error {
	_, err := t.exec(forgetConsumed, lineItem)
	return err
}

func anyActions(all []*ledger.LineItem) bool {
	for _, l := range all {
		if len(l.Actions) > 0 {
			return true
		}
	}
	return false
}

// ruledNumbers are those of the line items that have actions.
func ruledNumbers(all []*ledger.LineItem) (numbers []int64) {
	for _, l := range all {
		if len(l.Actions) > 0 {
			numbers = append(numbers, l.Number)
		}
	}
	return numbers
}

// scanAllocations gives actions the use of their allocations.
func scanAllocations(all []*ledger.LineItem) func(pgx.Rows) error {
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
	return func(rows pgx.Rows) error {
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
		return nil
	}
}

// keepAllocations forgets the use of all allocations but those of the actions that a line item has.
func (t *tx) keepAllocations(l *ledger.LineItem) error {
	ids := make([]string, len(l.Actions))
	for i := range l.Actions {
		ids[i] = l.Actions[i].ID
	}
	_, err := t.exec(forgetAllocations, l.Number, ids)
	return err
}
