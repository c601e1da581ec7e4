package ledger

import (
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/token"
)

// Adjust says what it means to take tokens of a line item for no item, or to give some back (tokens below 0), and changes nothing, but that a
// recurring allowance that is over begins anew. Rules and limits have no part in it. It fails with a problem Conflict where the line item
// does not have as much to give, or has not as much use to give back.
func Adjust(l *LineItem, nowMS int64, tokens token.Amount) (Outcome, error) {
	l.At(nowMS)
	if l.Used.Add(tokens).Sign() < 0 {
		return Outcome{}, problem.New(problem.Conflict, "tokens: %s tokens are used of %s, and no more can be given back; a top-up adds to what was bought", l.Used, l.ActivationID)
	}
	if left := l.Balance(); tokens.Sign() > 0 && left.Add(l.OverdraftLeft()).Less(tokens) {
		return Outcome{}, problem.New(problem.Conflict, "tokens: line item %s has %s tokens left, and may be overdrawn by %s more", l.ActivationID, left, l.OverdraftLeft())
	}
	before := l.OverdraftUsed()
	after := *l
	after.Used = l.Used.Add(tokens)
	return Outcome{Status: Granted, Tokens: tokens, Slices: []Slice{{LineItem: l, Tokens: tokens, Overdraft: after.OverdraftUsed().Sub(before), ResetMS: l.ResetMS}}}, nil
}
