package period

// Memo remembers the period that was asked for last, since mostly the same is asked for again, and working it out costs many times
// as much as looking. It answers as Frequency.Around does, whatever was asked before; a zero Memo is ready. It is for one goroutine.
type Memo struct {
	every          Frequency
	anchorMS       int64
	lastMS, nextMS int64
}

// Around is Frequency.Around. The frequency must not be never.
func (m *Memo) Around(f Frequency, anchorMS, nowMS int64) (lastMS, nextMS int64) {
	if m.every != f || m.anchorMS != anchorMS || nowMS < m.lastMS || nowMS >= m.nextMS {
		last, next := f.Around(anchorMS, nowMS)
		*m = Memo{f, anchorMS, last, next}
	}
	return m.lastMS, m.nextMS
}
