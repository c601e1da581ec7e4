package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/term"

	"github.com/farebox/farebox/bench"
)

type benchCmd struct {
	Workload    []string      `default:"ordered,random,hot,many" help:"What is asked for, in turns; see above. May be repeated, and have commas." placeholder:"NAME"`
	Rounds      int           `default:"3" help:"How often each is measured."`
	Duration    time.Duration `default:"10s" help:"How long each measurement is."`
	Warmup      time.Duration `default:"2s" help:"How long each server is under load before it is measured."`
	Connections int           `default:"64" help:"How many requests there are at a time, each on a connection of its own."`
	Rate        bench.Rate    `help:"Requests that are due a second, whether or not those before were answered; or a share of the most such as 50%, which is measured first." placeholder:"N|N%"`
	Instances   int           `default:"1000" help:"How many instances are asked, by Zipf's law."`
	LineItems   int           `help:"How many line items they have together; one each unless given." placeholder:"N"`
	Bare        bool          `default:"true" negatable:"" help:"Measure a bare net/http server, too."`
	Verify      bool          `help:"Have farebox verify judge the books of every server when it has stopped."`
	JSON        bool          `name:"json" help:"Print JSON with every measurement, instead of a table."`
	Dir         string        `default:"." help:"The folder, thus the disk, for databases; they are removed in the end." type:"existingdir" placeholder:"FOLDER"`
	DB          string        `name:"db" help:"Begin with copies of this database; or run on PostgreSQL, each in a schema of its own that is dropped in the end." placeholder:"FILE|URL"`
	Servers     []int         `default:"1" help:"With PostgreSQL: how many servers share the database, and the connections. With commas, each number is measured in its turn." placeholder:"N"`
	URL         string        `name:"url" help:"Measure this server instead of starting one. The accounts and line items that are made for it stay there." placeholder:"URL"`
	Token       string        `help:"With --url: a token of administration." placeholder:"TOKEN" env:"FAREBOX_TOKEN"`
}

// Help adds to --help.
func (*benchCmd) Help() string {
	var workloads strings.Builder
	for _, w := range bench.Workloads() {
		fmt.Fprintf(&workloads, "\n  %-9s %s", w.Name, w.Help)
	}
	return `Starts servers of its own on new databases, one after the other, sends requests over HTTP and checks every answer. Each waits for the disk, as always.
In the same run, in turns, it measures a bare net/http server that decodes and encodes the same JSON, and how fast the disk syncs;
ratios between them say more than numbers of one machine. The processor's time is that of a request, of the server and of the load generator;
bytes are those that a charge takes in the file. On PostgreSQL, which must wait for the disk (fsync, synchronous_commit, full_page_writes), its processor's
time counts too if it runs on this machine. Ctrl-C prints what was measured until then.

Workloads:` + workloads.String() + `

  farebox bench
  farebox bench --workload ordered,rules --rate 50% --duration 30s --json >bench.json
  farebox bench --db postgres://me@127.0.0.1/postgres --workload ordered,hot --servers 1,2,4
  farebox bench --url https://test.example --token "$(farebox token --admin)" --workload sessions`
}

// Validate says what is wrong with the flags.
func (cmd *benchCmd) Validate() error {
	switch {
	case cmd.Rounds < 1 || cmd.Rounds > 1000:
		return errors.New("--rounds must be from 1 to 1000")
	case cmd.Duration <= 0:
		return errors.New("--duration must be more than 0")
	case cmd.Warmup < 0:
		return errors.New("--warmup must not be negative")
	case cmd.Connections < 1 || cmd.Connections > 10_000:
		return errors.New("--connections must be from 1 to 10000")
	case cmd.Instances < 1 || cmd.Instances > 1_000_000:
		return errors.New("--instances must be from 1 to 1000000")
	case cmd.LineItems != 0 && (cmd.LineItems < cmd.Instances || cmd.LineItems > 10_000_000):
		return errors.New("--line-items must be from --instances, so that each has one, to 10000000")
	case cmd.URL != "" && (cmd.DB != "" || cmd.Verify):
		return errors.New("--db and --verify are for servers that bench starts itself, not for --url")
	case cmd.URL != "" && cmd.Token == "":
		return errors.New("--url needs --token: a token of administration, from: farebox token --admin")
	case cmd.URL == "" && cmd.Token != "" && os.Getenv("FAREBOX_TOKEN") != cmd.Token:
		return errors.New("--token is for --url; servers that bench starts have keys of their own")
	}
	_, err := cmd.workloads()
	return errors.Join(err, cmd.checkURL(), cmd.checkDB())
}

func (cmd *benchCmd) checkDB() error {
	if slices.ContainsFunc(cmd.Servers, func(n int) bool { return n < 1 || n > 64 }) {
		return errors.New("--servers must be from 1 to 64")
	}
	if isPostgres(cmd.DB) {
		return nil
	}
	if !slices.Equal(cmd.Servers, []int{1}) {
		return errors.New("--servers are on one PostgreSQL: --db postgres://user@host/database")
	}
	if cmd.DB != "" {
		if is, err := os.Stat(cmd.DB); err != nil || is.IsDir() {
			return fmt.Errorf("--db: there is no file %s", cmd.DB)
		}
	}
	return nil
}

func (cmd *benchCmd) checkURL() error {
	if cmd.URL == "" {
		return nil
	}
	u, err := url.Parse(cmd.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.User != nil {
		return fmt.Errorf("--url must be like http://127.0.0.1:8080, not %q", cmd.URL)
	}
	return nil
}

func (cmd *benchCmd) workloads() (chosen []bench.Workload, err error) {
	all := bench.Workloads()
	for _, name := range cmd.Workload {
		i := slices.IndexFunc(all, func(w bench.Workload) bool { return w.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("--workload: there is none named %q; there are %s", name, strings.Join(names(all), ", "))
		}
		if slices.ContainsFunc(chosen, func(w bench.Workload) bool { return w.Name == name }) {
			return nil, fmt.Errorf("--workload: %s is there twice", name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

func names(all []bench.Workload) []string {
	var names []string
	for _, w := range all {
		names = append(names, w.Name)
	}
	return names
}

// Run is the verb.
func (cmd *benchCmd) Run() error {
	ctx, release := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer release()
	live := newBenchLive(os.Stderr, cmd.Rounds)
	options := bench.Options{
		Rounds: cmd.Rounds, Connections: cmd.Connections, Warmup: cmd.Warmup, Duration: cmd.Duration, Rate: cmd.Rate,
	}
	if live.out != nil {
		options.Live = live.show // adding up percentiles takes some processor, which the server needs
	}
	var report *bench.Report
	var err error
	if cmd.URL != "" {
		report, err = cmd.elsewhere(ctx, options, live)
	} else {
		report, err = cmd.here(ctx, options, live)
	}
	live.clear()
	if report != nil && len(report.Summary) > 0 {
		err = errors.Join(cmd.print(report), err)
	}
	return err
}

// elsewhere measures a server that runs already.
func (cmd *benchCmd) elsewhere(ctx context.Context, o bench.Options, live *benchLive) (*bench.Report, error) {
	workloads, err := cmd.workloads()
	if err != nil {
		return nil, err
	}
	base, err := url.Parse(cmd.URL)
	if err != nil {
		return nil, err
	}
	target := &bench.Elsewhere{URL: base, Token: cmd.Token, World: cmd.world(workloads), Tell: live.prepare}
	if err := target.Prepare(ctx); err != nil {
		return nil, stoppedOr(ctx, err)
	}
	var contenders []bench.Contender
	for _, w := range workloads {
		contenders = append(contenders, target.Contender(w))
	}
	return bench.Run(ctx, o, contenders)
}

// here measures servers of its own.
func (cmd *benchCmd) here(ctx context.Context, o bench.Options, live *benchLive) (report *bench.Report, err error) {
	workloads, err := cmd.workloads()
	if err != nil {
		return nil, err
	}
	binary, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(cmd.Dir, "farebox-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if bench.InMemory(dir) {
		live.say("%s is in memory, where syncing costs nothing: choose a disk with --dir", cmd.Dir)
	}
	o.DiskIn = dir
	if isPostgres(cmd.DB) {
		p := &bench.Postgres{Binary: binary, Dir: dir, URL: cmd.DB, World: cmd.world(workloads), Verify: cmd.Verify, Tell: live.prepare}
		return bench.Run(ctx, o, p.InTurns(workloads, cmd.Servers, cmd.Bare))
	}
	f := &bench.Farebox{Binary: binary, Dir: dir, DB: cmd.DB, World: cmd.world(workloads), Verify: cmd.Verify, Tell: live.prepare}
	if err := f.Prepare(ctx); err != nil {
		return nil, stoppedOr(ctx, err)
	}
	return bench.Run(ctx, o, bench.InTurns(f, workloads, cmd.Bare))
}

func stoppedOr(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return bench.ErrStopped
	}
	return err
}

func (cmd *benchCmd) world(workloads []bench.Workload) bench.WorldOptions {
	return bench.WorldOptions{Instances: cmd.Instances, LineItems: max(cmd.LineItems, cmd.Instances), Ruled: slices.ContainsFunc(workloads, bench.Workload.NeedsRules)}
}

func (cmd *benchCmd) print(r *bench.Report) error {
	if !cmd.JSON {
		return r.Write(os.Stdout)
	}
	return json.MarshalWrite(os.Stdout, r, jsontext.WithIndent("  "))
}

// bareCmd is a contender of bench, in a process of its own.
type bareCmd struct{}

// Run is the verb.
func (*bareCmd) Run() error {
	ctx, release := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer release()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	return bench.ServeBare(ctx, l)
}

// benchLive is a line on a terminal that says what is going on.
type benchLive struct {
	out    *os.File // nil: nobody watches
	rounds int
	shown  time.Time
	drawn  bool
}

func newBenchLive(out *os.File, rounds int) *benchLive {
	if kind := os.Getenv("TERM"); kind == "" || kind == "dumb" || !term.IsTerminal(int(out.Fd())) {
		out = nil
	}
	return &benchLive{out: out, rounds: rounds}
}

func (v *benchLive) show(l bench.Live) {
	text := fmt.Sprintf("round %d of %d: %s, %s", l.Round, v.rounds, l.Contender, l.Phase)
	if l.PerSecond > 0 {
		text += fmt.Sprintf(": %.0f requests/s, p99 %.2f ms", l.PerSecond, l.P99Millis)
	}
	if l.Errors > 0 {
		text += fmt.Sprintf(", %d errors", l.Errors)
	}
	v.draw(text)
}

const benchLiveEvery = 100 * time.Millisecond

func (v *benchLive) prepare(doing string, share int) {
	if share > 0 && time.Since(v.shown) < benchLiveEvery {
		return
	}
	v.shown = time.Now()
	v.draw(fmt.Sprintf("%s: %d%%", doing, share))
}

func (v *benchLive) draw(text string) {
	if v.out == nil {
		return
	}
	if width, _, err := term.GetSize(int(v.out.Fd())); err == nil && width > 0 && len(text) >= width {
		text = text[:width-1] // a line that is full would begin another
	}
	fmt.Fprint(v.out, "\r\x1b[2K"+text)
	v.drawn = true
}

func (v *benchLive) clear() {
	if v.drawn {
		fmt.Fprint(v.out, "\r\x1b[2K")
		v.drawn = false
	}
}

// say tells something for good.
func (v *benchLive) say(format string, args ...any) {
	v.clear()
	fmt.Fprintf(os.Stderr, "farebox: "+format+"\n", args...)
}
