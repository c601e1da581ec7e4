package cluster

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"testing"
)

// Proxy stands between a store and PostgreSQL, and cuts connections at moments that matter.
type Proxy struct {
	net.Listener
	socket string
	at     func(commits bool) Cut
}

// Cut is what happens to a connection when something is asked over it.
type Cut int

// Cuts.
const (
	None       Cut = iota
	Unheard        // it is cut before PostgreSQL hears of it
	Unanswered     // it is cut when PostgreSQL answers, having heard all of it
	Raced          // it is cut as soon as PostgreSQL may have heard of it
	Swallowed      // it stays, and nothing that is sent from then on arrives, of either side: PostgreSQL has not heard of this
	Muted          // the same, but PostgreSQL has heard of this
)

// NewProxy begins to listen. At is asked before each piece of what is asked goes on, and told whether a commit is in it; it may be asked for
// several connections at once.
func NewProxy(t testing.TB, c *Cluster, at func(commits bool) Cut) *Proxy {
	t.Helper()
	if c.Socket() == "" {
		t.Skip("FAREBOX_TEST_POSTGRES is elsewhere: nothing can stand in between")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Listener: l, socket: filepath.Join(c.Socket(), ".s.PGSQL.5432"), at: at}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(client)
		}
	}()
	return p
}

// Through returns a URL that leads through the proxy.
func (p *Proxy) Through(t testing.TB, to string) string {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	u.Host, u.RawQuery = p.Addr().String(), "sslmode=disable"
	return u.String()
}

func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("unix", p.socket)
	if err != nil {
		return
	}
	var cut, silent atomic.Bool
	go p.ask(client, server, &cut, &silent)
	b := make([]byte, 1<<20)
	for {
		n, err := server.Read(b)
		if err != nil || cut.Load() {
			return
		}
		if silent.Load() {
			continue
		}
		if _, err := client.Write(b[:n]); err != nil {
			return
		}
	}
}

// ask passes on what is asked.
func (p *Proxy) ask(client, server net.Conn, cut, silent *atomic.Bool) {
	defer server.Close()
	b := make([]byte, 1<<20)
	for {
		n, err := client.Read(b)
		if err != nil {
			return
		}
		if silent.Load() {
			continue
		}
		how := p.at(commits(b[:n]))
		if how == Swallowed || how == Muted {
			silent.Store(true)
		}
		if how == Swallowed {
			continue
		}
		if how == Unheard {
			_ = client.Close()
			return
		}
		if how == Unanswered {
			cut.Store(true)
		}
		if _, err := server.Write(b[:n]); err != nil {
			return
		}
		if how == Raced {
			_ = client.Close()
			return
		}
	}
}

// commits says whether a piece of what is asked commits: whether COMMIT is bound, be it the statement that was just parsed or one that has a name.
func commits(b []byte) bool {
	return bytes.Contains(b, []byte("COMMIT\x00\x00\x00B")) || bytes.Contains(b, []byte("\x00"+named+"\x00\x00\x00\x00\x00")) // no formats, no parameters
}

// named is the name that the driver gives to COMMIT.
var named = func() string {
	sum := sha256.Sum256([]byte("COMMIT"))
	return "stmtcache_" + hex.EncodeToString(sum[:24])
}()
