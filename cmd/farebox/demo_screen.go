package main

import (
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/token"
)

// screen draws a state: exactly height lines, each exactly width columns. It depends on nothing else.
func (s *demoState) screen(width, height int, in ink) []string {
	roomy := height >= 32
	lines := s.head(width)
	lines = append(lines, s.table(width)...)
	hints := s.tryIt(width, height >= 36)
	free := height - len(lines) - len(hints)
	if roomy {
		free -= 2
		lines = append(lines, nil)
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
	return line{{tone, " " + left(name, c.id+1+c.bar)}}
}

// numbers fills the columns after the bar.
func (c columns) numbers(used, overdraft, pace, lasts span) line {
	fill := func(s span, width int) span { return span{s.tone, " " + right(s.text, width)} }
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
	var d time.Duration
	for _, digit := range amount(seconds, 0) {
		if digit != ',' {
			d = d*10 + time.Duration(digit-'0')
		}
	}
	return d * time.Second, true
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
	for i := 1; i < height && i <= len(s.recent); i++ {
		lines[i] = s.recent[len(s.recent)-i].line(who, what, width >= 80)
	}
	return lines
}

func (c *demoCharge) line(who, what int, wide bool) line {
	item, count := c.item.String(), " ×"+amountShort(c.count)
	item = clip(item, what-len([]rune(count))) + count
	base := line{text(plain, left(c.account+"/"+c.requester, who)+" "+left(item, what)+" ")}
	switch {
	case c.status != ledger.Granted && wide:
		return append(base, text(bad, "denied "+string(c.status)+" "+c.status.Description()))
	case c.status != ledger.Granted:
		return append(base, text(bad, "denied "+string(c.status)))
	}
	kind, note := good, ""
	if len(c.lineItems) > 1 {
		kind, note = strong, " split"
	}
	if c.overdraft.Sign() > 0 {
		kind, note = careful, " over"
	}
	if wide {
		note = strings.Replace(note, "over", "overdraft", 1) + " " + strings.Join(c.lineItems, "+")
	}
	return append(base, text(kind, amount(c.tokens, 2)+note))
}

// amountShort has at most three digits after the point, and no useless ones.
func amountShort(a token.Amount) string {
	return strings.TrimSuffix(strings.TrimRight(amount(a, 3), "0"), ".")
}

// tryIt shows what to type in another terminal, as far as it can be pasted from a screen of this width.
func (s *demoState) tryIt(width int, all bool) []line {
	lines := []line{{text(faint, " q or Ctrl-C ends it and removes its database · from another terminal, try")}}
	for i, words := range s.hints {
		if i >= 2 && !all {
			break
		}
		pasted, fits := pasteable(words, width)
		if i > 0 && !fits {
			continue
		}
		for _, l := range pasted {
			lines = append(lines, line{text(plain, l)})
		}
	}
	return lines
}

// pasteable breaks a command into lines that a shell joins again, and reports whether they fit.
func pasteable(words []string, width int) (lines []string, fits bool) {
	current, fits := "", true
	for _, word := range words {
		if len(current)+len(word)+3 > width && current != "" {
			lines = append(lines, current+" \\")
			current = " "
		}
		current += " " + word
		fits = fits && len(current) <= width
	}
	return append(lines, current), fits
}

// summary is what is said at the end.
func (s *demoState) summary() []string {
	lines := []string{
		"The demo ran " + duration(s.now.Sub(s.started)) + " on http://" + s.addr + ".",
		"  " + number(s.granted) + " charges granted, " + number(s.split) + " of them split over line items; " + number(s.denied) + " denied",
		"  " + amount(s.tokens, 2) + " tokens charged, " + amount(s.overdraft, 2) + " of them in overdraft",
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

// demoHints are commands, as words, that show what a token is for.
func demoHints(addr, db string, w *demoWorld) [][]string {
	instance := w.customers[0].instanceID
	return [][]string{
		{"TOKEN=$(" + thisProgram(), "token", "--admin", "--db", db + ")"},
		{"curl", "-s", "-H", `"Authorization: Bearer $TOKEN"`, "'http://" + addr + "/farebox/v1/usage/events?kind=DENIAL&limit=1'"},
		{"curl", "-s", "-H", `"Authorization: Bearer $TOKEN"`,
			"-d", `'{"requester":{"type":"user","value":"me"},"requestedItems":[{"item":"render.frame","version":"4k","count":1}]}'`,
			"http://" + addr + "/dynamicmonetization/elastic/api/v1.1/instances/" + instance + "/access-request"},
	}
}

// thisProgram is how to call it from the shell it was called from.
func thisProgram() string {
	self, err := os.Executable()
	if err != nil {
		return "farebox"
	}
	if found, err := exec.LookPath("farebox"); err == nil && sameFile(found, self) {
		return "farebox"
	}
	if sameFile(os.Args[0], self) {
		return os.Args[0]
	}
	return self
}

func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}
