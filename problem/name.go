package problem

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// NameBytes is how long a name may be: of an item, a version, a series, an account, a requester ... (decisions.md D32).
const NameBytes = 256

// Misnamed says what keeps a text from being a name, or "" when nothing does; the empty text passes. Neither JSON nor every
// database takes what is not UTF-8 or has a NUL in it, and nobody can ask for a name whose control characters they do
// not see.
func Misnamed(s string) string {
	switch {
	case len(s) > NameBytes:
		return fmt.Sprintf("is longer than %d bytes", NameBytes)
	case !utf8.ValidString(s):
		return "is not UTF-8 text"
	case strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Sprintf("%q has a control character; remove it", s)
	}
	return ""
}

// Unnamed is Misnamed for a name that must be there.
func Unnamed(s string) string {
	if s == "" {
		return fmt.Sprintf("is required, with at most %d bytes", NameBytes)
	}
	return Misnamed(s)
}
