package server

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// Whoever does not get on with a request is hung up on, and so frees the connection (slow loris). The server here is a hundred times as
// impatient as usual.
func TestSlowRequestsAreHungUpOn(t *testing.T) {
	s := openShop(t)
	for _, usual := range []time.Duration{usualPatience.header, usualPatience.read, usualPatience.write, usualPatience.idle} {
		if usual <= 0 || usual > 2*time.Minute {
			t.Errorf("usually %v is waited", usual)
		}
	}
	s.server.patience = patience{header: usualPatience.header / 100, read: usualPatience.read / 100, write: usualPatience.write / 100, idle: usualPatience.idle / 100}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.server.Serve(ctx, listener) }()
	t.Cleanup(func() { stop(); <-served })
	path := "/dynamicmonetization/elastic/api/v1.1/instances/" + s.instance + "/access-request"
	post := func(token, headers string) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n%s\r\n\r\n", path, token, headers)
	}
	for name, c := range map[string]struct{ request, answer string }{
		"nothing":                     {"", ""},
		"a method":                    {"PO", ""},
		"a header without an end":     {"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ", ""},
		"headers without an end":      {"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: 1\r\n", ""},
		"a body without an end":       {post(s.client, "Content-Length: 1000") + `{"requester"`, "HTTP/1.1 400 "},
		"chunks without an end":       {post(s.client, "Transfer-Encoding: chunked") + "5\r\n{\"req", "HTTP/1.1 400 "},
		"a body of nobody":            {post("x", "Content-Length: 1000") + `{"requester"`, "HTTP/1.1 401 "}, // which is not waited for
		"a request, and then nothing": {"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, c.request); err != nil {
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
