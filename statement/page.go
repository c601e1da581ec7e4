package statement

import (
	"bytes"
	_ "embed"
	"html/template"
	"strings"
	"time"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/token"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("statement").Funcs(template.FuncMap{"n": grouped, "money": money, "month": monthName, "day": dayIn, "last": lastDay}).Parse(pageText))

// Page prints a statement as one HTML file that needs nothing else.
func Page(s *api.Statement) ([]byte, error) {
	var out bytes.Buffer
	err := page.Execute(&out, s)
	return out.Bytes(), err
}

// grouped writes an amount with its digits in threes, and nothing for 0.
func grouped(a token.Amount) string {
	if a.IsZero() {
		return "–"
	}
	return groups(a.String())
}

func groups(text string) string {
	sign, whole := "", text
	if strings.HasPrefix(whole, "-") {
		sign, whole = "−", whole[1:]
	}
	whole, fraction, _ := strings.Cut(whole, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "\u202f" + whole[i:]
	}
	if fraction != "" {
		whole += "." + fraction
	}
	return sign + whole
}

// money writes an amount of money to the cent.
func money(a token.Amount) string {
	cents := token.MulDivHalfEven(a, token.FromInt(100), token.FromInt(1))
	cents = token.MulHalfEven(wholeHalfEven(cents), token.MustParse("0.01"))
	whole, fraction, _ := strings.Cut(cents.String(), ".")
	return groups(whole + "." + (fraction + "00")[:2])
}

// wholeHalfEven rounds to a whole number: a quotient by 10^12 is rounded at its 12th digit.
func wholeHalfEven(a token.Amount) token.Amount {
	const digits = 1_000_000_000_000
	return token.MulHalfEven(token.MulDivHalfEven(a, token.FromInt(1), token.FromInt(digits)), token.FromInt(digits))
}

func monthName(month string) string {
	t, err := time.Parse("2006-01", month)
	if err != nil {
		return month
	}
	return t.Format("January 2006")
}

func dayIn(ms int64, zone string) string {
	location, err := time.LoadLocation(zone)
	if err != nil {
		location = time.UTC
	}
	return time.UnixMilli(ms).In(location).Format("2 Jan 2006")
}

func lastDay(toMS int64, zone string) string { return dayIn(toMS-1, zone) }
