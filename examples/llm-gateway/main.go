// Command llm-gateway is a worked example: a reverse proxy before any endpoint that speaks as OpenAI's chat completions do, which has every request
// paid for with tokens of Farebox. README.md says how to run it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/client"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "llm-gateway:", err)
		os.Exit(1)
	}
}

func run() error {
	addr := flag.String("addr", "127.0.0.1:8090", "where to listen")
	upstream := flag.String("upstream", "", "the endpoint, such as https://api.openai.com; its key is in UPSTREAM_KEY")
	farebox := flag.String("farebox", "http://127.0.0.1:8080", "where Farebox is")
	key := flag.String("key", "", "file with the private key of a client key that is registered with Farebox (PEM)")
	customers := flag.String("customers", "", `file with the customers: {"their key": {"instance": "…", "user": "…"}}`)
	journal := flag.String("journal", "llm-gateway.journal", "file that has what was not settled yet")
	flag.Parse()

	known, err := readCustomers(*customers)
	if err != nil {
		return err
	}
	pem, err := os.ReadFile(*key)
	if err != nil {
		return fmt.Errorf("-key: %w", err)
	}
	tokens, err := client.ForInstances(pem, "", instances(known)...)
	if err != nil {
		return err
	}
	c, err := client.New(*farebox, tokens, client.Options{UserAgent: "llm-gateway"})
	if err != nil {
		return err
	}
	j, err := openJournal(*journal)
	if err != nil {
		return err
	}
	defer func() { _ = j.close() }()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	g := &gateway{client: c, journal: j, upstream: *upstream, upstreamKey: os.Getenv("UPSTREAM_KEY"), customers: known, http: &http.Client{}}
	return g.serve(ctx, *addr)
}

// serve settles what an earlier process has left, answers until ctx ends, and finishes what it has begun.
func (g *gateway) serve(ctx context.Context, addr string) error {
	g.recover(ctx)
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	slog.Info("serving", "addr", listener.Addr().String(), "upstream", g.upstream)
	s := &http.Server{Handler: g, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute}
	served := make(chan error, 1)
	go func() { served <- s.Serve(listener) }()
	again := time.NewTicker(time.Minute)
	defer again.Stop()
	for {
		select {
		case err := <-served:
			return err
		case <-again.C:
			g.recover(ctx)
		case <-ctx.Done():
			finish, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			return s.Shutdown(finish)
		}
	}
}

// customer is whoever a key belongs to.
type customer struct {
	Instance string `json:"instance"`
	User     string `json:"user"`
}

func readCustomers(file string) (map[string]customer, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("-customers: %w", err)
	}
	var all map[string]customer
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("-customers: %s: %w", file, err)
	}
	for key, c := range all {
		if key == "" || c.Instance == "" || c.User == "" {
			return nil, errors.New("-customers: each needs a key, an instance and a user")
		}
	}
	return all, nil
}

func instances(all map[string]customer) (ids []string) {
	for _, c := range all {
		ids = append(ids, c.Instance)
	}
	return ids
}
