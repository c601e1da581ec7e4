package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/farebox/farebox/auth"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/problem"
)

// linked is a world with a key of administration that signs links.
func linked(t *testing.T) (*timed, *auth.Pair) {
	w := newTimed(t, nil)
	pair, err := auth.NewPair()
	w.must(err)
	w.must(w.change("", func(c *engine.Change) error {
		return c.SaveKeys([]auth.Key{{Role: auth.Admin, ID: pair.ID, PublicPEM: pair.PublicPEM}, {Role: auth.Client, ID: pair.ID, PublicPEM: pair.PublicPEM}})
	}))
	return w, pair
}

func (w *timed) link(pair *auth.Pair, role auth.Role, ttl time.Duration, instances ...string) string {
	w.Helper()
	text, err := auth.SignLink(pair, role, pair.ID, instances, w.now(), time.Minute, ttl)
	w.must(err)
	return text
}

var mine, yours = strings.Repeat("m", 43), strings.Repeat("y", 43)

func bearer(link, secret string) string { return "Bearer " + auth.LinkToken(link, secret) }

func TestALinkSignsInOnce(t *testing.T) {
	w, pair := linked(t)
	link := w.link(pair, auth.Client, time.Hour, w.instance)
	_, err := w.Authenticate(bearer(link, mine))
	w.kind(err, problem.Unauthenticated) // nobody has opened it
	_, err = w.Authenticate("Bearer " + link)
	w.kind(err, problem.Unauthenticated)

	opened, err := w.OpenLink(ctx, link, mine)
	w.must(err)
	if want := w.nowMS.Load() + time.Hour.Milliseconds(); opened.Expires.UnixMilli() != want {
		t.Errorf("it ends at %s", opened.Expires)
	}
	_, err = w.OpenLink(ctx, link, yours)
	w.kind(err, problem.Ended)
	_, err = w.OpenLink(ctx, link, mine) // whose answer was lost
	w.must(err)

	another := engine.New(w.store, engine.Options{Now: w.now}) // after a restart, or another server
	defer another.Stop()
	for _, e := range []*engine.Engine{w.Engine, another} {
		for range 2 { // the second time it is remembered
			p, err := e.Authenticate(bearer(link, mine))
			w.must(err)
			if p.Role != auth.Client || !p.MayReach(w.instance) || p.MayReach("another") {
				t.Errorf("it is for %+v", p)
			}
		}
		for _, wrong := range []string{bearer(link, yours), bearer(link, ""), bearer(link, mine+"m"), "Bearer " + link} {
			_, err = e.Authenticate(wrong)
			w.kind(err, problem.Unauthenticated)
		}
	}
	w.nowMS.Add(time.Hour.Milliseconds() + auth.Skew.Milliseconds() + 1)
	_, err = w.Authenticate(bearer(link, mine))
	w.kind(err, problem.Unauthenticated)
}

func TestLinksThatSignNobodyIn(t *testing.T) {
	w, pair := linked(t)
	stranger, err := auth.NewPair()
	w.must(err)
	token, err := auth.Sign(pair, auth.Admin, pair.ID, nil, w.now(), time.Hour)
	w.must(err)
	good := w.link(pair, auth.Admin, time.Hour)
	for name, c := range map[string]struct {
		link, secret string
		want         problem.Kind
	}{
		"a token":                       {token, mine, problem.Unauthenticated},
		"of another key":                {w.link(stranger, auth.Admin, time.Hour), mine, problem.Unauthenticated},
		"for more than a day":           {w.link(pair, auth.Admin, auth.LinkMost+time.Second), mine, problem.Unauthenticated},
		"cut off":                       {good[:len(good)-9], mine, problem.Unauthenticated},
		"with a secret behind it":       {auth.LinkToken(good, mine), mine, problem.Unauthenticated},
		"nothing":                       {"", mine, problem.Unauthenticated},
		"a secret that can be guessed":  {good, mine[1:], problem.Invalid},
		"a secret that no header takes": {good, mine + "\n", problem.Invalid},
	} {
		if _, err := w.OpenLink(ctx, c.link, c.secret); problem.KindOf(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}

	w.nowMS.Add(time.Minute.Milliseconds() + 1)
	_, err = w.OpenLink(ctx, good, mine)
	w.kind(err, problem.Ended)
	_, err = w.Authenticate(bearer(good, mine))
	w.kind(err, problem.Unauthenticated)
}

// What a key has signed is good for nothing once the key is gone, links that were opened too.
func TestALinkGoesWithItsKey(t *testing.T) {
	w, pair := linked(t)
	link := w.link(pair, auth.Client, time.Hour, w.instance)
	_, err := w.OpenLink(ctx, link, mine)
	w.must(err)
	_, err = w.Authenticate(bearer(link, mine))
	w.must(err)
	w.must(w.change("", func(c *engine.Change) error { return c.DeleteKey(auth.Client, pair.ID) }))
	_, err = w.Authenticate(bearer(link, mine))
	w.kind(err, problem.Unauthenticated)
}
