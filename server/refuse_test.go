package server

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/farebox/farebox/problem"
)

// Who runs a server is woken by ERROR: it is for what has failed, and neither for what was refused as it is meant to be nor for who has gone.
func TestWhatHasFailedIsLoggedAsAnError(t *testing.T) {
	log := logged(t)
	gone, leave := context.WithCancel(t.Context())
	leave()
	for _, c := range []struct {
		ctx   context.Context
		err   error
		level string // empty: not logged
	}{
		{t.Context(), problem.New(problem.NotFound, "nothing is there"), ""},
		{t.Context(), problem.New(problem.Unavailable, "others ask; try again"), "WARN"},
		{t.Context(), problem.Wrap(problem.Unavailable, errors.New("disk full"), "nothing was charged"), "ERROR"},
		{t.Context(), problem.New(problem.Internal, "this could not be decided"), "ERROR"},
		{t.Context(), errors.New("a fault"), "ERROR"},
		{t.Context(), problem.Wrap(problem.Unavailable, context.Canceled, "nothing was charged"), "ERROR"},
		{gone, problem.New(problem.Unavailable, "others ask; try again"), "DEBUG"},
		{gone, problem.Wrap(problem.Unavailable, context.Canceled, "nothing was read"), "DEBUG"},
		{gone, problem.Wrap(problem.Unavailable, errors.New("disk full"), "nothing was charged"), "ERROR"},
		{gone, errors.New("a fault"), "ERROR"},
	} {
		log.Reset()
		(&call{Request: httptest.NewRequestWithContext(c.ctx, "GET", "/farebox/v1/usage", nil)}).problemOf(c.err)
		if got := log.String(); c.level == "" && got != "" || !strings.Contains(got, c.level) {
			t.Errorf("%v, gone: %t: logged as %q, want level %q", c.err, c.ctx.Err() != nil, got, c.level)
		}
	}
}

// logged returns what is logged from now on, at any level.
func logged(t *testing.T) *bytes.Buffer {
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	var log bytes.Buffer
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	return &log
}
