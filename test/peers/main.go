// Command peers measures Farebox beside what people write by hand, with the same load in the same run: Redis with a script that checks and
// decrements, and PostgreSQL with a transaction a request. docs/BENCHMARKS.md says how to start them. It is a program of its own, since their
// clients would make every `farebox` larger for the few who measure this.
//
//	go run ./test/peers -redis 127.0.0.1:6379 -postgres 'postgres://postgres@127.0.0.1:5432/postgres'
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/farebox/farebox/bench"
)

type flags struct {
	bench.Options
	redis, postgres, workloads, dir string
	instances                       int
	json                            bool
}

func main() {
	var f flags
	flag.StringVar(&f.redis, "redis", "", "address of a Redis with an empty database, started with --appendonly yes --appendfsync always")
	flag.StringVar(&f.postgres, "postgres", "", "URL of a PostgreSQL database, in which a schema is made and dropped")
	flag.StringVar(&f.workloads, "workload", "ordered", "ordered, random or hot, or some of them with commas")
	flag.StringVar(&f.dir, "dir", ".", "folder for Farebox' databases; should be on the disk of the others")
	flag.IntVar(&f.instances, "instances", 1000, "instances")
	flag.IntVar(&f.Rounds, "rounds", 3, "how often each is measured")
	flag.IntVar(&f.Connections, "connections", 64, "requests at a time")
	flag.DurationVar(&f.Duration, "duration", 10*time.Second, "of each measurement")
	flag.DurationVar(&f.Warmup, "warmup", 2*time.Second, "under load before each")
	flag.Func("rate", "requests that are due a second, or a share of the most such as 50%", func(text string) error { return f.Rate.UnmarshalText([]byte(text)) })
	flag.BoolVar(&f.json, "json", false, "print JSON")
	flag.Parse()
	ctx, release := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer release()
	if err := f.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func (f *flags) run(ctx context.Context) (err error) {
	workloads, err := chosen(f.workloads)
	if err != nil {
		return err
	}
	if f.redis == "" && f.postgres == "" {
		return errors.New("give -redis or -postgres; to measure Farebox alone: farebox bench")
	}
	dir, err := os.MkdirTemp(f.dir, "farebox-peers-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	binary := filepath.Join(dir, "farebox")
	if text, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/farebox/farebox/cmd/farebox").CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, text)
	}
	farebox := &bench.Farebox{Binary: binary, Dir: dir, World: bench.WorldOptions{Instances: f.instances, LineItems: f.instances}}
	if err := farebox.Prepare(ctx); err != nil {
		return err
	}
	f.DiskIn = dir
	f.Live = func(l bench.Live) {
		if l.Phase == "starting" {
			fmt.Fprintf(os.Stderr, "round %d: %s\n", l.Round, l.Contender)
		}
	}
	peers := f.peers(workloads)
	report, err := bench.Run(ctx, f.Options, append(bench.InTurns(farebox, workloads, true), peers...))
	if len(report.Summary) == 0 {
		return err
	}
	return errors.Join(f.print(report, workloads, peers), err)
}

func chosen(names string) (all []bench.Workload, err error) {
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(bench.Workloads(), func(w bench.Workload) bool { return w.Name == name })
		if !slices.Contains([]string{"ordered", "random", "hot"}, name) || i < 0 {
			return nil, fmt.Errorf("-workload must be ordered, random or hot, not %q", name)
		}
		all = append(all, bench.Workloads()[i])
	}
	return all, nil
}

func (f *flags) peers(workloads []bench.Workload) (all []bench.Contender) {
	for _, w := range workloads {
		if f.redis != "" {
			all = append(all, bench.Contender{Name: "redis " + w.Name, Start: func(ctx context.Context) (bench.Target, error) {
				return startRedis(ctx, f.redis, w, f.instances, f.Connections)
			}})
		}
		if f.postgres != "" {
			all = append(all, bench.Contender{Name: "postgres " + w.Name, Start: func(ctx context.Context) (bench.Target, error) {
				return startPostgres(ctx, f.postgres, w, f.instances)
			}})
		}
	}
	return all
}

func (f *flags) print(r *bench.Report, workloads []bench.Workload, peers []bench.Contender) error {
	if f.json {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	if err := r.Write(os.Stdout); err != nil {
		return err
	}
	for _, w := range workloads {
		for _, p := range peers {
			if times := r.Times(w.Name, p.Name); times > 0 && strings.HasSuffix(p.Name, " "+w.Name) {
				fmt.Printf("%s: farebox makes %.2f times the charges of %s\n", w.Name, times, strings.TrimSuffix(p.Name, " "+w.Name))
			}
		}
	}
	return nil
}

// The price of an item, and how much of it everybody has, in hundredths of a token.
const (
	price   = 25
	balance = 100_000_000_000_000
)
