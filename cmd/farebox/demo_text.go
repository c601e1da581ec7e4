package main

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/farebox/farebox/token"
)

// tone is how a piece of text looks.
type tone int

const (
	plain tone = iota
	strong
	faint
	good
	careful
	bad
)

var toneCode = [...]string{plain: "", strong: "1", faint: "2", good: "32", careful: "33", bad: "31"}

// ink is what a terminal can show.
type ink struct {
	color   bool
	unicode bool
}

type span struct {
	tone tone
	text string
	link string // where a click leads, in terminals that know links (OSC 8); empty: nowhere
}

// line is a line of the screen. Its runes are one column wide each; plainText sees to that for text from outside.
type line []span

func text(t tone, s string) span { return span{tone: t, text: s} }

// render makes a line exactly as wide as the screen.
func (l line) render(width int, in ink) string {
	var out strings.Builder
	for _, s := range l {
		shown := clip(s.text, width)
		width -= utf8.RuneCountInString(shown)
		if !in.unicode {
			shown = ascii.Replace(shown)
		}
		if in.color && s.tone != plain && shown != "" {
			shown = "\x1b[" + toneCode[s.tone] + "m" + shown + "\x1b[0m"
		}
		if in.color && s.link != "" && shown != "" {
			shown = "\x1b]8;;" + s.link + "\x1b\\" + shown + "\x1b]8;;\x1b\\"
		}
		out.WriteString(shown)
	}
	out.WriteString(strings.Repeat(" ", width))
	return out.String()
}

// fitting puts texts beside each other, as many as there is room for.
func fitting(width int, spans ...span) line {
	var l line
	for i, s := range spans {
		width -= utf8.RuneCountInString(s.text)
		if i > 0 {
			width -= utf8.RuneCountInString(between)
		}
		if width < 0 {
			break
		}
		if i > 0 {
			l = append(l, text(plain, between))
		}
		l = append(l, s)
	}
	return l
}

const between = " · "

// ascii replaces what an old terminal does not have, rune by rune.
var ascii = strings.NewReplacer("█", "#", "▒", "!", "░", ".", "…", "~", "×", "x", "·", "|", "─", "-")

// clip cuts a text to at most so many columns.
func clip(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	if width <= 0 {
		return ""
	}
	return string([]rune(s)[:width-1]) + "…"
}

// left and right fill a column.
func left(s string, width int) string {
	s = clip(s, width)
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}

func right(s string, width int) string {
	s = clip(s, width)
	return strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s))) + s
}

// plainText makes text that others wrote fit to be shown: nothing in it moves the cursor or is not one column wide.
func plainText(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= firstWide || !unicode.IsPrint(r) || unicode.Is(unicode.M, r) {
			return '?'
		}
		return r
	}, s)
}

// firstWide is the first letter that may be two columns wide.
const firstWide = 0x1100

// amount writes an amount with so many digits after the point, the rest cut off, and with its thousands apart.
func amount(a token.Amount, digits int) string {
	whole, fraction, _ := strings.Cut(a.String(), ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if digits == 0 {
		return sign + whole
	}
	return sign + whole + "." + (fraction + strings.Repeat("0", digits))[:digits]
}

// amountShort has at most three digits after the point, and no useless ones.
func amountShort(a token.Amount) string {
	return strings.TrimSuffix(strings.TrimRight(amount(a, 3), "0"), ".")
}

func number(n int64) string { return amount(token.FromInt(n), 0) }

// span of time as people read it: 0:42, 3h05m, 12d.
func duration(d time.Duration) string {
	seconds := int64(d / time.Second)
	switch {
	case seconds < 3600:
		return fmt.Sprintf("%d:%02d", seconds/60, seconds%60)
	case seconds < 48*3600:
		return fmt.Sprintf("%dh%02dm", seconds/3600, seconds/60%60)
	}
	return fmt.Sprintf("%dd", seconds/86400)
}
