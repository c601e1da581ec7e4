package ledger

import "github.com/farebox/farebox/token"

// ahead is what a line item stands at by its record, while it shows an allowance that nothing was booked of: looking is not
// booking, or what is decided late would depend on who has looked meanwhile, and on which of them a store remembers.
type ahead struct {
	used    token.Amount
	resetMS int64
	began   bool // one after resetMS
	booked  int  // so often since, less what was undone
}

func (a *ahead) unbooked() bool { return a.began && a.booked == 0 }

// renew brings a recurring line item to the allowance of a time. Of one that begins nothing is used, and nothing of the one before is
// left (decisions.md D24). That follows from the record and the time alone; nobody writes it down when it happens.
func (l *LineItem) renew(nowMS int64) (changed bool) {
	began := l.BegunMS
	if l.Recurs != "" {
		since, _ := l.allowance.Around(l.Recurs, l.StartMS, min(max(nowMS, l.StartMS), l.EndMS-1)) // the tolerance adds no allowance
		began = max(began, since)
	}
	if l.ahead.unbooked() && began < l.ResetMS {
		l.Stand(l.ahead.used, l.ahead.resetMS)
		changed = true
	}
	if began <= l.ResetMS {
		return changed // also when the clock was set back
	}
	l.begin(began)
	return true
}

// begin has a line item show the allowance that began at resetMS.
func (l *LineItem) begin(resetMS int64) {
	if !l.ahead.unbooked() {
		l.ahead = ahead{used: l.Used, resetMS: l.ResetMS, began: true}
	}
	l.Used, l.ResetMS = token.Amount{}, resetMS // also of what was not recurring before, or it would matter when it is looked at first
}

// running returns when the allowance began of which something may be taken now, or may have been; one of a line item that starts later does not run yet.
func (l *LineItem) running(nowMS int64) int64 {
	if nowMS < l.StartMS-Tolerance {
		return max(l.BegunMS, l.ResetMS)
	}
	shown := *l
	shown.At(nowMS)
	return shown.ResetMS
}

// Stand has a line item stand as its record says: what is used of it, of the allowance that began at resetMS.
func (l *LineItem) Stand(used token.Amount, resetMS int64) {
	l.Used, l.ResetMS, l.ahead = used, resetMS, ahead{}
}

// At brings a line item to a time, for those who show it.
func (l *LineItem) At(nowMS int64) { l.renew(nowMS) }

// At brings the recurring line items of a book to a time, and all into the order in which they are drawn then.
func (b *Book) At(nowMS int64) {
	if !b.recurring {
		return
	}
	changed := false
	for _, l := range b.LineItems {
		changed = l.renew(nowMS) || changed
	}
	if changed {
		b.Sort()
	}
	if changed && b.holds != nil {
		b.recount()
	}
}

// reach begins the allowances of which something is kept, where the clock was set back to before they began: what is taken from them is used of
// them, and as with a charge they stay then.
func (b *Book) reach(kept [][]Share) {
	changed := false
	for _, of := range kept {
		for i := range of {
			if l := b.mustHave(of[i].Number); l.ResetMS < of[i].ResetMS {
				l.begin(of[i].ResetMS)
				b.recurring, changed = true, true
			}
		}
	}
	if !changed {
		return
	}
	b.Sort()
	if b.holds != nil {
		b.recount()
	}
}

// ends returns when what a line item has left is gone: the end of its allowance, or its own.
func (l *LineItem) ends() int64 {
	if l.Recurs == "" || l.ResetMS == 0 {
		return l.EndMS
	}
	_, next := l.allowance.Around(l.Recurs, l.StartMS, l.ResetMS)
	return min(next, l.EndMS)
}
