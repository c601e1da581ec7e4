package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/server"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/sqlite"
)

type serveCmd struct {
	Addr     string `default:"127.0.0.1:8080" help:"Where to listen; port 0 picks a free one." placeholder:"HOST:PORT" env:"FAREBOX_ADDR"`
	database `embed:""`
}

// Help adds to --help.
func (*serveCmd) Help() string {
	return `On the first start with an empty database it makes an administration and a client key pair. The private halves lie
beside the database as FILE.admin.pem and FILE.client.pem; "farebox token" finds them there.

  farebox serve --addr 127.0.0.1:8080 --db ./farebox.db`
}

// Run is the verb.
func (cmd *serveCmd) Run() error {
	s, err := cmd.open(sqlite.Options{Create: true, Serve: true})
	if err != nil {
		return err
	}
	defer func() { logError("closing the database", s.Close()) }()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return serve(ctx, s, cmd.DB, cmd.Addr, func(addr string) {
		slog.Info("serving", "addr", addr, "db", cmd.DB, "docs", "http://"+addr+"/docs/")
	})
}

// serve answers requests until ctx ends. It tells the address it listens on when it is ready.
func serve(ctx context.Context, s store.Store, db, addr string, ready func(addr string)) error {
	metrics := engine.NewMetrics()
	e := engine.New(s, engine.Options{Metrics: metrics})
	defer e.Stop()
	if err := firstKeys(ctx, e, db); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w", addr, err)
	}
	ready(listener.Addr().String())
	err = server.New(e, metrics).Serve(ctx, listener)
	slog.Info("stopped")
	return err
}

func logError(doing string, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		slog.Error(doing, "error", err)
	}
}
