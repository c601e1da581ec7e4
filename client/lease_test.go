package client_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/client"
	"github.com/farebox/farebox/token"
)

func lease(w *world, tokens int64) *client.Spender {
	w.Helper()
	name, amount, hour := "laptop", token.FromInt(tokens), int64(3600)
	made, err := w.app().MakeLease(context.Background(), w.instance, api.NewLease{
		Client: &name, Requester: &api.Requester{Type: "user", Value: "ann"}, Tokens: &amount, TTL: &hour, Items: []api.LeaseItem{{Item: "work"}, {Item: "render"}},
	})
	w.must(err)
	s, err := client.NewSpender(made.Lease, nil)
	w.must(err)
	return s
}

func TestLeaseIsSpentToTheLastToken(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		s, app, one := lease(w, 12), w.app(), token.FromInt(1)
		w.must(s.Spend(time.Now(), "render", "", token.FromInt(2)))
		for item, want := range map[string]error{"render": client.ErrLeaseSpent, "other": client.ErrNotLeased} {
			if err := s.Spend(time.Now(), item, "", one); !errors.Is(err, want) {
				t.Errorf("%s: %v", item, err)
			}
		}
		w.must(s.Spend(time.Now(), "work", "", token.MustParse("1.5")))
		if s.Left().String() != "0.5" {
			t.Error(s.Left())
		}
		for _, count := range []string{"0", "-1"} {
			if s.Spend(time.Now(), "work", "", token.MustParse(count)) == nil {
				t.Errorf("%s were spent", count)
			}
		}
		w.losing(func(n int) bool { return n == 0 }) // the first answer is lost
		for range 2 {
			answer, err := s.Report(t.Context(), app, false)
			w.must(err)
			if answer.TokensUsed.String() != "11.5" {
				t.Error(answer)
			}
		}
		w.stands("11.5", "0.5")
		_, err := s.Report(t.Context(), app, true)
		w.must(err)
		w.stands("11.5", "0")
	})
}

func TestLeaseGoesOnInAnotherProcess(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		name, amount, hour := "laptop", token.FromInt(5), int64(3600)
		made, err := w.app().MakeLease(t.Context(), w.instance, api.NewLease{
			Client: &name, Requester: &api.Requester{Type: "user", Value: "ann"}, Tokens: &amount, TTL: &hour, Items: []api.LeaseItem{{Item: "work"}},
		})
		w.must(err)
		first, err := client.NewSpender(made.Lease, nil)
		w.must(err)
		w.must(first.Spend(time.Now(), "work", "", token.FromInt(3)))
		second, err := client.NewSpender(made.Lease, first.Used())
		w.must(err)
		if err := second.Spend(time.Now(), "work", "", token.FromInt(3)); !errors.Is(err, client.ErrLeaseSpent) {
			t.Error(err)
		}
		pass(time.Hour)
		if err := second.Spend(time.Now(), "work", "", token.FromInt(1)); !errors.Is(err, client.ErrLeaseOver) {
			t.Error(err)
		}
		answer, err := second.Report(t.Context(), w.app(), true)
		w.must(err)
		if !answer.Late {
			t.Error("it is not late")
		}
		w.stands("3", "0")
	})
}

func TestLeasesThatAreNone(t *testing.T) {
	one := token.FromInt(1)
	for _, text := range []string{"", "a.b", "a.!.c", "a.e30x.c"} {
		if _, err := client.NewSpender(text, nil); err == nil {
			t.Errorf("%q was taken for a lease", text)
		}
	}
	if _, err := client.NewSpender("a.e30.c", []api.LeaseItemUsed{{Item: "work", Count: &one}}); !errors.Is(err, client.ErrNotLeased) {
		t.Error(err)
	}
}
