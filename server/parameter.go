package server

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/usage"
)

// How much of a list is answered at a time, unless it is told otherwise, and at most.
const (
	pageUsual = 100
	pageMost  = 1000
)

// offsetMost bounds how far one can turn the pages of a list that is counted from its beginning.
const offsetMost = 1_000_000

// knows refuses parameters that a route does not have.
func (c *call) knows(names ...string) error {
	for _, name := range slices.Sorted(maps.Keys(c.URL.Query())) { // so that it is always the same one that is refused
		if !slices.Contains(names, name) {
			return problem.Field(name, "is not a parameter here; see /docs")
		}
	}
	return nil
}

// queryInt reads an integer parameter between bounds.
func (c *call) queryInt(name string, otherwise, least, most int64) (int64, error) {
	text := c.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least {
		return 0, problem.Field(name, "must be an integer of at least %d", least)
	}
	return min(n, most), nil
}

// flag reads a parameter that is true or false; left out it is false.
func (c *call) flag(name string) (bool, error) {
	switch c.URL.Query().Get(name) {
	case "true":
		return true, nil
	case "", "false":
		return false, nil
	}
	return false, problem.Field(name, "must be true or false")
}

// parseTime reads milliseconds since 1970 or RFC 3339.
func parseTime(name, text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil && ms >= 0 {
		return ms, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return 0, problem.Field(name, "must be milliseconds since 1970, or a time such as 2026-01-31T08:00:00Z")
	}
	return t.UnixMilli(), nil
}

// pageOf reads where a list that begins with the newest goes on, and how much of it is asked for. Other parameters are refused.
func (c *call) pageOf(others ...string) (before int64, limit int, err error) {
	if err := c.knows(append(others, "next", "limit")...); err != nil {
		return 0, 0, err
	}
	if before, err = c.queryInt("next", 0, 0, 1<<62); err != nil {
		return 0, 0, err
	}
	n, err := c.queryInt("limit", pageUsual, 1, pageMost)
	return before, int(n), err
}

// pageBefore reads where a list of what is live, newest first, goes on, and how much of it is asked for.
func (c *call) pageBefore() (before int64, limit int, err error) {
	n, err := c.queryInt("limit", pageUsual, 1, pageMost)
	if err != nil {
		return 0, 0, err
	}
	if before, err = c.queryInt("cursor", 0, 1, 1<<62); err != nil {
		return 0, 0, problem.Field("cursor", "is not one that this list gave")
	}
	return before, int(n), nil
}

// pageAt reads which page of a list is asked for.
func (c *call) pageAt(usual, most int64) (limit, offset int, err error) {
	l, err := c.queryInt("limit", usual, 1, most)
	if err != nil {
		return 0, 0, err
	}
	o, err := c.queryInt("offset", 0, 0, offsetMost)
	return int(l), int(o), err
}

// A cursor is opaque to callers.
func cursor(p usage.Position) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d.%d.%d", p.Commit, p.Receipt, p.Event))
}

func parseCursor(text string) (p usage.Position, err error) {
	if text == "" {
		return p, nil
	}
	plain, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		_, err = fmt.Sscanf(string(plain), "%d.%d.%d", &p.Commit, &p.Receipt, &p.Event)
	}
	if err != nil || p.Commit < 0 || p.Receipt < 0 || p.Event < 0 || cursor(p) != text {
		return p, problem.Field("cursor", "is not one that this server gave; leave it out to begin anew")
	}
	return p, nil
}

// oneOf lists what there is to choose from: A, B or C.
func oneOf[T ~string](all []T) string {
	var text strings.Builder
	for i, one := range all {
		switch i {
		case 0:
		case len(all) - 1:
			text.WriteString(" or ")
		default:
			text.WriteString(", ")
		}
		text.WriteString(string(one))
	}
	return text.String()
}
