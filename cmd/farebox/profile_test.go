package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// Profiles are served where they were asked for, and no longer than the server.
func TestProfiles(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	url, err := serveProfiles(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"": "goroutine", "allocs?debug=1": "heap profile", "goroutine?debug=1": "serveProfiles", "profile?seconds=1": "", "trace?seconds=0.01": "go 1"} {
		response, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
			t.Errorf("%s: %s, %v: %.200q", path, response.Status, err, body)
		}
	}
	_, port, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/debug/pprof/"), ":")
	if _, err := serveProfiles(ctx, "127.0.0.1:"+port); err == nil || !strings.Contains(err.Error(), "--profile-addr") {
		t.Errorf("an address in use: %v", err)
	}
	stop()
	for { // it stops in its own time
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			return
		}
		_ = conn.Close()
	}
}
