package access

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/token"
)

// t0 is when every stage begins; its scripts tell the time since.
const t0 = 1767225600000

// prices are those of a stage that is given none.
const prices = "x 1, y 3, z 0, f 6 free 300, g 6 free 9000, w 8 window 3h, v 8 window 90m"

// stage is a session and its world.
type stage struct {
	t    tester
	s    *Session
	w    World
	uses map[*ledger.LineItem]token.Amount // as the moves tell
	net  token.Amount                      // of the session's moves
	last *Move

	standings map[ledger.RequesterKey]*ledger.Standing
}

func (st *stage) standing(r *Requester) *ledger.Standing {
	key := r.Key("A")
	if st.standings[key] == nil {
		st.standings[key] = ledger.NewStanding(key)
	}
	return st.standings[key]
}

type tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

// newStage reads line items such as "a 10; b 5 used 2 over 3 from 1h until 2h series s state INACTIVE" ("over all" is unlimited), also
// "c 9 limit 3/DAY recurs WEEK allow sales/5 deny all", which are drawn in this order, and rate tables such as "s @1h: x 1, f 6 free 300, w 8 window 3h".
func newStage(t tester, lineItems string, tables ...string) *stage {
	t.Helper()
	st := &stage{t: t, s: NewSession("s", "A", t0), uses: map[*ledger.LineItem]token.Amount{}}
	st.w = World{Book: &ledger.Book{InstanceID: "A", AccountID: "account"}, Period: time.Hour}
	st.standings = map[ledger.RequesterKey]*ledger.Standing{}
	st.w.Standing = st.standing
	for i, text := range strings.Split(lineItems, "; ") {
		words := strings.Fields(text)
		l := &ledger.LineItem{
			ActivationID: words[0], Number: int64(i + 1), Priority: int64(i), State: ledger.Deployed, Elastic: true, EndMS: period.LatestMS,
			Quantity: st.int(words[1]),
		}
		for words = words[2:]; len(words) > 1; words = words[2:] {
			st.set(l, words[0], words[1])
		}
		st.w.Book.LineItems = append(st.w.Book.LineItems, l)
		st.uses[l] = l.Used
	}
	st.w.Book.Conditions = map[string]*ledger.Condition{}
	for _, of := range []string{"sales", "other"} {
		st.w.Book.Conditions[of] = &ledger.Condition{ID: of, Type: ledger.Simple, Operator: ledger.In, Key: "department", Values: []string{of}}
	}
	st.w.Book.Sort()
	if len(tables) == 0 {
		tables = []string{": " + prices}
	}
	var all []*rate.Table
	for i, text := range tables {
		all = append(all, st.table(int64(i), text))
	}
	st.w.Prices.Catalog = rate.NewCatalog(all)
	return st
}

func (st *stage) table(serial int64, text string) *rate.Table {
	head, items, _ := strings.Cut(text, ": ")
	series, from, _ := strings.Cut(head, "@")
	table := &rate.Table{Series: strings.TrimSpace(series), Version: strconv.FormatInt(serial+1, 10), Serial: serial}
	if from != "" {
		table.EffectiveFromMS = st.ms(from)
	}
	for _, text := range strings.Split(items, ", ") {
		words := strings.Fields(text)
		name, version, _ := strings.Cut(words[0], "@")
		item := rate.Item{Name: name, Version: version, Rate: token.MustParse(words[1])}
		if len(words) == 4 && words[2] == "free" {
			item.FreeSeconds = st.int(words[3])
		} else if len(words) == 4 {
			item.Window = st.duration(words[3])
		}
		table.Items = append(table.Items, item)
	}
	return table
}

func (st *stage) set(l *ledger.LineItem, field, value string) {
	switch field {
	case "used":
		l.Used = token.MustParse(value)
	case "over":
		l.Overdraft = ledger.UnlimitedOverdraft
		if value != "all" {
			l.Overdraft, l.OverdraftLimit = ledger.NumberOverdraft, st.int(value)
		}
	case "from":
		l.StartMS = st.ms(value)
	case "until":
		l.EndMS = st.ms(value)
	case "series":
		l.Series = value
	case "state":
		l.State = ledger.State(value)
	case "recurs":
		l.Recurs = period.Frequency(value)
	case "limit":
		most, of, _ := strings.Cut(value, "/")
		l.Limit = &ledger.Limit{Tokens: token.MustParse(most), Period: period.Frequency(of), NextResetMS: t0}
	case "allow", "deny":
		a := ledger.Action{ID: l.ActivationID + strconv.Itoa(len(l.Actions)), Allow: field == "allow"}
		of, most, some := strings.Cut(value, "/")
		if of != "all" {
			a.ConditionID = of
		}
		if some {
			allocation := token.MustParse(most)
			a.Allocation = &allocation
		}
		l.Actions = append(l.Actions, a)
	default:
		st.t.Fatalf("no field %q", field)
	}
}

func (st *stage) int(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		st.t.Fatalf("%v", err)
	}
	return n
}

func (st *stage) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		st.t.Fatalf("%v", err)
	}
	return d
}

func (st *stage) ms(text string) int64 { return t0 + st.duration(text).Milliseconds() }

// since writes a time as scripts do.
func since(ms int64) string {
	text := (time.Duration(ms-t0) * time.Millisecond).String()
	if text == "0s" {
		return "0"
	}
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// of reads items such as "x:2 y x@version:3".
func of(words []string) *Request {
	r := &Request{Requester: Requester{Type: "USER", Value: "somebody", Dictionary: jsontext.Value(`{"department":"sales"}`)}}
	for _, word := range words {
		name, count, counted := strings.Cut(word, ":")
		if !counted {
			count = "1"
		}
		name, version, _ := strings.Cut(name, "@")
		r.Items = append(r.Items, Item{Ask: ledger.Ask{Item: name, Version: version, Count: token.MustParse(count)}})
	}
	return r
}

// do makes one step of a script, such as "30m ask x:2 y", with all that is due before, and returns what happened.
func (st *stage) do(step string) (lines []string) {
	st.t.Helper()
	words := strings.Fields(step)
	nowMS := st.ms(words[0])
	switch verb := words[1]; verb {
	case "period":
		st.w.Period = st.duration(words[2])
		return nil
	case "awake":
		st.w.AwakeMS = st.ms(words[2])
		return nil
	case "retry": // what the engine does after a fault
		st.s.RetryMS = st.ms(words[2])
		return nil
	case "set":
		for _, l := range st.w.Book.LineItems {
			if l.ActivationID == words[2] {
				st.set(l, words[3], words[4])
			}
		}
		return nil
	default:
		lines = st.catchUp(nowMS)
		if verb == "catch" {
			return lines
		}
		if st.s.State == Terminated {
			return append(lines, "has ended")
		}
		switch verb {
		case "ask", "ask!":
			return append(lines, st.moved(st.s.Ask(&st.w, of(words[2:]), verb == "ask", nowMS)))
		case "beat":
			st.s.Beat(nowMS)
			return append(lines, "beat "+st.state())
		case "close":
			return append(lines, st.moved(st.s.Close(&st.w, nowMS)))
		}
	}
	st.t.Fatalf("step %q cannot be read", step)
	return nil
}

func (st *stage) catchUp(nowMS int64) (lines []string) {
	st.t.Helper()
	for range 100_000 {
		due := st.s.Due()
		if due == 0 || due > nowMS {
			return lines
		}
		if move := st.s.Catch(&st.w); move != nil {
			lines = append(lines, st.moved(move))
		} else {
			lines = append(lines, "new deadline "+st.state())
		}
	}
	st.t.Fatalf("there is always something due")
	return nil
}

var short = map[Operation]string{
	AccessRequest: "ask", AutomaticCharge: "charge", Close: "close", MissedHeartbeat: "missed", Lapse: "lapse",
}

// moved writes a move and the session after it, and checks both.
func (st *stage) moved(m *Move) string {
	st.t.Helper()
	var parts []string
	for i := range m.Refunds {
		r := &m.Refunds[i]
		st.net = st.net.Sub(r.Tokens)
		st.book(r.Slices, true)
		parts = append(parts, fmt.Sprintf("back %s %s:%s", r.Item.Item, r.Tokens, slicesText(r.Slices)))
		if r.Status != ledger.Granted || !r.Refund || r.Tokens.Sign() <= 0 {
			st.t.Fatalf("the refund %+v", r)
		}
	}
	if len(m.Outcomes) != len(m.Request.Items) {
		st.t.Fatalf("%d items are asked for, and %d decided on", len(m.Request.Items), len(m.Outcomes))
	}
	for i := range m.Outcomes {
		o := &m.Outcomes[i]
		st.net = st.net.Add(o.Tokens)
		st.book(o.Slices, false)
		part := fmt.Sprintf("%s %s:%s", m.Request.Items[i].Item, o.Tokens, slicesText(o.Slices))
		if o.Status != ledger.Granted {
			part = fmt.Sprintf("%s %s", m.Request.Items[i].Item, o.Status)
		}
		if c := o.Coverage; c != nil && c.Changed() == nil {
			part += " covered"
		}
		parts = append(parts, part)
	}
	if st.last != nil && m.AtMS < st.last.AtMS {
		st.t.Fatalf("%s is at %s, after a move at %s", m.Operation, since(m.AtMS), since(st.last.AtMS))
	}
	st.last = m
	st.check()
	line := fmt.Sprintf("%s %s %s", since(m.AtMS), short[m.Operation], st.state())
	if len(parts) > 0 {
		line = fmt.Sprintf("%s %s: %s %s", since(m.AtMS), short[m.Operation], strings.Join(parts, "; "), st.state())
	}
	return line
}

func (st *stage) book(slices []ledger.Slice, back bool) {
	for _, s := range slices {
		if back {
			s.Tokens = s.Tokens.Neg()
		}
		st.uses[s.LineItem] = st.uses[s.LineItem].Add(s.Tokens)
	}
}

func slicesText(slices []ledger.Slice) (text string) {
	for _, s := range slices {
		text += fmt.Sprintf(" %s %s", s.LineItem.ActivationID, s.Tokens)
		if !s.Overdraft.IsZero() {
			text += fmt.Sprintf("(%s)", s.Overdraft)
		}
	}
	return text
}

func (st *stage) state() string {
	s := st.s
	words := fmt.Sprintf("| %s", s.State)
	switch s.State {
	case Active:
		words = "| until " + since(s.UntilMS)
		if s.HeartbeatDueMS != 0 {
			words += ", beat by " + since(s.HeartbeatDueMS)
		}
	case Terminated:
		words = fmt.Sprintf("| %s", s.Reason)
	}
	return words + ", net " + s.Net.String()
}

// check checks what is true after every move: the session is consistent in itself, with its book and with its moves.
func (st *stage) check() {
	st.t.Helper()
	s := st.s
	if !s.Net.Equal(st.net) || s.Net.Sign() < 0 {
		st.t.Fatalf("net is %s, charges less refunds are %s", s.Net, st.net)
	}
	for l, used := range st.uses {
		if l.Recurs == "" && (!l.Used.Equal(used) || used.Sign() < 0) {
			st.t.Fatalf("%s of %s is used, its slices add up to %s", l.Used, l.ActivationID, used)
		}
	}
	paid := token.Amount{}
	for i := range s.Items {
		paid = paid.Add(ledger.Sum(s.Items[i].Paid)).Add(ledger.Sum(s.Items[i].Kept))
	}
	if s.Net.Less(paid) {
		st.t.Fatalf("%s may be refunded, net is %s", paid, s.Net)
	}
	want := int64(0)
	switch s.State {
	case Active:
		want = s.UntilMS
		if s.HeartbeatDueMS != 0 {
			want = min(want, s.HeartbeatDueMS)
		}
		if len(s.Items) == 0 || s.FromMS == 0 || s.UntilMS <= s.FromMS || s.EndedMS != 0 || s.Reason != "" {
			st.t.Fatalf("ACTIVE, and %+v", s)
		}
	case Idle:
		want = s.IdleMS + IdleMost.Milliseconds()
		if len(s.Items) != 0 || s.FromMS != 0 || s.UntilMS != 0 || s.HeartbeatDueMS != 0 || s.EndedMS != 0 || s.Reason != "" {
			st.t.Fatalf("IDLE, and %+v", s)
		}
	case Terminated:
		if len(s.Items) != 0 || s.FromMS != 0 || s.UntilMS != 0 || s.HeartbeatDueMS != 0 || s.EndedMS != st.last.AtMS || s.Reason == "" {
			st.t.Fatalf("TERMINATED, and %+v", s)
		}
	}
	if want != 0 {
		want = max(want, s.RetryMS)
	}
	if s.Due() != want {
		st.t.Fatalf("due at %s, want %s of %+v", since(s.Due()), since(want), s)
	}
	st.checkJSON()
}

// checkJSON has the session go on as it is read back from the books.
func (st *stage) checkJSON() {
	st.t.Helper()
	text, err := json.Marshal(st.s)
	if err != nil {
		st.t.Fatalf("%v", err)
	}
	back := &Session{Number: st.s.Number, ID: st.s.ID, InstanceID: st.s.InstanceID}
	if err := json.Unmarshal(text, back); err != nil {
		st.t.Fatalf("%v", err)
	}
	again, err := json.Marshal(back)
	if err != nil || string(text) != string(again) {
		st.t.Fatalf("%s\nis read and written as\n%s, %v", text, again, err)
	}
	st.s = back
}

// A script has a step a line, with what happens after "->"; more of that is on lines of its own.
func runScript(t *testing.T, st *stage, script string) {
	t.Helper()
	var want, got []string
	for _, line := range strings.Split(strings.TrimSpace(script), "\n") {
		step, happens, something := strings.Cut(line, "->")
		if step = strings.Join(strings.Fields(step), " "); step != "" {
			want, got = append(want, step), append(got, step)
			for _, line := range st.do(step) {
				got = append(got, "   "+line)
			}
		}
		if something {
			want = append(want, "   "+strings.TrimSpace(happens))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
