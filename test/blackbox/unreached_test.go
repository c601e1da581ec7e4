package blackbox

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/farebox/farebox/test/cluster"
)

// Whoever points a server at a PostgreSQL that it cannot use is told in one line which, why, and what to do.
func TestWhyPostgreSQLCannotBeUsed(t *testing.T) {
	t.Parallel()
	c := cluster.Listening(t, "fsync = off")
	u, err := url.Parse(c.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	c.Exec(t, "CREATE ROLE plain LOGIN PASSWORD 'known'; CREATE ROLE idle PASSWORD 'known'")
	c.Exec(t, "CREATE DATABASE wanted")
	letIn := func(lines string) {
		c.Exec(t, fmt.Sprintf("COPY (SELECT 'local all all trust' UNION ALL %s) TO '%s'", lines, filepath.Join(c.Socket(), "data", "pg_hba.conf")))
		c.Crash(t) // a reload is told of, and not waited for
		c.Start(t)
	}
	letIn("SELECT 'host all all 127.0.0.1/32 scram-sha-256'")
	db := func(user *url.Userinfo, address, name, query string) string {
		return (&url.URL{Scheme: "postgres", User: user, Host: address, Path: "/" + name, RawQuery: query}).String()
	}
	as := url.UserPassword
	good, password := u.User, func() string { p, _ := u.User.Password(); return p }()
	tests := []struct{ db, want string }{
		{db(good, "127.0.0.1:1", "postgres", ""), "127.0.0.1:1/postgres cannot be reached: nobody listens there; is it running"},
		{db(good, "no-such-host.invalid", "postgres", ""), `no-such-host.invalid`},
		{db(as(good.Username(), "not-the-secret"), c.Address(), "postgres", ""), "/postgres cannot be reached: the password of user "},
		{db(url.User(good.Username()), c.Address(), "postgres", ""), " needs a password; give it in --db"},
		{db(as("idle", "known"), c.Address(), "postgres", ""), `role "idle" is not permitted to log in; see the rights of the user`},
		{db(good, c.Address(), "nowhere", ""), `/nowhere cannot be reached: there is no database "nowhere"; make it with CREATE DATABASE`},
		{db(good, c.Address(), "postgres", "sslmode=require"), "it speaks no TLS, which sslmode in --db asks for; set ssl = on there"},
		{db(as("plain", "known"), c.Address(), "wanted", ""), `permission denied for schema public; give user "plain" a schema of its own`},
		{db(good, c.Address(), "postgres", "default_transaction_read_only=on"), "in a read-only transaction; is it a replica?"},
		{db(good, "", "postgres", "host="+url.QueryEscape(filepath.Join(c.Socket(), "nowhere"))), "there is no such socket; is it running here?"},
		{db(good, c.Address(), "postgres", "sslmode=nonsense"), "--db is not a PostgreSQL URL"},
	}
	refused := func(db, want string) {
		r := run(t, t.TempDir(), "serve", "--addr", "127.0.0.1:0", "--db", db)
		if r.code != 1 || r.stdout != "" || strings.Count(r.stderr, "\n") != 1 || !strings.HasPrefix(r.stderr, "farebox: ") || !strings.Contains(r.stderr, want) {
			t.Errorf("serve ends with %d and says\n%s%swant one line with %q", r.code, r.stdout, r.stderr, want)
		}
		for _, secret := range []string{password, "not-the-secret"} {
			if strings.Contains(r.stderr, ":"+secret) {
				t.Errorf("serve tells the password: %s", r.stderr)
			}
		}
	}
	for _, test := range tests {
		refused(test.db, test.want)
	}
	letIn("SELECT 'hostssl all all 127.0.0.1/32 scram-sha-256'")
	refused(db(good, c.Address(), "postgres", "sslmode=disable"), "no encryption; say sslmode=require in --db")
}
