// Package linear tells whether what concurrent callers of the HTTP API were answered could have been answered to them one after the other:
// whether it is linearizable. What that means for a charge is said by a model, the book of one line item, which fits on a page and
// knows nothing of the product. Porcupine does the searching.
package linear

import (
	"fmt"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// Verb is what was asked for.
type Verb int

// The verbs.
const (
	Charge  Verb = iota // Amount tokens, or as many as there are
	TopUp               // the quantity is Amount from now on
	Refund              // a session that was charged Amount ends at once
	Read                // how the line item stands
	Session             // Amount tokens, all of them, by a session
	Hold                // Amount tokens are kept back, all of them, or leased
	Settle              // of Held tokens that are kept Amount are paid, and the rest returns; more than that come from the book, whatever it has
	Part                // the same, and the rest is still kept
	Release             // Held tokens return
	Balance             // how the line item stands, with what is held
)

// Ask is a request about one line item.
type Ask struct {
	LineItem string
	Verb     Verb
	Amount   int
	Partial  bool
	Key      string // of Charge, Settle and Part: it counts once
	Held     int    // of Settle, Part and Release: what the hold keeps
}

// Told is its answer: what was charged or held, or how the line item stands.
type Told struct{ Tokens, Used, Quantity, Held int }

// book is all that matters of a line item. Books can be compared.
type book struct {
	quantity, used, held int
	keys                 string // "key=tokens;" for each that was used, in that order
}

// Overdraft is what may be charged past the quantity, Quantity what it is at first.
const (
	Overdraft = 3
	Quantity  = 20
)

func (b book) step(a Ask, t Told) (bool, book) {
	switch a.Verb {
	case TopUp:
		b.quantity = a.Amount
		return t.Used == b.used && t.Quantity == b.quantity, b
	case Read:
		return t.Used == b.used && t.Quantity == b.quantity, b
	case Balance:
		return t.Used == b.used && t.Quantity == b.quantity && t.Held == b.held, b
	case Release:
		b.held -= a.Held
		return b.held >= 0, b
	case Refund:
		b.used -= a.Amount
		return b.used >= 0, b
	}
	if _, after, again := strings.Cut(b.keys, ";"+a.Key+"="); a.Key != "" && again {
		var first int
		_, err := fmt.Sscanf(after, "%d;", &first)
		return err == nil && t.Tokens == first, b
	}
	if a.Verb == Settle || a.Verb == Part {
		b.used += a.Amount
		b.held -= a.Held
		if a.Verb == Part {
			b.held += max(0, a.Held-a.Amount)
		}
		b.remember(a.Key, a.Amount)
		return t.Tokens == a.Amount && b.held >= 0, b
	}
	left := max(0, b.quantity+Overdraft-b.used-b.held)
	tokens := a.Amount
	if tokens > left {
		tokens = 0
		if a.Partial {
			tokens = left
		}
	}
	if a.Verb == Hold {
		b.held += tokens
	} else {
		b.used += tokens
	}
	b.remember(a.Key, tokens)
	return t.Tokens == tokens, b
}

func (b *book) remember(key string, tokens int) {
	if key != "" {
		b.keys += fmt.Sprintf(";%s=%d;", key, tokens)
	}
}

var model = porcupine.Model{
	Partition: func(history []porcupine.Operation) (parts [][]porcupine.Operation) {
		at := map[string]int{}
		for _, op := range history {
			name := op.Input.(Ask).LineItem
			if _, there := at[name]; !there {
				at[name] = len(parts)
				parts = append(parts, nil)
			}
			parts[at[name]] = append(parts[at[name]], op)
		}
		return parts
	},
	Init: func() any { return book{quantity: Quantity} },
	Step: func(state, input, output any) (bool, any) { return state.(book).step(input.(Ask), output.(Told)) },
	DescribeOperation: func(input, output any) string {
		return fmt.Sprintf("%+v -> %+v", input, output)
	},
}

// patience is how long is searched; a history of a test takes a fraction of it.
const patience = 2 * time.Minute

// Check searches for an order. It is porcupine.Unknown when none was found in time.
func Check(history []porcupine.Operation) porcupine.CheckResult {
	return porcupine.CheckOperationsTimeout(model, history, patience)
}
