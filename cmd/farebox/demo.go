package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/store/sqlite"
	"github.com/farebox/farebox/token"
)

type demoCmd struct {
	Addr address       `help:"Where to listen; 127.0.0.1:8080 unless given, or a free port if that one is taken." placeholder:"HOST:PORT"`
	For  time.Duration `help:"Stop after this long; until Ctrl-C unless given." placeholder:"DURATION"`
}

// Help adds to --help.
func (*demoCmd) Help() string {
	return `Three customers use their tokens through the HTTP API, like any application would: one request at a time, and in sessions that
are charged ahead and give back what was not used. On a terminal you see in place who uses what and what is left; into a
file or pipe it prints lines. They and four more have used tokens in the four weeks before, so that charts and forecasts have
something to tell. At the end the books are verified, and the database is removed.

  farebox demo
  farebox demo --for 10s | tee demo.log`
}

// Run is the verb.
func (cmd *demoCmd) Run() error {
	if cmd.For < 0 {
		return usageError("--for must not be negative")
	}
	signalled, release := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer release()
	ctx, stop := context.WithCancel(signalled)
	defer stop()
	dir, err := os.MkdirTemp("", "farebox-")
	if err != nil {
		return err
	}
	err = cmd.runIn(ctx, stop, filepath.Join(dir, "demo.db"))
	return errors.Join(err, os.RemoveAll(dir))
}

func (cmd *demoCmd) runIn(ctx context.Context, stop func(), db string) error {
	view, err := openDemoView(os.Stdout, stop)
	if err != nil {
		return err
	}
	defer view.close()
	slog.SetDefault(slog.New(slog.NewTextHandler(view.logs(), &slog.HandlerOptions{Level: slog.LevelWarn})))
	s, err := sqlite.Open(db, sqlite.Options{Create: true, Serve: true})
	if err != nil {
		return err
	}
	var end *demoState
	before, err := liveThroughPast(ctx, s, time.Now())
	if err == nil {
		end, err = cmd.serveAndShow(ctx, view, s, db)
	}
	view.close()
	if err == nil {
		err = end.prove(s, before)
	}
	return errors.Join(err, s.Close())
}

// serveAndShow runs the server, and against its port everything else, until it is time to stop; the server stops last.
func (cmd *demoCmd) serveAndShow(ctx context.Context, view demoView, s *sqlite.Store, db string) (*demoState, error) {
	server, err := startDemoServer(s, db, string(cmd.Addr))
	if err != nil {
		return nil, err
	}
	state, err := cmd.show(ctx, view, server, db)
	return state, errors.Join(err, server.stop())
}

func (cmd *demoCmd) show(ctx context.Context, view demoView, server *demoServer, db string) (*demoState, error) {
	world, err := createDemoWorld(server.addr, db)
	if err != nil {
		return nil, err
	}
	if cmd.For > 0 {
		var cancel func()
		ctx, cancel = context.WithTimeout(ctx, cmd.For)
		defer cancel()
	}
	state := newDemoState(time.Now(), server.addr, demoHints(server.addr, db, world), world)
	if server.note != "" {
		state.tell("%s", server.note)
	}
	traffic := startDemoTraffic(ctx, world)
	watch(ctx, server, world, traffic, state, view)
	traffic.wait()
	world.follow(state, traffic) // what came in since the last look
	return state, nil
}

// refreshEvery is how often the demo looks at the books, and a screen is painted.
const refreshEvery = 250 * time.Millisecond

// watch keeps the state up to date and shown until ctx ends, or there is nobody left to show it to.
func watch(ctx context.Context, server *demoServer, world *demoWorld, traffic *demoTraffic, state *demoState, view demoView) {
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	for {
		world.follow(state, traffic)
		world.sell(state)
		world.freshLink(state)
		if view.show(state) != nil {
			traffic.stop()
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-server.done:
			return
		case <-tick.C:
		}
	}
}

// demoServer is `farebox serve` inside the demo.
type demoServer struct {
	addr   string
	note   string // about the address
	cancel func()
	done   chan struct{}
	err    error // once done
}

const demoAddr = "127.0.0.1:8080"

// startDemoServer serves on an address; an empty one is the usual address or, if that is taken, a free port.
func startDemoServer(s *sqlite.Store, db, addr string) (*demoServer, error) {
	if addr != "" {
		server, err := startDemoServerOn(s, serving{db: db, addr: addr})
		if errors.Is(err, syscall.EADDRINUSE) {
			err = fmt.Errorf("%w\nstop what listens there, or choose another: farebox demo --addr 127.0.0.1:0 takes a free port", err)
		}
		return server, err
	}
	server, err := startDemoServerOn(s, serving{db: db, addr: demoAddr})
	if errors.Is(err, syscall.EADDRINUSE) {
		if server, err = startDemoServerOn(s, serving{db: db, addr: "127.0.0.1:0"}); err == nil {
			server.note = demoAddr + " is taken, so this is on a free port; --addr chooses one"
		}
	}
	return server, err
}

func startDemoServerOn(s *sqlite.Store, what serving) (*demoServer, error) {
	ctx, cancel := context.WithCancel(context.Background())
	server := &demoServer{cancel: cancel, done: make(chan struct{})}
	ready := make(chan struct{})
	go func() {
		defer close(server.done)
		server.err = serve(ctx, s, what, func(addr string, _ *engine.Engine) {
			server.addr = addr
			close(ready)
		})
	}()
	select {
	case <-ready:
		return server, nil
	case <-server.done:
		cancel()
		return nil, server.err
	}
}

func (s *demoServer) stop() error {
	demoHTTP.CloseIdleConnections() // the server waits a while for those that were never used
	s.cancel()
	<-s.done
	return s.err
}

// prove says how the demo went, and that the books agree, in which there is also what was used before it.
func (s *demoState) prove(books *sqlite.Store, before token.Amount) error {
	proof, err := engine.Verify(context.Background(), books)
	if err != nil {
		return err
	}
	fmt.Println(strings.Join(s.summary(), "\n"))
	differences := len(proof.Differences) + proof.More
	if differences > 0 {
		fmt.Printf("verify: %d differences\n  %s\n", differences, strings.Join(proof.Differences, "\n  "))
		err = fmt.Errorf("%d differences", differences)
	} else {
		fmt.Println("verify: all balances agree")
	}
	fmt.Printf("  %s, %s of them in the weeks before\n", summary(proof), before)
	fmt.Println("The demo's database is gone. Yours starts with: farebox serve")
	return err
}
