package client_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
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
	s, err := client.NewSpender(made.Lease, leaseKeys(w), nil)
	w.must(err)
	return s
}

func leaseKeys(w *world) *api.LeaseKeys {
	w.Helper()
	keys, err := w.app().LeaseKeys(context.Background())
	w.must(err)
	return keys
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
		first, err := client.NewSpender(made.Lease, leaseKeys(w), nil)
		w.must(err)
		w.must(first.Spend(time.Now(), "work", "", token.FromInt(3)))
		second, err := client.NewSpender(made.Lease, leaseKeys(w), first.Used())
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

// A lease is spent only if the service has signed it as it is.
func TestLeasesThatAreNone(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		text, keys := leaseText(w, 5), leaseKeys(w)
		other := api.LeaseKeys{Keys: []api.LeaseKey{keys.Keys[0]}}
		other.Keys[0].X = base64.RawURLEncoding.EncodeToString(make([]byte, 32))
		parts := strings.Split(text, ".")
		more := base64.RawURLEncoding.EncodeToString(bytes.Replace(decoded(t, parts[1]), []byte(`"tokens":5`), []byte(`"tokens":9`), 1))
		if more == parts[1] {
			t.Fatal("the claims were to be others")
		}
		header := func(from, to string) string {
			changed := bytes.Replace(decoded(t, parts[0]), []byte(from), []byte(to), 1)
			return base64.RawURLEncoding.EncodeToString(changed) + "." + parts[1] + "." + parts[2]
		}
		for name, c := range map[string]struct {
			text string
			keys *api.LeaseKeys
			want error
		}{
			"nothing":                {"", keys, client.ErrNoLease},
			"two parts":              {"a.b", keys, client.ErrNoLease},
			"no base64":              {parts[0] + ".!." + parts[2], keys, client.ErrNoLease},
			"more tokens":            {parts[0] + "." + more + "." + parts[2], keys, client.ErrNotSigned},
			"no signature":           {parts[0] + "." + parts[1] + ".", keys, client.ErrNotSigned},
			"no algorithm":           {header("EdDSA", "none"), keys, client.ErrNoLease},
			"something else":         {header("farebox-lease+jwt", "JWT"), keys, client.ErrNoLease},
			"another key":            {text, &other, client.ErrNotSigned},
			"a key that is gone":     {text, &api.LeaseKeys{}, client.ErrNotSigned},
			"keys that are left out": {text, nil, client.ErrNotSigned},
		} {
			if s, err := client.NewSpender(c.text, c.keys, nil); !errors.Is(err, c.want) || s != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		one := token.FromInt(1)
		if _, err := client.NewSpender(text, keys, []api.LeaseItemUsed{{Item: "other", Count: &one}}); !errors.Is(err, client.ErrNotLeased) {
			t.Error(err)
		}
	})
}

func leaseText(w *world, tokens int64) string {
	w.Helper()
	name, amount, hour := "laptop", token.FromInt(tokens), int64(3600)
	made, err := w.app().MakeLease(context.Background(), w.instance, api.NewLease{
		Client: &name, Requester: &api.Requester{Type: "user", Value: "ann"}, Tokens: &amount, TTL: &hour, Items: []api.LeaseItem{{Item: "work"}},
	})
	w.must(err)
	return made.Lease
}

func decoded(t *testing.T, text string) []byte {
	t.Helper()
	plain, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// What was spent is in the file before it is acted upon; what cannot be written down is not spent.
func TestLeaseIsKeptInAFile(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		folder, one, text := t.TempDir(), token.FromInt(1), leaseText(w, 5)
		keys := leaseKeys(w)
		file := filepath.Join(folder, "lease")
		if _, err := client.OpenSpender(file, keys); !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
		first, err := client.NewSpender(text, keys, nil)
		w.must(err)
		w.must(first.KeepIn(file))
		w.must(first.Spend(time.Now(), "work", "", one))
		w.must(first.Spend(time.Now(), "work", "", one))
		if err := first.KeepIn(file); err == nil {
			t.Error("a file was written over")
		}
		second, err := client.OpenSpender(file, keys)
		w.must(err)
		if second.Left().String() != "3" {
			t.Errorf("%s are left", second.Left())
		}
		if _, err := client.OpenSpender(file, &api.LeaseKeys{}); !errors.Is(err, client.ErrNotSigned) {
			t.Error(err)
		}
		w.must(second.Spend(time.Now(), "work", "", one))
		w.must(os.Rename(folder, folder+"-away"))
		if err := second.Spend(time.Now(), "work", "", one); err == nil || second.Left().String() != "2" {
			t.Errorf("spent, and not written down: %v, %s are left", err, second.Left())
		}
		w.must(os.Rename(folder+"-away", folder))
		names, err := os.ReadDir(folder)
		w.must(err)
		if len(names) != 1 {
			t.Errorf("left behind is %v", names)
		}
		third, err := client.OpenSpender(file, keys)
		w.must(err)
		_, err = third.Report(t.Context(), w.app(), true)
		w.must(err)
		w.stands("3", "0")
	})
}

// What is spent after the last report could never be reported.
func TestNothingIsSpentAfterTheLastReport(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		one := token.FromInt(1)
		file := filepath.Join(t.TempDir(), "lease.json")
		s, keys, app := lease(w, 10), leaseKeys(w), w.app()
		w.must(s.KeepIn(file))
		w.must(s.Spend(time.Now(), "work", "", one))
		_, err := s.Report(t.Context(), app, false)
		w.must(err)
		w.must(s.Spend(time.Now(), "work", "", one))
		w.reachable(false)
		if _, err := s.Report(t.Context(), app, true); err == nil {
			t.Error("it was answered")
		}
		again, err := client.OpenSpender(file, keys)
		w.must(err)
		for _, s := range []*client.Spender{s, again} {
			if err := s.Spend(time.Now(), "work", "", one); !errors.Is(err, client.ErrLeaseOver) {
				t.Errorf("spent after a last report that may have come: %v", err)
			}
		}
		w.reachable(true)
		answer, err := again.Report(t.Context(), app, true)
		w.must(err)
		if answer.State != "CLOSED" {
			t.Error(answer.State)
		}
		w.stands("2", "0")
	})
}

func TestALastReportIsWrittenDownFirst(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		folder := filepath.Join(t.TempDir(), "leases")
		w.must(os.Mkdir(folder, 0o700))
		s := lease(w, 10)
		w.must(s.KeepIn(filepath.Join(folder, "lease.json")))
		w.must(os.RemoveAll(folder))
		w.losing(nil)
		if _, err := s.Report(t.Context(), w.app(), true); err == nil || len(w.operations()) > 0 {
			t.Errorf("%v, and %q was sent", err, w.operations())
		}
	})
}
