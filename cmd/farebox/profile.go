package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/pprof"
	"time"
)

// serveProfiles offers Go's profiles and traces of this process on an address of their own until ctx ends, and returns where. Whoever
// asks for them can keep a processor busy, so the address is not that of the API, and nobody listens unless asked to.
func serveProfiles(ctx context.Context, addr string) (url string, err error) {
	listener, err := listen(addr)
	if err != nil {
		return "", fmt.Errorf("--profile-addr: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	h := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = h.Close() })
	go func() {
		if err := h.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			logError("serving profiles", err)
		}
	}()
	return "http://" + listener.Addr().String() + "/debug/pprof/", nil
}
