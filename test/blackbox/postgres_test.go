package blackbox

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/farebox/farebox/test/cluster"
)

// shop is some servers on one database in PostgreSQL.
type shop struct {
	t       *testing.T
	dir, db string
	servers []*server
}

func newShop(t *testing.T, servers int, flags ...string) *shop {
	t.Helper()
	return newShopOn(t, cluster.Shared(t).URL(t), servers, flags...)
}

func newShopOn(t *testing.T, db string, servers int, flags ...string) *shop {
	t.Helper()
	s := &shop{t: t, dir: t.TempDir(), db: db}
	for range servers {
		s.servers = append(s.servers, startIn(t, s.dir, s.db, flags...))
	}
	return s
}

func (s *shop) token(args ...string) string {
	s.t.Helper()
	return strings.TrimSuffix(must(s.t, s.dir, append([]string{"token", "--db", s.db}, args...)...), "\n")
}

// clients returns one of each server, with the same token.
func (s *shop) clients(token string) (all []*client) {
	for _, server := range s.servers {
		c := newClient(server.url(), token)
		s.t.Cleanup(c.http.CloseIdleConnections)
		all = append(all, c)
	}
	return all
}

// Two and four servers on one database, 64 clients on one hot line item: never a token too many, and never one too few.
func TestServersShareOneLimit(t *testing.T) {
	for servers, allowed := range map[int]int{2: 1_500, 4: 1_500} {
		t.Run(fmt.Sprint(servers), func(t *testing.T) { shareOneLimit(t, servers, allowed) })
	}
}

func shareOneLimit(t *testing.T, servers, allowed int) {
	s := newShop(t, servers)
	admin := s.clients(s.token("--admin"))
	instance := admin[0].newInstance(t, "acme")
	admin[1].putLineItem(t, instance, "L", allowed, "")
	apps := s.clients(s.token("--client", "--instance", instance))
	granted := make([]atomic.Int64, servers)
	var wait sync.WaitGroup
	for i := range 64 {
		of := i % servers
		wait.Go(func() {
			for refused := 0; refused < 2; {
				a, err := apps[of].call("POST", accessPath("v1.1", instance), "", ask("unit", "", "1"))
				switch {
				case err == nil && a.status == 200 && strings.Contains(a.body, `"1101"`):
					granted[of].Add(1)
				case err == nil && a.status == 200 && strings.Contains(a.body, `"1306"`):
					refused++
				default:
					t.Errorf("server %d answers %v, %v", of, a, err)
					return
				}
			}
		})
	}
	wait.Wait()
	sum := int64(0)
	for i := range granted {
		if sum += granted[i].Load(); granted[i].Load() == 0 {
			t.Errorf("server %d granted nothing: it did not compete", i)
		}
	}
	if sum != int64(allowed) {
		t.Errorf("%d were granted, not %d", sum, allowed)
	}
	for i := range admin {
		if used := admin[i].used(t, instance, "L").RatString(); used != fmt.Sprint(allowed) {
			t.Errorf("server %d says that %s is used", i, used)
		}
	}
	for _, server := range s.servers {
		server.stop()
	}
	verify(t, s.db)
}

// What is changed through one server holds for the next charge through another; a retry through another server finds what was charged.
func TestServersShareSettingsAndKeys(t *testing.T) {
	s := newShop(t, 2)
	admin := s.clients(s.token("--admin"))
	instance := admin[0].newInstance(t, "acme")
	admin[0].putLineItem(t, instance, "L", 1_000_000, "")
	for i := range 10 {
		one, other := admin[i%2], admin[1-i%2]
		one.must(t, "POST", "/dynamicmonetization/provisioning/api/v1.1/rate-tables",
			fmt.Sprintf(`{"series":"s","version":"shared %d","effectiveFrom":%d,"items":[{"name":"unit","rate":%d}]}`, i, 1767225600000+i, i+2), nil)
		key := fmt.Sprint("key ", i)
		first, err := other.call("POST", accessPath("v1.1", instance), key, ask("unit", "", "1"))
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf(`"totalTokensCharged":%d,`, i+2); !strings.Contains(first.body, want) {
			t.Errorf("after a price of %d was posted to another server, the answer is %s", i+2, first.body)
		}
		again, err := one.call("POST", accessPath("v1.1", instance), key, ask("unit", "", "1"))
		if err != nil || again.body != first.body || again.status != first.status {
			t.Errorf("a retry through another server is answered by %v %v, not %v", again, err, first)
		}
	}
	if used := admin[0].used(t, instance, "L").RatString(); used != "65" {
		t.Errorf("%s is used, want 65: 2 and up to 11", used)
	}
}

// The verbs of the command line work on a database in PostgreSQL, and none of them tells its password.
func TestVerbsOnPostgres(t *testing.T) {
	s := newShop(t, 1)
	admin := s.clients(s.token("--admin"))[0]
	instance := admin.newInstance(t, "acme")
	admin.putLineItem(t, instance, "L", 100, "")
	admin.must(t, "POST", accessPath("v1.1", instance), ask("unit", "", "3"), nil)

	if text := must(t, s.dir, "usage", "events", "--db", s.db); strings.Count(text, "\n") != 2 || !strings.Contains(text, ",unit,") {
		t.Errorf("usage events prints %q", text)
	}
	if text := must(t, s.dir, "usage", "query", "--db", s.db, "--by", "item"); !strings.Contains(text, "unit") {
		t.Errorf("usage query prints %q", text)
	}
	id := strings.TrimSpace(must(t, s.dir, "keys", "create", "--client", "--id", "mine", "--db", s.db))
	if text := must(t, s.dir, "keys", "list", "--db", s.db); !strings.Contains(text, id) {
		t.Errorf("keys list prints %q", text)
	}
	if found, err := filepath.Glob(filepath.Join(s.dir, "farebox.client.mine.pem")); err != nil || len(found) != 1 {
		t.Errorf("the private half is not beside the others: %v, %v", found, err)
	}
	must(t, s.dir, "keys", "delete", "--client", "mine", "--db", s.db)
	must(t, s.dir, "rates", "list", "--db", s.db)
	must(t, s.dir, "packs", "list", "--db", s.db)
	verify(t, s.db)
	if r := run(t, s.dir, "backup", "copy.db", "--db", s.db); r.code != 1 || !strings.Contains(r.stderr, "pg_dump") {
		t.Errorf("backup ends with %d and says %q", r.code, r.stderr)
	}

	u, err := url.Parse(s.db)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	password = "secret-" + password
	u.User = url.UserPassword("nobody", password)
	for _, args := range [][]string{{"serve", "--addr", "127.0.0.1:0"}, {"verify"}, {"keys", "list"}} {
		r := run(t, s.dir, append(args, "--db", u.String())...)
		if r.code != 1 || !strings.Contains(r.stderr, "cannot be reached") {
			t.Errorf("%q of a role that is not there ends with %d and says %q", args, r.code, r.stderr)
		}
		if strings.Contains(r.stderr+r.stdout, password) {
			t.Errorf("%q tells the password: %s", args, r.stderr)
		}
	}
	s.servers[0].stop()
	if strings.Contains(s.servers[0].logs.String(), u.User.Username()+":") {
		t.Error("the server logs the password")
	}
}

// kill -9 of one server under load: what it acknowledged is there, and the other goes on at once.
func TestServerDiesOthersGoOn(t *testing.T) {
	s := newShop(t, 2)
	admin := s.clients(s.token("--admin"))
	instance := admin[0].newInstance(t, "acme")
	admin[0].putLineItem(t, instance, "L", 1_000_000, "")
	var mu sync.Mutex
	acknowledged, lost := 0, 0
	var wait sync.WaitGroup
	for i := range 32 {
		wait.Go(func() {
			app := admin[i%2]
			for j := range 200 {
				if i == 1 && j == 20 {
					s.servers[1].kill()
				}
				key := fmt.Sprint(i, "/", j)
				a, err := app.call("POST", accessPath("v1.1", instance), key, ask("unit", "", "1"))
				mu.Lock()
				if err == nil && a.status == 200 && strings.Contains(a.body, `"1101"`) {
					acknowledged++
				} else if app == admin[0] {
					t.Errorf("the server that lives answers %v, %v", a, err)
				} else { // as a client does: again, elsewhere, with the same key
					lost++
					app = admin[0]
					if a, err = app.call("POST", accessPath("v1.1", instance), key, ask("unit", "", "1")); err == nil && strings.Contains(a.body, `"1101"`) {
						acknowledged++
					} else {
						t.Errorf("a retry elsewhere is answered by %v, %v", a, err)
					}
				}
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	if lost == 0 {
		t.Error("nobody noticed that a server died")
	}
	if used := admin[0].used(t, instance, "L").RatString(); used != fmt.Sprint(acknowledged) || acknowledged != 32*200 {
		t.Errorf("%s is used after %d charges of 1, each with a key; want %d", used, acknowledged, 32*200)
	}
	s.servers[0].stop()
	verify(t, s.db)
}
