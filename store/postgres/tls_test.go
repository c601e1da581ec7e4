package postgres

import (
	"net/url"
	"strings"
	"testing"

	"github.com/farebox/farebox/test/cluster"
)

// With sslmode=verify-full a store speaks to who has a certificate for this name from this authority, and says to people why not to others.
func TestVerifiesWhoAnswers(t *testing.T) {
	t.Parallel()
	ours, theirs := cluster.NewAuthority(t, "ours"), cluster.NewAuthority(t, "theirs")
	c := cluster.Listening(t, "fsync = off")
	cert, key := ours.Issue(c, "localhost")
	for _, set := range []string{"ssl_cert_file = '" + cert + "'", "ssl_key_file = '" + key + "'", "ssl = on"} {
		c.Exec(t, "ALTER SYSTEM SET "+set)
	}
	c.Exec(t, "SELECT pg_reload_conf()")
	u, err := url.Parse(c.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	secure := func(host string, root *cluster.Authority) string {
		u.Host = host + ":" + u.Port()
		u.RawQuery = "sslmode=verify-full&sslrootcert=" + url.QueryEscape(root.File)
		return u.String()
	}
	s := open(t, secure("localhost", ours), Options{})
	defer s.Close()
	world(t, s)
	if err := charge(s, "secure"); err != nil {
		t.Fatal(err)
	}
	onlyCharged(t, s, map[string]bool{"secure": true})
	var encrypted bool
	if err := s.reads.QueryRow(ctx, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").Scan(&encrypted); err != nil || !encrypted {
		t.Errorf("the connection is not encrypted: %v", err)
	}
	for url, want := range map[string]string{
		secure("127.0.0.1", ours):   "is not for 127.0.0.1",
		secure("localhost", theirs): "sslrootcert",
	} {
		other, err := Open(url, Options{})
		if err == nil {
			t.Errorf("%s was opened: %v", url, other.Close())
		} else if text := err.Error(); !strings.Contains(text, want) || !strings.Contains(text, "certificate") || strings.Contains(text, "is it running") {
			t.Errorf("%s", text)
		}
	}
}
