package ledger

import "github.com/farebox/farebox/token"

// renew begins a recurring line item's next allowance if it is time: nothing was used of it, and nothing of the one before
// is left (decisions.md D24). That follows from the time alone; nobody writes it down when it happens.
func (l *LineItem) renew(nowMS int64) (changed bool) {
	if l.Recurs == "" {
		return false
	}
	began, _ := l.allowance.Around(l.Recurs, l.StartMS, min(max(nowMS, l.StartMS), l.EndMS-1)) // the tolerance adds no allowance
	if began <= l.ResetMS {
		return false // also when the clock was set back
	}
	l.Used, l.ResetMS = token.Amount{}, began // also of what was not recurring before, or it would matter when it is looked at first
	return true
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

// ends returns when what a line item has left is gone: the end of its allowance, or its own.
func (l *LineItem) ends() int64 {
	if l.Recurs == "" || l.ResetMS == 0 {
		return l.EndMS
	}
	_, next := l.allowance.Around(l.Recurs, l.StartMS, l.ResetMS)
	return min(next, l.EndMS)
}
