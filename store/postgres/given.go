package postgres

import (
	"github.com/go-json-experiment/json"
	"github.com/jackc/pgx/v5"

	"github.com/farebox/farebox/store/codec"
	"github.com/farebox/farebox/usage"
)

const (
	selectGiven  = "SELECT charge, refund, body FROM given "
	insertGiven  = "INSERT INTO given (charge, number, refund, batch, body) SELECT $1, count(*) + 1, $2, $3, $4 FROM given WHERE charge = $1"
	selectMadeAt = `SELECT codec, receipts FROM journal WHERE time_ms = $1 AND month >= $3` + notRemoved + `
		UNION ALL (SELECT codec, receipts FROM journal WHERE time_ms < $1 AND month >= $3` + notRemoved + `ORDER BY time_ms DESC LIMIT $2)`
	commitsBefore = 16 // that are looked at for a receipt, since the clocks of servers differ
)

func scanGiven(rows pgx.Rows, g *usage.GivenBack) error {
	var body []byte
	if err := rows.Scan(&g.Of, &g.CorrelationID, &body); err != nil {
		return err
	}
	return json.Unmarshal(body, g)
}

func (r *reader) EachGiven(fn func(*usage.GivenBack) error) error {
	return eachOf(r, scanGiven, fn, selectGiven)
}

func (r *reader) Given(correlationID string) ([]usage.GivenBack, error) {
	return collect(r, scanGiven, selectGiven+"WHERE charge = $1 ORDER BY number", correlationID)
}

// queueGiven asks for what was given back of the charges that a batch may refund, whose instances are locked.
func (l *loading) queueGiven(b *pgx.Batch) {
	charges := distinct(l.want.Charges)
	if len(charges) == 0 {
		return
	}
	l.loaded.Given = map[string][]usage.GivenBack{}
	b.Queue(selectGiven+"WHERE charge = ANY($1) ORDER BY charge, number", charges).Query(func(rows pgx.Rows) error {
		return eachRow(rows, func(rows pgx.Rows) error {
			var g usage.GivenBack
			if err := scanGiven(rows, &g); err != nil {
				return err
			}
			l.loaded.Given[g.Of] = append(l.loaded.Given[g.Of], g)
			return nil
		})
	})
}

func queueGivenBack(b *pgx.Batch, batch [16]byte, given []usage.GivenBack) error {
	for i := range given {
		body, err := json.Marshal(&given[i])
		if err != nil {
			return err
		}
		b.Queue(insertGiven, given[i].Of, given[i].CorrelationID, batch, body)
	}
	return nil
}

// Receipt implements store.Reader.
func (r *reader) Receipt(correlationID string, madeMS int64) (found *usage.Receipt, err error) {
	err = r.each(func(rows pgx.Rows) error {
		var row journalRow
		if err := rows.Scan(&row.codec, &row.receipts); err != nil || found != nil {
			return err
		}
		lines, err := r.s.receipts.Unpack(row.codec, row.receipts)
		if err != nil {
			return err
		}
		found, err = codec.Find(lines, correlationID)
		return err
	}, selectMadeAt, madeMS, commitsBefore, monthOf(madeMS).AddDate(0, -1, 0))
	return found, err
}
