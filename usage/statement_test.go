package usage

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/token"
)

// day is a day of 2026, counted from the 1st of January, at noon; a negative one is in 2025.
func day(n int64) int64 {
	return time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC).UnixMilli() + n*24*60*60*1000
}

func month(m time.Month) int64 { return time.Date(2026, m, 1, 0, 0, 0, 0, time.UTC).UnixMilli() }

// tale is what a line item was told to be and what was moved, from which months are stated.
type tale struct {
	told  []Told
	moves []move
}

type move struct {
	ms, tokens, allowanceMS int64 // negative tokens are a refund
}

func (t *tale) tell(ms, quantity, endMS int64, change func(*ledger.LineItem)) {
	l := ledger.LineItem{ActivationID: "a", State: ledger.Deployed, Elastic: true, Quantity: quantity, StartMS: month(1), EndMS: endMS, Kind: ledger.Paid,
		UnitPrice: token.FromInt(2), Currency: "EUR"}
	if change != nil {
		change(&l)
	}
	t.told = append(t.told, Told{ms, l})
}

func (t *tale) state(of time.Month) *Statement {
	fromMS, toMS := month(of), month(of+1)
	cuts, moved := Cuts(t.told, fromMS, toMS), map[MovedKey]Moved{}
	for _, m := range t.moves {
		if m.ms >= toMS {
			continue
		}
		key := MovedKey{LineKey: LineKey{"", "a"}, AllowanceMS: m.allowanceMS, ItemKey: ledger.ItemKey{Item: "x"}, Refund: m.tokens < 0}
		for key.Cut < len(cuts) && cuts[key.Cut] <= m.ms {
			key.Cut++
		}
		sum := moved[key]
		sum.Tokens, sum.LastMS = sum.Tokens.Add(token.FromInt(max(m.tokens, -m.tokens))), m.allowanceMS
		if sum.Money == nil {
			sum.Money = map[string]token.Amount{}
		}
		sum.Money["EUR"] = sum.Money["EUR"].Add(token.FromInt(2 * m.tokens))
		moved[key] = sum
	}
	return NewStatement(t.told, moved, fromMS, toMS)
}

func words(s *Statement) string {
	if len(s.Lines) == 0 {
		return "nothing"
	}
	l := &s.Lines[0]
	var out []string
	for _, one := range []struct {
		name string
		a    token.Amount
	}{
		{"opening", l.Opening}, {"purchased", l.Purchased}, {"granted", l.Granted}, {"used", l.Used}, {"refunded", l.Refunded}, {"expired", l.Expired},
		{"withdrawn", l.Withdrawn}, {"closing", l.Closing}, {"ended", l.OverdraftEnded}, {"bill", l.OverdraftToBill},
	} {
		if !one.a.IsZero() {
			out = append(out, fmt.Sprint(one.name, " ", one.a))
		}
	}
	if m := l.Money; len(m) == 1 {
		out = append(out, fmt.Sprintf("money %s %s %s %s", m[0].Recognised, m[0].Deferred, m[0].Breakage, m[0].Overdraft))
	}
	return strings.Join(out, ", ")
}

func TestStatements(t *testing.T) {
	far := day(1000)
	monthly := func(l *ledger.LineItem) { l.Recurs = period.Monthly }
	gone := func(l *ledger.LineItem) { l.Deleted = true }
	for _, c := range []struct {
		name string
		tale tale
		tell func(*tale)
		want []string // January, February, March
	}{
		{"bought, used, raised, lowered", tale{moves: []move{{ms: day(3), tokens: 30}, {ms: day(4), tokens: -5}, {ms: day(40), tokens: 10}}}, func(t *tale) {
			t.tell(day(1), 100, far, nil)
			t.tell(day(33), 150, far, nil)
			t.tell(day(35), 140, far, nil)
		}, []string{
			"purchased 100, used 30, refunded 5, closing 75, money 50 150 0 0",
			"opening 75, purchased 50, used 10, withdrawn 10, closing 105, money 20 210 0 0",
			"opening 105, closing 105, money 0 210 0 0",
		}},
		{"what is left expires; a late refund with it", tale{moves: []move{{ms: day(3), tokens: 30}, {ms: day(45), tokens: -5}}}, func(t *tale) {
			t.tell(day(1), 100, day(40), nil)
		}, []string{"purchased 100, used 30, closing 70, money 60 140 0 0", "opening 70, refunded 5, expired 75, money -10 0 150 0", "nothing"}},
		{"it ends with the month", tale{}, func(t *tale) { t.tell(day(1), 100, month(2), nil) }, []string{
			"purchased 100, closing 100, money 0 200 0 0", "opening 100, expired 100, money 0 0 200 0", "nothing",
		}},
		{"deleted and mapped again", tale{moves: []move{{ms: day(3), tokens: 30}}}, func(t *tale) {
			t.tell(day(1), 100, far, nil)
			t.tell(day(33), 100, far, gone)
			t.tell(day(62), 100, far, nil)
		}, []string{
			"purchased 100, used 30, closing 70, money 60 140 0 0", "opening 70, withdrawn 70, money 0 0 0 0", "purchased 70, closing 70, money 0 140 0 0",
		}},
		{"overdraft, paid for by a later purchase", tale{moves: []move{{ms: day(3), tokens: 120}}}, func(t *tale) {
			t.tell(day(1), 100, far, nil)
			t.tell(day(33), 150, far, nil)
		}, []string{
			"purchased 100, used 120, closing -20, bill 20, money 240 0 0 40", "opening -20, purchased 50, closing 30, bill -20, money 0 60 0 -40",
			"opening 30, closing 30, money 0 60 0 0",
		}},
		{"allowances: what is left expires, overdraft is billed", tale{moves: []move{
			{ms: day(3), tokens: 70, allowanceMS: month(1)}, {ms: day(33), tokens: 130, allowanceMS: month(2)}, {ms: day(34), tokens: -4, allowanceMS: month(1)},
		}}, func(t *tale) { t.tell(day(1), 100, far, monthly) }, []string{
			"purchased 100, used 70, closing 30, money 140 60 0 0",
			"opening 30, granted 100, used 130, refunded 4, expired 34, closing -30, bill 30, money 252 0 68 60",
			"opening -30, granted 130, closing 100, ended 30, money 0 200 0 0",
		}},
		{"inactive keeps its balance, obsolete does not", tale{}, func(t *tale) {
			t.tell(day(1), 100, far, nil)
			t.tell(day(33), 100, far, func(l *ledger.LineItem) { l.State = ledger.Inactive })
			t.tell(day(62), 100, far, func(l *ledger.LineItem) { l.State = ledger.Obsolete })
		}, []string{"purchased 100, closing 100, money 0 200 0 0", "opening 100, closing 100, money 0 200 0 0", "opening 100, withdrawn 100, money 0 0 0 0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.tell(&c.tale)
			for i, want := range c.want {
				if got := words(c.tale.state(time.Month(i + 1))); got != want {
					t.Errorf("month %d:\n%s\nexpected\n%s", i+1, got, want)
				}
			}
		})
	}
}
