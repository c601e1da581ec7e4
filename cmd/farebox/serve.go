package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/server"
	"github.com/farebox/farebox/store"
)

type serveCmd struct {
	Addr        address `default:"127.0.0.1:8080" help:"Where to listen; port 0 picks a free one." placeholder:"HOST:PORT" env:"FAREBOX_ADDR"`
	TestClock   moment  `help:"Let time pass only when an administrator advances it, from this time on: a date or a time such as 2026-01-01T00:00:00Z. For tests, on a database of their own." placeholder:"TIME"`
	Private     bool    `name:"webhook-allow-private" help:"Let webhooks go to private addresses and to http:// too. For tests, and where all who may set webhooks may reach this network anyway." env:"FAREBOX_WEBHOOK_ALLOW_PRIVATE"`
	ProfileAddr address `help:"Offer Go's profiles and traces of this process here (/debug/pprof/), for go tool pprof. They take processor time: use an address that only you reach." placeholder:"HOST:PORT" env:"FAREBOX_PROFILE_ADDR"`
	sourceFlags `embed:""`
	outFlags    `embed:""`
	database    `embed:""`
}

// sourceFlags say what is recorded of where requests come from.
type sourceFlags struct {
	RecordSource server.Precision `enum:"off,short,full" default:"off" help:"Record with each event where its request came from, by address and user agent: off, short (the network alone: /24, or /48 of IPv6) or full." env:"FAREBOX_RECORD_SOURCE"`
	TrustedProxy []string         `help:"With --record-source: believe the X-Forwarded-For of this proxy, a network such as 10.0.0.0/8 or an address; may be repeated." placeholder:"NETWORK" env:"FAREBOX_TRUSTED_PROXY"`
}

func (f *sourceFlags) sourcing() (server.Sourcing, error) {
	proxies, err := server.ParseProxies(f.TrustedProxy)
	if err != nil {
		return server.Sourcing{}, usageError("--trusted-proxy: " + err.Error())
	}
	return server.Sourcing{Record: f.RecordSource, Proxies: proxies}, nil
}

// Help adds to --help.
func (*serveCmd) Help() string {
	return `On the first start with an empty database it makes an administration and a client key pair. The private halves lie
beside the database as FILE.admin.pem and FILE.client.pem; "farebox token" finds them there.

With --test-clock an integration test can live through months in seconds: POST /farebox/v1/test-clock {"advance":"PT1H"} answers
when every automatic charge, deadline and lapse up to then has been made. A database keeps the kind of clock it was first
served with; a test clock goes on where it stood. It is one server's only: servers that share
a database do not share it. Tokens (JWT) are judged by real time in any case.

Usage events can leave while it runs: --export-to writes each day when it is over, --events-to sends them as they happen. Neither holds
up a charge. A target that is new gets all that is recorded. With --export-to, the configuration usage.retention may say after how many days
what was exported leaves the database.

  farebox serve --addr 127.0.0.1:8080 --db ./farebox.db
  farebox serve --export-to file:///var/lib/farebox/usage --events-to https://billing.example/usage
  farebox serve --db ./test.db --test-clock 2026-01-01T00:00:00Z`
}

func (cmd *serveCmd) testClock() *time.Time {
	if cmd.TestClock.IsZero() {
		return nil
	}
	return &cmd.TestClock.Time
}

// Run is the verb.
func (cmd *serveCmd) Run() error {
	addProcessor()
	defer runtime.KeepAlive(newBallast())
	sourcing, err := cmd.sourcing()
	if err != nil {
		return err
	}
	out, err := cmd.outFlags.open(context.Background())
	if err != nil {
		return err
	}
	defer func() { logError("closing targets", out.close()) }()
	s, err := cmd.database.open(opening{create: true, serve: true})
	if err != nil {
		return err
	}
	defer func() { logError("closing the database", s.Close()) }()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if cmd.ProfileAddr != "" {
		url, err := serveProfiles(ctx, string(cmd.ProfileAddr))
		if err != nil {
			return err
		}
		slog.Info("serving profiles", "url", url)
	}
	return serve(ctx, s, serving{cmd.DB, string(cmd.Addr), cmd.testClock(), sourcing, cmd.Private, out}, func(addr string, e *engine.Engine) {
		about := []any{"addr", addr, "db", shown(cmd.DB), "docs", "http://" + addr + "/docs/"}
		if e.HasTestClock() {
			about = append(about, "testClock", timeText(e.Now()))
		}
		slog.Info("serving", about...)
	})
}

// serving says what is served, and where.
type serving struct {
	db, addr  string
	testClock *time.Time // nil: the time of the world
	sourcing  server.Sourcing
	private   bool     // webhooks may be
	out       *outlets // nil: none
}

// serve answers requests until ctx ends. It tells the address it listens on when it is ready.
func serve(ctx context.Context, s store.Store, what serving, ready func(addr string, e *engine.Engine)) error {
	clock, err := engine.DecideClock(ctx, s, what.testClock)
	if err != nil {
		return fmt.Errorf("%s: %w", shown(what.db), err)
	}
	metrics := engine.NewMetrics()
	e := engine.New(s, engine.Options{Metrics: metrics, Serve: true, Clock: clock, PrivateWebhooks: what.private})
	defer e.Stop()
	if err := firstKeys(ctx, e, what.db); err != nil {
		return err
	}
	if what.testClock != nil && what.testClock.UnixMilli() > e.Now() {
		if err := advance(ctx, e, what.testClock.UnixMilli()); err != nil {
			return err
		}
	}
	listener, err := listen(what.addr)
	if err != nil {
		return fmt.Errorf("--addr: %w", err)
	}
	if what.out != nil {
		following, end := context.WithCancel(ctx)
		wait := what.out.follow(following, e)
		defer func() { end(); wait() }()
	}
	ready(listener.Addr().String(), e)
	err = server.New(e, server.Options{Metrics: metrics, Sourcing: what.sourcing, About: aboutServer(what.db, e.Now())}).Serve(ctx, listener)
	slog.Info("stopped")
	return err
}

// listen listens, or says what to do about it.
func listen(addr string) (net.Listener, error) {
	listener, err := net.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("cannot listen on %s: the address is in use; stop the program that listens there, or give another port (0 picks a free one)", addr)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("cannot listen on %s: this user may not; ports from 1024 on are for all", addr)
	case err != nil:
		return nil, fmt.Errorf("cannot listen on %s: %w", addr, err)
	}
	return listener, nil
}

// aboutServer is what a server tells of itself that starts now.
func aboutServer(db string, nowMS int64) server.About {
	a := server.About{StartedMS: nowMS, Version: version(), Store: "sqlite", Database: shown(db)}
	if isPostgres(db) {
		a.Store = "postgres"
	}
	return a
}

func advance(ctx context.Context, e *engine.Engine, toMS int64) error {
	to := func(int64) int64 { return toMS }
	_, _, err := e.AdvanceClock(ctx, nil, to, func(int64, int) (*store.Answer, error) { return new(store.Answer), nil })
	return err
}

func logError(doing string, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		slog.Error(doing, "error", err)
	}
}
