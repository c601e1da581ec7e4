package engine

import "github.com/farebox/farebox/usage"

// BulkMost is how many charges go into one commit together: about as many as share one in any case, so that a bulk makes nobody
// else wait longer than many single requests would.
const (
	BulkMost      = 1000
	BulkBytesMost = batchBytesMost / 2 // of their bodies, about
)

// Charged is what became of one charge of a bulk, as Charge returns it.
type Charged struct {
	Receipt  *usage.Receipt
	Replayed bool
	Err      error
}

// Bulk makes at most BulkMost charges in their order, each by itself, and returns what became of each once that is durable: all in
// one commit, so that after a crash all are there or none. One that comes with a key of an earlier one is a replay of that.
func (e *Engine) Bulk(charges []*Charge) []Charged {
	if len(charges) == 0 {
		return nil
	}
	all := make([]*request, len(charges))
	for i, c := range charges {
		all[i] = e.charging(c)
	}
	all[0].with = all[1:]
	e.do(all[0])
	out := make([]Charged, len(all))
	for i, r := range all {
		out[i] = Charged{r.receipt, r.replayed, r.err}
	}
	return out
}
