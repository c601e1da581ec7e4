package blackbox

import (
	"bufio"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A server that is asked to stop answers what it has accepted, takes nothing new, and ends with 0.
func TestStopFinishesWhatItAccepted(t *testing.T) {
	s := start(t, filepath.Join(t.TempDir(), "f.db"))
	admin := s.admin()
	instance := admin.newInstance(t, "acme")
	admin.putLineItem(t, instance, "L", 1_000_000, "")
	admin.http.CloseIdleConnections()

	const halfway = 5
	slow := make([]*slowRequest, halfway)
	for i := range slow {
		slow[i] = beginSlowly(t, s, admin.token, instance)
	}
	load := startLoad(s, admin.token, instance)
	for load.granted.Load() == 0 && load.wrong.Load() == nil {
		time.Sleep(time.Millisecond)
	}

	s.signal(syscall.SIGTERM)
	expectNoNewConnections(t, s)
	for _, r := range slow {
		if status := r.finish(t); status != 200 {
			t.Errorf("a request that was accepted before the end is answered with %d", status)
		}
	}
	s.expectEnd()
	granted := load.wait(t) + halfway
	verify(t, s.db)
	again := start(t, s.db)
	if used := again.admin().used(t, instance, "L"); used.Cmp(new(big.Rat).SetInt64(granted)) != 0 {
		t.Errorf("%s tokens were charged, %d charges were answered", used.RatString(), granted)
	}
}

// slowRequest is a charge of one token of which the server has the head and half of the body.
type slowRequest struct {
	conn net.Conn
	rest string
}

func beginSlowly(t testing.TB, s *server, token, instance string) *slowRequest {
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	body := ask("unit", "", "1")
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s",
		accessPath("v1.1", instance), token, len(body), body[:len(body)/2])
	if err != nil {
		t.Fatal(err)
	}
	return &slowRequest{conn, body[len(body)/2:]}
}

func (r *slowRequest) finish(t testing.TB) (status int) {
	t.Helper()
	if _, err := io.WriteString(r.conn, r.rest); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(r.conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || !strings.Contains(string(text), `"1101"`) {
		t.Errorf("%v %s", err, text)
	}
	return response.StatusCode
}

func expectNoNewConnections(t testing.TB, s *server) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			return
		}
		_ = conn.Close()
		if time.Now().After(end) {
			t.Fatal("a server that stops still takes connections")
		}
	}
}

// load is clients that charge one token at a time until the server is gone.
type load struct {
	clients  sync.WaitGroup
	stopping atomic.Bool
	granted  atomic.Int64
	wrong    atomic.Pointer[string]
}

func startLoad(s *server, token, instance string) *load {
	l := new(load)
	for range 8 {
		l.clients.Go(func() {
			c := newClient(s.url(), token)
			defer c.http.CloseIdleConnections()
			for !l.stopping.Load() {
				a, err := c.call("POST", accessPath("v1.1", instance), "", ask("unit", "", "1"))
				if err != nil {
					return
				}
				if a.status != 200 || !strings.Contains(a.body, `"1101"`) {
					text := fmt.Sprint(a)
					l.wrong.Store(&text)
					return
				}
				l.granted.Add(1)
			}
		})
	}
	return l
}

// stop ends the load of a server that goes on.
func (l *load) stop(t testing.TB) (granted int64) {
	l.stopping.Store(true)
	return l.wait(t)
}

func (l *load) wait(t testing.TB) (granted int64) {
	t.Helper()
	l.clients.Wait()
	if wrong := l.wrong.Load(); wrong != nil {
		t.Errorf("the load was answered with %s", *wrong)
	}
	return l.granted.Load()
}

// Whoever only looks is no reason to wait: connections without a request do not hold the end up. A server that had waited for them until it cut
// them off would end with 1.
func TestStopDoesNotWaitForIdleConnections(t *testing.T) {
	s := start(t, filepath.Join(t.TempDir(), "f.db"))
	admin := s.admin()
	admin.newInstance(t, "acme") // its connection stays open
	s.stop()
}
