package main

import (
	"strings"
	"time"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/token"
)

// screen draws a state: exactly height lines, each exactly width columns. It depends on nothing else.
func (s *demoState) screen(width, height int, in ink) []string {
	roomy := height >= 32
	lines := s.head(width)
	lines = append(lines, s.table(width)...)
	hints := s.tryIt(width, height >= 36, in.color)
	free := height - len(lines) - len(hints)
	if roomy {
		sessions := s.openSessions(width)
		free -= len(sessions) + 3
		lines = append(append(append(lines, nil), sessions...), nil)
	}
	lines = append(lines, s.feed(width, max(free, 4))...)
	if roomy {
		lines = append(lines, nil)
	}
	lines = append(lines, hints...)
	out := make([]string, height)
	for i := range out {
		if i >= len(lines) {
			lines = append(lines, nil)
		}
		out[i] = lines[i].render(width, in)
	}
	return out
}

func (s *demoState) head(width int) []line {
	return []line{
		{text(strong, " farebox demo"), text(plain, "  http://"+s.addr), text(plain, "  docs http://"+s.addr+"/docs/"),
			text(faint, "  "+duration(s.now.Sub(s.started)))},
		fitting(width,
			text(strong, " "+amount(s.requests.perSecond(s.now), 1)+"/s"),
			text(good, number(s.granted)+" charges"),
			text(bad, number(s.denied)+" denials"),
			text(plain, amount(s.tokens, 2)+" tokens"),
			text(careful, amount(s.overdraft, 2)+" overdraft"),
			text(faint, number(s.replayed)+" retries")),
		fitting(width,
			text(strong, " "+number(s.open())+" sessions open"),
			text(plain, number(s.opened)+" opened"),
			text(plain, number(s.closed)+" closed"),
			text(good, number(s.free)+" free"),
			text(good, amount(s.back, 2)+" back"),
			text(faint, number(s.beats)+" heartbeats")),
		s.latestNews(),
	}
}

func (s *demoState) latestNews() line {
	switch {
	case s.warning != "":
		return line{text(bad, " "+plainText(s.warning))}
	case s.failed > 0:
		return line{text(bad, " "+number(s.failed)+" requests failed")}
	case len(s.news) > 0:
		return line{text(careful, " "+s.news[len(s.news)-1])}
	}
	return nil
}

// columns are the widths of the table of line items; the bar has what the others leave.
type columns struct{ id, bar, used, overdraft, pace, lasts int }

func tableColumns(width int) columns {
	c := columns{id: 14, used: 17, overdraft: 12, pace: 7, lasts: 9}
	if width >= 110 {
		c = columns{id: 20, used: 22, overdraft: 18, pace: 10, lasts: 11}
	}
	c.bar = max(5, width-c.id-c.used-c.overdraft-c.pace-c.lasts-7)
	return c
}

// name fills the columns of the line item and its bar.
func (c columns) name(tone tone, name string) line {
	return line{text(tone, " "+left(name, c.id+1+c.bar))}
}

// numbers fills the columns after the bar.
func (c columns) numbers(used, overdraft, pace, lasts span) line {
	fill := func(s span, width int) span { return text(s.tone, " "+right(s.text, width)) }
	return line{fill(used, c.used), fill(overdraft, c.overdraft), fill(pace, c.pace), fill(lasts, c.lasts)}
}

func (s *demoState) table(width int) []line {
	c := tableColumns(width)
	head := func(t string) span { return text(faint, t) }
	lines := []line{append(c.name(faint, left("line item", c.id)+" left"),
		c.numbers(head("used/quantity"), head("overdraft"), head("per s"), head("lasts"))...)}
	for _, a := range s.accounts {
		blank := text(plain, "")
		lines = append(lines, append(c.name(strong, a.name), c.numbers(
			text(strong, amount(a.tokens, 2)+" used"), blank, text(strong, amount(a.pace.perSecond(s.now), 1)), blank)...))
		for _, l := range a.lineItems {
			lines = append(lines, l.line(c, s.now))
		}
	}
	return lines
}

func (l *demoLineItem) line(c columns, now time.Time) line {
	tone := l.tone(now)
	name := " " + plainText(l.ActivationID)
	if l.Kind == ledger.Free && c.id > len(name)+len(" gift") {
		name += " gift"
	}
	return append(line{text(plain, " "+left(name, c.id)), text(tone, " "+l.bar(c.bar, now))}, c.numbers(
		text(plain, amount(l.Used, 2)+"/"+number(l.Quantity)), text(tone, l.overdraftText()),
		text(plain, amount(l.pace.perSecond(now), 1)), text(tone, l.lasts(now)))...)
}

func (l *demoLineItem) tone(now time.Time) tone {
	left, quantity := l.balance(now), token.FromInt(l.Quantity)
	switch {
	case l.ended(now) || l.State != ledger.Deployed:
		return faint
	case left.IsZero():
		return bad
	case token.MulHalfEven(left, token.FromInt(4)).Less(quantity):
		return careful
	}
	return good
}

// bar burns down with the balance; then it fills with the overdraft, all of it or, of one without a limit, as much as the
// quantity was.
func (l *demoLineItem) bar(width int, now time.Time) string {
	part, whole, glyph := l.balance(now), token.FromInt(l.Quantity), "█"
	if part.IsZero() && !l.ended(now) && l.Overdraft != ledger.NoOverdraft {
		part, glyph = l.OverdraftUsed(), "▒"
		if l.Overdraft == ledger.NumberOverdraft {
			whole = token.FromInt(max(l.OverdraftLimit, 1))
		}
	}
	cells := share(part, whole, width)
	return strings.Repeat(glyph, cells) + strings.Repeat("░", width-cells)
}

// share returns how many of some cells a part takes; a part that is not nothing takes one at least.
func share(part, whole token.Amount, cells int) int {
	if part.Sign() <= 0 {
		return 0
	}
	if !part.Less(whole) {
		return cells
	}
	n := 1
	for n < cells && !token.MulHalfEven(part, token.FromInt(int64(cells))).Less(token.MulHalfEven(whole, token.FromInt(int64(n+1)))) {
		n++
	}
	return n
}

func (l *demoLineItem) overdraftText() string {
	used := l.OverdraftUsed()
	switch {
	case l.Overdraft == ledger.NumberOverdraft && used.IsZero():
		return "up to " + number(l.OverdraftLimit)
	case l.Overdraft == ledger.NumberOverdraft:
		return amount(used, 2) + "/" + number(l.OverdraftLimit)
	case l.Overdraft == ledger.UnlimitedOverdraft && used.IsZero():
		return "unlimited"
	case !used.IsZero():
		return amount(used, 2) + " over"
	}
	return "none"
}

// lasts says for how long the line item will pay at its pace, or why it does not.
func (l *demoLineItem) lasts(now time.Time) string {
	left := l.balance(now)
	switch {
	case l.ended(now):
		return "ended"
	case l.State != ledger.Deployed:
		return strings.ToLower(string(l.State))
	case left.IsZero() && l.Overdraft == ledger.UnlimitedOverdraft:
		return "overdraft"
	case left.IsZero():
		left = l.overdraftLeft(now)
	}
	if left.Sign() <= 0 {
		return "used up"
	}
	ends := time.UnixMilli(l.EndMS).Sub(now)
	empty, moves := timeToEmpty(left, l.pace.perSecond(now))
	switch {
	case ends < time.Hour && (!moves || ends < empty):
		return "ends " + duration(ends)
	case moves:
		return duration(empty)
	case l.nearlyNothing(left):
		return "near 0"
	}
	return "idle"
}

// timeToEmpty returns how long some tokens last, and false when nothing is used.
func timeToEmpty(left, perSecond token.Amount) (time.Duration, bool) {
	if perSecond.Sign() <= 0 {
		return 0, false
	}
	seconds := token.Min(token.DivDown(left, perSecond), token.FromInt(int64(aYear/time.Second)))
	n, _ := seconds.Whole()
	return time.Duration(n) * time.Second, true
}

// sessionsShown is for how many open sessions there is room.
const sessionsShown = 4

// openSessions lists the sessions that are open now.
func (s *demoState) openSessions(width int) []line {
	c := sessionColumns{who: 17, state: 6, charged: 10, next: 8, free: 8}
	c.uses = max(10, width-c.who-c.state-c.charged-c.next-c.free-6)
	lines := []line{c.line(faint, "session", "uses", "state", "charged", "next in", "free for")}
	for _, a := range s.accounts {
		for i := range a.sessions {
			lines = append(lines, a.sessionLine(c, &a.sessions[i], s.now))
		}
	}
	if more := len(lines) - 1 - sessionsShown; more > 0 {
		lines[sessionsShown] = line{text(faint, " … and "+number(int64(more+1))+" more")}
	}
	return append(lines, make([]line, sessionsShown)...)[:1+sessionsShown]
}

type sessionColumns struct{ who, uses, state, charged, next, free int }

func (c sessionColumns) line(t tone, who, uses, state, charged, next, free string) line {
	return line{text(t, " "+left(who, c.who)+" "+left(uses, c.uses)+" "+left(state, c.state)+" "+right(charged, c.charged)+" "+right(next, c.next)),
		text(good, " "+right(free, c.free))}
}

func (a *demoAccount) sessionLine(c sessionColumns, session *api.Session, now time.Time) line {
	who, tone, next, free := a.id, faint, "", ""
	if session.Requester != nil {
		who += "/" + plainText(session.Requester.Value)
	}
	uses := make([]string, len(session.Items))
	for i := range session.Items {
		item := &session.Items[i]
		uses[i] = demoItem{item.Item, item.Version}.String() + " ×" + amountShort(item.Count)
		if left := time.UnixMilli(item.FreeUntil).Sub(now); left > 0 {
			free = duration(left + time.Second - 1)
		}
	}
	if session.State == string(access.Active) {
		tone, next = plain, duration(time.UnixMilli(session.ChargedUntil).Sub(now))
	}
	return c.line(tone, who, strings.Join(uses, ", "), strings.ToLower(session.State), amount(session.TokensCharged, 2), next, free)
}

// feed shows the top items beside what happened last.
func (s *demoState) feed(width, height int) []line {
	items := min(max(26, width/4), 40)
	left := s.topItems(items, height)
	right := s.latest(width-items-2, height)
	lines := make([]line, height)
	for i := range lines {
		lines[i] = append(append(left[i], text(plain, "  ")), right[i]...)
	}
	return lines
}

func (s *demoState) topItems(width, height int) []line {
	lines := make([]line, height)
	lines[0] = line{text(faint, left(" top items", width-10)+right("tokens", 10))}
	uses := s.topUses()
	for i := 1; i < height; i++ {
		lines[i] = line{text(plain, left("", width))}
		if i <= len(uses) {
			u := uses[i-1]
			lines[i] = line{text(plain, left(" "+u.item.String(), width-10)), text(strong, right(amount(u.tokens, 2), 10))}
		}
	}
	return lines
}

func (s *demoState) latest(width, height int) []line {
	lines := make([]line, height)
	spare := min(max(0, width-52)/3, 7)
	who, what := 17+spare, 19+spare
	lines[0] = line{text(faint, left("requester", who)+" "+left("item", what)+" tokens")}
	for i, c := range s.lastCharges(height - 1) {
		lines[1+i] = c.line(who, what, width >= 80)
	}
	return lines
}

// lastCharges returns what happened last, the latest first: in one half what sessions did, for they are few among the others.
func (s *demoState) lastCharges(most int) []*demoCharge {
	moves := min(len(s.moves), max((most+1)/2, most-len(s.recent)))
	all := make([]*demoCharge, 0, most)
	for i := range moves {
		all = append(all, &s.moves[len(s.moves)-1-i])
	}
	for i := range min(len(s.recent), most-moves) {
		all = append(all, &s.recent[len(s.recent)-1-i])
	}
	return all
}

// summary is what is said at the end.
func (s *demoState) summary() []string {
	lines := []string{
		"The demo ran " + duration(s.now.Sub(s.started)) + " on http://" + s.addr + ".",
		"  " + number(s.granted) + " charges granted, " + number(s.split) + " of them split over line items; " + number(s.denied) + " denied",
		"  " + number(s.opened) + " sessions opened, " + number(s.closed) + " closed, " + number(s.free) + " free; " +
			number(s.automatic) + " automatic charges, " + number(s.beats) + " heartbeats",
		"  " + amount(s.tokens.Add(s.back), 2) + " tokens charged, " + amount(s.back, 2) + " of them given back by sessions",
		"  " + amount(s.tokens, 2) + " tokens used, " + amount(s.overdraft, 2) + " of them in overdraft",
		"  " + number(s.replayed) + " retries, answered from the books and charged nothing",
	}
	if s.failed > 0 {
		lines = append(lines, "  "+number(s.failed)+" requests failed")
	}
	for _, a := range s.accounts {
		lines = append(lines, "  "+left(a.name, 16)+right(amount(a.tokens, 2), 12)+" tokens")
	}
	return lines
}
