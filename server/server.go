// Package server is the HTTP that keeps the promise of package api: it decodes, authenticates, calls one verb of the
// engine and renders the answer.
package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/farebox/farebox/console"
	"github.com/farebox/farebox/engine"
)

// Server answers HTTP requests with an engine.
type Server struct {
	engine   *engine.Engine
	mux      *http.ServeMux
	registry *prometheus.Registry
	latency  *prometheus.HistogramVec
	sourcing Sourcing
	patience patience
	bulks    chan struct{} // has room for those that may be under way at a time
	stopping atomic.Bool

	about About

	onlookers onlookers
	liveTime  time.Duration // how long a live stream lasts
}

// Options of a server. The zero value is right.
type Options struct {
	Metrics  *engine.Metrics // those of the engine; nil: not shown
	Sourcing Sourcing
	About    About
}

// About is what a server tells administrators of itself.
type About struct {
	StartedMS int64
	Version   string
	Store     string // sqlite or postgres
	Database  string // without a password
}

// New returns a server.
func New(e *engine.Engine, options Options) *Server {
	s := &Server{
		engine: e, sourcing: options.Sourcing, patience: usualPatience, bulks: make(chan struct{}, bulksMost), liveTime: liveTimeUsual, mux: http.NewServeMux(),
		about: options.About, registry: prometheus.NewRegistry(),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "farebox_http_seconds", Help: "Time to answer a request, by route and status.",
			Buckets: prometheus.ExponentialBuckets(0.00025, 2, 16),
		}, []string{"route", "status"}),
	}
	s.registry.MustRegister(s.latency, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if metrics := options.Metrics; metrics != nil {
		metrics.Register(s.registry)
	}
	for _, r := range routes() {
		s.mux.Handle(r.method+" "+r.path, s.handler(r))
	}
	s.mux.Handle("GET /metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{}))
	s.mux.Handle("GET /docs/", docs())
	s.mux.Handle("GET /console/", console.Handler())
	s.mux.HandleFunc("/", s.noRoute)
	return s
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

const (
	writeTimeout = 120 * time.Second
	headerBytes  = 64 << 10
	stopTimeout  = 30 * time.Second
)

// patience is how long a connection may take. Whoever is slower is not waited for.
type patience struct{ header, read, write, idle time.Duration }

var usualPatience = patience{header: 5 * time.Second, read: 60 * time.Second, write: writeTimeout, idle: 120 * time.Second}

// Serve answers requests on a listener until ctx ends; then it finishes those it has begun and returns.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	h := &http.Server{
		Handler: s, ReadHeaderTimeout: s.patience.header, ReadTimeout: s.patience.read, WriteTimeout: s.patience.write, IdleTimeout: s.patience.idle,
		MaxHeaderBytes: headerBytes, ErrorLog: slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- h.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	s.stopping.Store(true)
	finish, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	err := h.Shutdown(finish)
	if errors.Is(err, context.DeadlineExceeded) {
		err = errors.Join(errors.New("some requests did not end in time and were cut off"), h.Close())
	}
	return err
}
