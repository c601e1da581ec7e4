package blackbox

import (
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/farebox/farebox/test/cluster"
)

// What people run where many share a database: servers that reach PostgreSQL through PgBouncer in transaction mode, and speak only to who has a certificate for
// that name from that authority. Who has none for them gets no word of theirs, and people are told why.
func TestServesThroughPgBouncerWithTLS(t *testing.T) {
	ours, theirs := cluster.NewAuthority(t, "ours"), cluster.NewAuthority(t, "theirs")
	c := cluster.Own(t, "fsync = off")
	cert, key := ours.Issue(c, "localhost")
	u, err := url.Parse(c.Bouncer(t, c.URL(t), "client_tls_sslmode = require", "client_tls_cert_file = "+cert, "client_tls_key_file = "+key))
	if err != nil {
		t.Fatal(err)
	}
	port := u.Port()
	secure := func(host string, root *cluster.Authority) string {
		u.Host, u.RawQuery = host+":"+port, "sslmode=verify-full"
		if root != nil {
			u.RawQuery += "&sslrootcert=" + url.QueryEscape(root.File)
		}
		return u.String()
	}
	for _, refused := range []struct{ db, because string }{
		{secure("127.0.0.1", ours), "the certificate of who answers there is not for 127.0.0.1; give --db a host that it is for"},
		{secure("localhost", theirs), "the certificate of who answers there is not to be trusted; if it should be, name the file of the authority that issued it, with sslrootcert=FILE"},
		{secure("localhost", nil), "the certificate of who answers there is not to be trusted"},
	} {
		for _, verb := range [][]string{{"serve", "--addr", "127.0.0.1:0"}, {"verify"}} {
			r := run(t, t.TempDir(), append(verb, "--db", refused.db)...)
			if r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, refused.because) || strings.Contains(r.stderr, "is it running") {
				t.Errorf("%s of %s ends with %d and says\n%s%s", verb[0], refused.db, r.code, r.stdout, r.stderr)
			}
			if password, _ := u.User.Password(); strings.Contains(r.stderr, ":"+password+"@") {
				t.Errorf("%s tells the password:\n%s", verb[0], r.stderr)
			}
		}
	}
	s := newShopOn(t, secure("localhost", ours), 2)
	admin := s.clients(s.token("--admin"))
	instance := admin[0].newInstance(t, "acme")
	admin[1].putLineItem(t, instance, "L", 1000, "")
	apps := s.clients(s.token("--client", "--instance", instance))
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			for range 10 {
				if a, err := apps[i%2].call("POST", accessPath("v1.1", instance), "", ask("unit", "", "1")); err != nil || a.status != 200 || !strings.Contains(a.body, `"1101"`) {
					t.Errorf("%v, %v", a, err)
				}
			}
		})
	}
	wait.Wait()
	if used := fmt.Sprint(admin[0].used(t, instance, "L").RatString()); used != "80" {
		t.Errorf("%s tokens are used by 80 charges of one", used)
	}
	for _, server := range s.servers {
		server.stop()
	}
	verify(t, s.db)
}
