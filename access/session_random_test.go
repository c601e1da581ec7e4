package access

import (
	"cmp"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"pgregory.net/rapid"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/token"
)

// model is a session as the rules tell it, by what each use has cost so far: nothing is charged or refunded in it.
type model struct {
	state             State
	reason            Reason
	nowMS, idleMS     int64
	fromMS, untilMS   int64
	beatByMS          int64 // 0: none is owed
	periodMS, awakeMS int64
	uses              []*modelUse
	covers            map[string]modelCover
	windows, ended    *big.Rat // paid for windows, and for uses that have ended
}

type modelUse struct {
	name          string
	perPeriod     *big.Rat
	sinceMS, free int64
	before        *big.Rat // what the use cost before the period that runs
}

type modelCover struct{ count, untilMS int64 }

type modelItem struct {
	price        int64
	free, window time.Duration
}

// modelItems are those of prices.
var modelItems = map[string]modelItem{
	"x": {price: 1}, "y": {price: 3}, "z": {}, "f": {price: 6, free: 5 * time.Minute}, "g": {price: 6, free: 150 * time.Minute},
	"w": {price: 8, window: 3 * time.Hour}, "v": {price: 8, window: 90 * time.Minute},
}

func newModel() *model {
	return &model{state: Idle, nowMS: t0, idleMS: t0, covers: map[string]modelCover{}, windows: new(big.Rat), ended: new(big.Rat)}
}

type asked struct {
	name  string
	count int64
}

// used is what the period that runs has cost of a use until now.
func (m *model) used(u *modelUse) *big.Rat {
	return new(big.Rat).Mul(u.perPeriod, big.NewRat(m.nowMS-m.fromMS, m.untilMS-m.fromMS))
}

func (m *model) end(u *modelUse, cost *big.Rat) {
	if m.nowMS-u.sinceMS >= u.free {
		m.ended.Add(m.ended, cost)
	}
}

func (m *model) stop() {
	for _, u := range m.uses {
		m.end(u, new(big.Rat).Add(u.before, m.used(u)))
	}
	m.uses, m.fromMS, m.untilMS, m.beatByMS = nil, 0, 0, 0
}

func (m *model) terminate(why Reason) {
	m.stop()
	m.state, m.reason = Terminated, why
}

// charge is what a period of so many of an item costs, but for a window, which it pays for.
func (m *model) charge(a asked) *big.Rat {
	item := modelItems[a.name]
	if item.window == 0 {
		return big.NewRat(item.price*a.count, 1)
	}
	c := m.covers[a.name]
	if c.untilMS <= m.nowMS {
		c = modelCover{0, m.nowMS + item.window.Milliseconds()}
	}
	if more := a.count - c.count; more > 0 {
		m.windows.Add(m.windows, big.NewRat(item.price*more, 1))
		c.count = a.count
	}
	m.covers[a.name] = c
	return new(big.Rat)
}

func (m *model) ask(items []asked) {
	old, next := m.uses, []*modelUse{}
	for _, a := range items {
		u := &modelUse{name: a.name, sinceMS: m.nowMS, free: modelItems[a.name].free.Milliseconds(), before: new(big.Rat)}
		if i := slices.IndexFunc(old, func(o *modelUse) bool { return o.name == a.name }); i >= 0 {
			u.sinceMS, u.before = old[i].sinceMS, new(big.Rat).Add(old[i].before, m.used(old[i]))
			old = slices.Delete(slices.Clone(old), i, i+1)
		}
		u.perPeriod = m.charge(a)
		next = append(next, u)
	}
	for _, u := range old {
		m.end(u, new(big.Rat).Add(u.before, m.used(u)))
	}
	m.state, m.uses, m.fromMS, m.untilMS, m.beatByMS = Active, next, m.nowMS, m.nowMS+m.periodMS, 0
}

func (m *model) halt() {
	if m.state == Active {
		m.stop()
		m.state, m.idleMS = Idle, m.nowMS
	}
}

// reach lets time pass, and does what is due meanwhile.
func (m *model) reach(nowMS int64, counts func() []asked) {
	for m.state != Terminated {
		due := m.untilMS
		if m.state == Idle {
			due = m.idleMS + 30*24*time.Hour.Milliseconds()
		}
		beat := m.beatByMS != 0 && m.beatByMS <= due
		if beat {
			due = m.beatByMS
		}
		if due > nowMS {
			break
		}
		if beat && due <= m.awakeMS {
			m.beatByMS = m.awakeMS + (m.untilMS-m.fromMS)/2
			continue
		}
		m.reached(due)
		switch {
		case m.state == Idle:
			m.terminate(Lapsed)
		case beat:
			for _, u := range m.uses {
				m.end(u, u.before)
			}
			m.uses = nil
			m.terminate(HeartbeatMissed)
		default:
			for i, a := range counts() {
				u := m.uses[i]
				u.before.Add(u.before, u.perPeriod)
				u.perPeriod = m.charge(a)
			}
			m.fromMS, m.untilMS = due, due+m.periodMS
			m.beatByMS = max(m.beatByMS, due+m.periodMS/2)
		}
	}
}

// reached is when a session takes note of the time; it does not go back from there.
func (m *model) reached(nowMS int64) { m.nowMS = max(m.nowMS, nowMS) }

// net is what was charged less what was refunded, if there were no roundings.
func (m *model) net() *big.Rat {
	sum := new(big.Rat).Add(m.windows, m.ended)
	for _, u := range m.uses {
		sum.Add(sum, u.before)
		sum.Add(sum, u.perPeriod)
	}
	return sum
}

func exact(a token.Amount) *big.Rat {
	r, _ := new(big.Rat).SetString(a.String())
	return r
}

// Whatever is done to a session, and whenever, it costs what its uses cost.
func TestSessionCostsWhatItsUsesCost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		st, m := newStage(t, "a 5; b 9 over all"), newModel()
		m.periodMS = st.w.Period.Milliseconds()
		now, moves := int64(t0), int64(0)
		var inUse []asked
		outages := rapid.Bool().Draw(t, "outages") // or else few sessions outlive their second charge
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			now += anyPause(t, st.s, now)
			at := fmt.Sprint(time.Duration(now-t0) * time.Millisecond)
			step := rapid.SampledFrom([]string{"ask", "ask", "ask", "beat", "beat", "halt", "catch", "denied", "period", "awake", "close"}).Draw(t, "step")
			if (step == "close" || step == "denied") && !rarely(t) {
				step = "ask"
			}
			if outages {
				st.do(at + " awake " + at)
				m.awakeMS = now
			}
			switch step {
			case "period":
				period := rapid.SampledFrom([]string{"10m", "30m", "1h", "7h", "24h"}).Draw(t, "period")
				st.do(at + " period " + period)
				m.periodMS = st.w.Period.Milliseconds()
				continue
			case "awake":
				st.do(at + " awake " + at)
				m.awakeMS = now
			}
			m.reach(now, func() []asked { moves += int64(len(inUse)); return inUse })
			if m.state == Terminated {
				st.do(at + " catch")
				compare(t, st.s, m, moves)
				return
			}
			moves += int64(len(inUse))
			if step != "catch" && step != "awake" {
				m.reached(now)
			}
			switch step {
			case "ask":
				items := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) asked {
					return asked{rapid.SampledFrom([]string{"x", "y", "z", "f", "g", "w", "v"}).Draw(t, "item"), rapid.Int64Range(1, 4).Draw(t, "count")}
				}), 1, 4).Draw(t, "items")
				words := ""
				for _, a := range items {
					words += fmt.Sprintf(" %s:%d", a.name, a.count)
				}
				st.do(at + " ask!" + words)
				m.ask(items)
				inUse = items
			case "halt":
				st.do(at + " ask")
				m.halt()
				inUse = nil
			case "beat":
				st.do(at + " beat")
				m.beatByMS = 0
			case "denied":
				if rapid.Bool().Draw(t, "rollback") {
					st.do(at + " ask x missing")
					break
				}
				st.do(at + " ask! x missing")
				m.terminate(Denied)
			case "close":
				st.do(at + " close")
				m.terminate(Closed)
			default:
				st.do(at + " catch")
			}
			compare(t, st.s, m, moves)
			if m.state == Terminated {
				return
			}
		}
	})
}

func rarely(t *rapid.T) bool { return rapid.IntRange(0, 9).Draw(t, "rarely") == 7 }

// anyPause draws a time to pass: any, to when something is due or just before, or, when the clock is set, back.
func anyPause(t *rapid.T, s *Session, now int64) int64 {
	minutes := func(from, to int64) int64 { return rapid.Int64Range(from, to).Draw(t, "minutes") * 60_000 }
	pause := rapid.SampledFrom([]string{"none", "seconds", "minutes", "minutes", "hours", "due", "before", "back", "free"}).Draw(t, "pause")
	if s.State == Idle && (pause == "due" || pause == "before") && !rarely(t) {
		pause = "minutes" // or else most sessions lapse
	}
	switch pause {
	case "seconds":
		return rapid.Int64Range(1, 60_000).Draw(t, "milliseconds")
	case "minutes":
		return minutes(1, 59)
	case "hours":
		return minutes(60, 24*60)
	case "due":
		return max(0, s.Due()-now)
	case "before":
		return max(0, s.Due()-now-1)
	case "back":
		return -minutes(1, 90)
	case "free":
		for _, item := range s.Items {
			if item.FreeMS > now {
				return item.FreeMS - now - rapid.Int64Range(0, 1).Draw(t, "just before")
			}
		}
	}
	return 0
}

func compare(t *rapid.T, s *Session, m *model, moves int64) {
	if s.State != m.state || s.Reason != m.reason || s.FromMS != m.fromMS || s.UntilMS != m.untilMS || s.HeartbeatDueMS != m.beatByMS && m.beatByMS > m.awakeMS {
		t.Fatalf("the session is %s %s, charged from %s until %s, heartbeat by %s; want %s %s, %s, %s, %s", s.State, s.Reason, since(s.FromMS),
			since(s.UntilMS), since(s.HeartbeatDueMS), m.state, m.reason, since(m.fromMS), since(m.untilMS), since(m.beatByMS))
	}
	off := new(big.Rat).Sub(exact(s.Net), m.net())
	if off.Abs(off).Cmp(big.NewRat(moves+1, 1_000_000_000_000)) > 0 {
		t.Fatalf("net is %s, want %s", s.Net, m.net().FloatString(13))
	}
}

// With few tokens, many prices and line items that come and go, what is denied leaves no trace, and the books stay right;
// stage checks each move.
func TestSessionKeepsTheBooks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		st := newStage(t, anyLineItems(t), anyTables(t)...)
		st.w.Prices.Tolerant = rapid.Bool().Draw(t, "tolerant")
		st.w.Period = time.Duration(rapid.SampledFrom([]int{10, 60, 90}).Draw(t, "period")) * time.Minute
		now, outages := int64(t0), rapid.Bool().Draw(t, "outages")
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			now += anyPause(t, st.s, now)
			at := fmt.Sprint(time.Duration(now-t0) * time.Millisecond)
			if outages {
				st.do(at + " awake " + at)
			}
			st.do(at + " catch")
			if st.s.State == Terminated {
				return
			}
			st.w.Book.At(max(now, st.s.now(now))) // what begins anew now is no trace of a request
			before, net := st.snapshot(), st.s.Net
			step := rapid.SampledFrom([]string{"ask", "ask", "ask", "ask!", "beat", "halt", "close", "change"}).Draw(t, "step")
			if (step == "close" || step == "ask!") && !rarely(t) {
				step = "beat"
			}
			switch step {
			case "ask":
				if lines := st.do(at + " ask" + anyItems(t)); !granted(st.last.Outcomes) {
					if after := st.snapshot(); !slices.Equal(before.uses, after.uses) || before.text != after.text || before.covers != after.covers {
						t.Fatalf("%s leaves\n%+v, there was\n%+v", lines, after, before)
					}
				}
			case "ask!":
				if lines := st.do(at + " ask!" + anyItems(t)); !granted(st.last.Outcomes) && (st.s.State != Terminated || net.Less(st.s.Net)) {
					t.Fatalf("%s leaves it %s, net %s", lines, st.s.State, st.s.Net)
				}
			case "beat":
				st.do(at + " beat")
			case "halt":
				st.do(at + " ask")
			case "close":
				st.do(at + " close")
			case "change":
				l := rapid.SampledFrom(st.w.Book.LineItems).Draw(t, "line item")
				l.State = rapid.SampledFrom([]ledger.State{ledger.Deployed, ledger.Inactive}).Draw(t, "state")
				l.Quantity = rapid.Int64Range(1, 30).Draw(t, "quantity")
				l.Deleted = rapid.IntRange(0, 9).Draw(t, "deleted") == 0
			}
			if st.s.State == Terminated {
				return
			}
		}
	})
}

type snapshot struct {
	text   string // of the session, but for when it was asked last
	uses   []string
	covers string
}

func (st *stage) snapshot() snapshot {
	copied := *st.s
	copied.RequestMS = 0
	text, err := json.Marshal(&copied)
	if err != nil {
		st.t.Fatalf("%v", err)
	}
	s := snapshot{text: string(text)}
	for _, l := range st.w.Book.LineItems {
		uses := l.Used.String()
		for i := range l.Actions {
			uses += " " + l.Actions[i].Used.String()
			if most := l.Actions[i].Allocation; most != nil && most.Less(l.Actions[i].Used) {
				st.t.Fatalf("%s of an allocation of %s is used", l.Actions[i].Used, most)
			}
		}
		for _, standing := range st.standings {
			for _, key := range slices.SortedFunc(maps.Keys(standing.Consumed), func(x, y ledger.PeriodKey) int { return cmp.Compare(x.SinceMS, y.SinceMS) }) {
				c := standing.Consumed[key]
				if key.Number != l.Number || c.Tokens.IsZero() {
					continue
				}
				uses += fmt.Sprintf(" %s since %d", c.Tokens, c.SinceMS)
				if l.Limit.Tokens.Less(c.Tokens) || c.Tokens.Sign() < 0 {
					st.t.Fatalf("%s of a limit of %s is consumed", c.Tokens, l.Limit.Tokens)
				}
			}
		}
		s.uses = append(s.uses, uses)
	}
	for _, name := range []string{"x", "y", "w"} {
		for _, standing := range st.standings {
			for key, c := range standing.Covers {
				if key.Item == name && !c.Count.IsZero() {
					s.covers += fmt.Sprintf("%s %s until %d of %d;", name, c.Count, c.UntilMS, c.Number)
				}
			}
		}
	}
	return s
}

func anyItems(t *rapid.T) string {
	words := ""
	for range rapid.IntRange(1, 4).Draw(t, "items") {
		words += " " + rapid.SampledFrom([]string{"x", "x", "y", "f", "w", "z", "only"}).Draw(t, "item") +
			rapid.SampledFrom([]string{"", ":2", ":0.333333333333", ":5.5"}).Draw(t, "count")
	}
	return words
}

func anyLineItems(t *rapid.T) string {
	var all []string
	for _, id := range []string{"a", "b", "c", "d"}[:rapid.IntRange(1, 4).Draw(t, "line items")] {
		words := fmt.Sprintf("%s %d used %s series %s", id, rapid.IntRange(1, 40).Draw(t, "quantity"),
			rapid.SampledFrom([]string{"0", "0.5", "3.333333333333", "20"}).Draw(t, "used"), rapid.SampledFrom([]string{"s", "s", "t"}).Draw(t, "series"))
		if rapid.Bool().Draw(t, "overdraft") {
			words += fmt.Sprintf(" over %d", rapid.IntRange(0, 20).Draw(t, "over"))
		}
		if from := rapid.IntRange(-1, 5).Draw(t, "from"); from > 0 {
			words += fmt.Sprintf(" from %dh", from)
		}
		if until := rapid.IntRange(1, 30).Draw(t, "until"); until < 15 {
			words += fmt.Sprintf(" until %dh%dm", until+5, rapid.IntRange(0, 59).Draw(t, "minutes"))
		}
		if rapid.IntRange(0, 2).Draw(t, "limited") == 0 {
			words += fmt.Sprintf(" limit %d/DAY", rapid.IntRange(0, 9).Draw(t, "limit"))
		}
		if rapid.IntRange(0, 2).Draw(t, "recurring") == 0 {
			words += " recurs DAY"
		}
		words += rapid.SampledFrom([]string{"", "", "", " allow sales/7", " deny sales", " allow other allow all/20"}).Draw(t, "rules")
		all = append(all, words)
	}
	return strings.Join(all, "; ")
}

func anyTables(t *rapid.T) []string {
	price := func() string {
		return rapid.SampledFrom([]string{"1", "1", "2", "0.3", "0.000003", "7"}).Draw(t, "price")
	}
	var all []string
	for _, head := range []string{"s", "t", "s@3h", "t@5h30m"}[:rapid.IntRange(1, 4).Draw(t, "tables")] {
		terms := rapid.SampledFrom([]string{"", " free 300", " free 86400"}).Draw(t, "free")
		window := rapid.SampledFrom([]string{"", " window 3h", " window 25m", " window 24h"}).Draw(t, "window")
		table := fmt.Sprintf("%s: x %s, y %s, f %s%s, w %s%s, z 0", head, price(), price(), price(), terms, price(), window)
		if rapid.Bool().Draw(t, "only") {
			table += ", only " + price()
		}
		all = append(all, table)
	}
	return all
}
