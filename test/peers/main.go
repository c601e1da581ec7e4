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
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/farebox/farebox/bench"
)

type flags struct {
	bench.Options
	redis, postgres, workloads, dir, on, connections, servers string
	instances                                                 int
	json                                                      bool
}

func main() {
	var f flags
	flag.StringVar(&f.redis, "redis", "", "address of a Redis with an empty database, started with --appendonly yes --appendfsync always")
	flag.StringVar(&f.postgres, "postgres", "", "URL of a PostgreSQL database, in which a schema is made and dropped")
	flag.StringVar(&f.workloads, "workload", "ordered", "ordered, random or hot, or some of them with commas")
	flag.StringVar(&f.dir, "dir", ".", "folder for Farebox' databases; should be on the disk of the others")
	flag.IntVar(&f.instances, "instances", 1000, "instances")
	flag.IntVar(&f.Rounds, "rounds", 3, "how often each is measured")
	flag.StringVar(&f.on, "on", "file", "on what Farebox runs: file, postgres (that of -postgres), or both with a comma")
	flag.StringVar(&f.connections, "connections", "64", "requests at a time; some numbers with commas are measured one after the other")
	flag.StringVar(&f.servers, "servers", "1", "Farebox' servers on PostgreSQL; some numbers with commas are measured in turns")
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
	contenders, err := f.fareboxes(ctx, binary, dir, workloads)
	if err != nil {
		return err
	}
	f.DiskIn = dir
	f.Live = func(l bench.Live) {
		if l.Phase == "starting" {
			fmt.Fprintf(os.Stderr, "round %d: %s\n", l.Round, l.Contender)
		}
	}
	connections, err := numbers(f.connections)
	if err != nil {
		return fmt.Errorf("-connections: %w", err)
	}
	peers := f.peers(workloads)
	for _, f.Connections = range connections {
		report, err := bench.Run(ctx, f.Options, append(slices.Clone(contenders), peers...))
		if len(report.Summary) > 0 {
			err = errors.Join(f.print(report, contenders, peers), err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fareboxes are the contenders that are this product.
func (f *flags) fareboxes(ctx context.Context, binary, dir string, workloads []bench.Workload) (all []bench.Contender, err error) {
	world := bench.WorldOptions{Instances: f.instances, LineItems: f.instances}
	for on := range strings.SplitSeq(f.on, ",") {
		switch {
		case on == "file":
			farebox := &bench.Farebox{Binary: binary, Dir: dir, World: world}
			if err := farebox.Prepare(ctx); err != nil {
				return nil, err
			}
			all = append(all, bench.InTurns(farebox, workloads, true)...)
		case on == "postgres" && f.postgres != "":
			servers, err := numbers(f.servers)
			if err != nil {
				return nil, fmt.Errorf("-servers: %w", err)
			}
			farebox := &bench.Postgres{Binary: binary, Dir: dir, URL: f.postgres, World: world}
			for _, c := range farebox.InTurns(workloads, servers, false) {
				c.Name = "farebox " + c.Name
				all = append(all, c)
			}
		default:
			return nil, fmt.Errorf("-on must be file or, with -postgres, postgres; not %q", on)
		}
	}
	return all, nil
}

func numbers(text string) (all []int, err error) {
	for one := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(one)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is not a number from 1", one)
		}
		all = append(all, n)
	}
	return all, nil
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

func (f *flags) print(r *bench.Report, contenders, peers []bench.Contender) error {
	if f.json {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	if err := r.Write(os.Stdout); err != nil {
		return err
	}
	for _, c := range contenders {
		for _, p := range peers {
			_, of, _ := strings.Cut(p.Name, " ") // the workload
			workload, _, _ := strings.Cut(strings.TrimPrefix(c.Name, "farebox "), " on ")
			if times := r.Times(c.Name, p.Name); times > 0 && of == workload {
				fmt.Printf("%s makes %.2f times the charges of %s\n", c.Name, times, p.Name)
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
