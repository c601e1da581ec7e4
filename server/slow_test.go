package server

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// serveAs serves a shop that is patient in its own way, and returns where.
func serveAs(t *testing.T, p patience) (*shop, string) {
	t.Helper()
	s := openShop(t)
	s.server.patience = p
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.server.Serve(ctx, listener) }()
	t.Cleanup(func() { stop(); <-served })
	return s, listener.Addr().String()
}

// Whoever does not get on with a request is hung up on, and so frees the connection (slow loris). The servers here are impatient in one way
// each, so that a busy machine is given time for the rest.
func TestSlowRequestsAreHungUpOn(t *testing.T) {
	for _, usual := range []time.Duration{usualPatience.header, usualPatience.read, usualPatience.write, usualPatience.idle} {
		if usual <= 0 || usual > 2*time.Minute {
			t.Errorf("usually %v is waited", usual)
		}
	}
	const most = 2 * time.Minute
	header, body, next := patience{50 * time.Millisecond, most, most, most}, patience{most, 3 * time.Second, most, most}, patience{most, most, most, 100 * time.Millisecond}
	const post = "POST /dynamicmonetization/elastic/api/v1.1/instances/INSTANCE/access-request HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
	for name, c := range map[string]struct {
		patience
		request, answer string
	}{
		"nothing":                     {header, "", ""},
		"a method":                    {header, "PO", ""},
		"a header without an end":     {header, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ", ""},
		"headers without an end":      {header, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: 1\r\n", ""},
		"a body without an end":       {body, post + "TOKEN\r\nContent-Length: 1000\r\n\r\n{\"requester\"", "HTTP/1.1 400 "},
		"chunks without an end":       {body, post + "TOKEN\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"req", "HTTP/1.1 400 "},
		"a body of nobody":            {body, post + "x\r\nContent-Length: 1000\r\n\r\n{\"requester\"", "HTTP/1.1 401 "}, // which is not waited for
		"a request, and then nothing": {next, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, addr := serveAs(t, c.patience)
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			if _, err := strings.NewReplacer("INSTANCE", s.instance, "TOKEN", s.client).WriteString(conn, c.request); err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(conn) // until the server hangs up
			if err != nil {
				t.Fatalf("it is still waited for: %v", err)
			}
			if !strings.HasPrefix(string(answer), c.answer) || c.answer == "" && len(answer) > 0 && !strings.HasPrefix(string(answer), "HTTP/1.1 4") {
				t.Errorf("answered %q", answer)
			}
		})
	}
}
