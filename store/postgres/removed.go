package postgres

import (
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/codec"
)

func (r *reader) Removed() (at store.Removed, err error) {
	err = r.each(func(rows pgx.Rows) error { return rows.Scan(&at.Next.Commit, &at.Next.Receipt, &at.EarliestMS) },
		"SELECT journal, receipt, earliest_ms FROM removed")
	return at, err
}

func (r *reader) Opening() (opening []byte, err error) {
	err = r.each(func(rows pgx.Rows) error {
		var packed []byte
		if err := rows.Scan(&packed); err != nil {
			return err
		}
		opening, err = r.s.receipts.Unpack(codec.Zstd, packed)
		return err
	}, "SELECT opening FROM removed")
	return opening, err
}

// RemoveReceipts implements store.Tx. Nobody finds the rows any more (notRemoved); a month of which all are removed is dropped later
// (dropMonths). The newest row stays, since the next one is numbered by it.
func (t *tx) RemoveReceipts(at store.Removed, opening []byte) error {
	last, err := t.LastCommit()
	if err != nil {
		return err
	}
	if at.Next.Commit >= last {
		return fmt.Errorf("commit %d is not older than the newest, %d: its receipts stay", at.Next.Commit, last)
	}
	before, err := t.Removed()
	if err != nil {
		return err
	}
	months, err := t.s.monthsKnown(t.ctx, t.q)
	if err != nil {
		return store.Unavailable(err)
	}
	for _, table := range [...]string{"given", "once"} {
		if _, err := t.exec("DELETE FROM "+table+" WHERE batch IN (SELECT batch FROM journal WHERE month >= $1 AND number > $2 AND number <= $3)",
			months.of(before.Next.Commit+1), before.Next.Commit, at.Next.Commit); err != nil {
			return err
		}
	}
	if _, err := t.exec("UPDATE farebox SET gone = $1, gone_by = pg_current_xact_id()", at.Next.Commit); err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO removed (journal, receipt, earliest_ms, opening) VALUES ($1, $2, $3, $4)
		ON CONFLICT (one) DO UPDATE SET (journal, receipt, earliest_ms, opening) = (excluded.journal, excluded.receipt, excluded.earliest_ms, excluded.opening)`,
		at.Next.Commit, at.Next.Receipt, at.EarliestMS, t.s.receipts.Compress(opening))
	return err
}
