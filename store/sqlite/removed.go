package sqlite

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/codec"
)

func (r *reader) Removed() (at store.Removed, err error) {
	err = r.q.QueryRowContext(r.ctx, "SELECT journal, receipt, earliest_ms FROM removed").Scan(&at.Next.Commit, &at.Next.Receipt, &at.EarliestMS)
	if errors.Is(err, sql.ErrNoRows) {
		return store.Removed{}, nil
	}
	return at, store.Unavailable(err)
}

func (r *reader) Opening() (opening []byte, err error) {
	err = r.q.QueryRowContext(r.ctx, "SELECT opening FROM removed").Scan(&opening)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err == nil {
		opening, err = r.s.receipts.Unpack(codec.Zstd, opening)
	}
	return opening, store.Unavailable(err)
}

// RemoveReceipts implements store.Tx. The newest row stays, since the next one is numbered by it.
func (t *tx) RemoveReceipts(at store.Removed, opening []byte) error {
	if at.Next.Commit >= t.s.lastCommit {
		return fmt.Errorf("commit %d is not older than the newest, %d: its receipts stay", at.Next.Commit, t.s.lastCommit)
	}
	for _, query := range [...]string{"DELETE FROM journal WHERE number <= ?", "DELETE FROM once WHERE journal <= ?", removeGiven} {
		if _, err := t.exec(query, at.Next.Commit); err != nil {
			return err
		}
	}
	_, err := t.exec(`INSERT INTO removed (one, journal, receipt, earliest_ms, opening) VALUES (1, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET (journal, receipt, earliest_ms, opening) = (excluded.journal, excluded.receipt, excluded.earliest_ms, excluded.opening)`,
		at.Next.Commit, at.Next.Receipt, at.EarliestMS, t.s.receipts.Compress(opening))
	t.removed = at.Next.Commit
	return err
}
