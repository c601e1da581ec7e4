package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/client"
	"github.com/farebox/farebox/token"
)

// binaries are built once: both programs, as people run them.
var binaries string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "llm-gateway-")
	if err != nil {
		panic(err)
	}
	binaries = dir
	code := 1
	if text, err := exec.Command("go", "build", "-o", dir+string(filepath.Separator), ".", "../../cmd/farebox").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, text)
	} else {
		code = m.Run()
	}
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// process is one that serves.
type process struct {
	cmd  *exec.Cmd
	addr string
	log  *bytes.Buffer
	done chan struct{}
}

// start starts a program and waits until it says that it is serving.
func start(t testing.TB, name string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(filepath.Join(binaries, name), args...), log: &bytes.Buffer{}, done: make(chan struct{})}
	stderr, err := p.cmd.StderrPipe()
	must(t, err)
	must(t, p.cmd.Start())
	serving := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			p.log.WriteString(lines.Text() + "\n")
			if _, rest, is := strings.Cut(lines.Text(), "serving"); is {
				if _, addr, has := strings.Cut(rest, "addr="); has {
					serving <- strings.Fields(addr)[0]
				}
			}
		}
		_ = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(p.kill)
	select {
	case p.addr = <-serving:
	case <-p.done:
		t.Fatalf("%s has ended:\n%s", name, p.log)
	case <-time.After(time.Minute):
		t.Fatalf("%s does not serve", name)
	}
	return p
}

// kill ends it as nothing can prevent.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// real is a Farebox and a gateway as people run them, before a stub of a model in this process.
type real struct {
	testing.TB
	*model
	dir, db, upstream string
	farebox           *process
	admin             *client.Client
	instance          string
}

func openReal(t testing.TB, tokens int64) *real {
	t.Helper()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	r := &real{TB: t, model: &model{}, dir: t.TempDir()}
	r.db = filepath.Join(r.dir, "farebox.db")
	r.farebox = start(t, "farebox", "serve", "--addr", "127.0.0.1:0", "--db", r.db, "--test-clock", "2026-01-01T00:00:00Z")
	pem, err := os.ReadFile(r.db + ".admin.pem")
	must(t, err)
	adminTokens, err := client.Admin(pem, "")
	must(t, err)
	r.admin, err = client.New("http://"+r.farebox.addr, adminTokens, client.Options{})
	must(t, err)
	r.instance = furnish(t, r.admin, tokens)
	known, err := json.Marshal(map[string]customer{"key": {r.instance, "ann"}})
	must(t, err)
	must(t, os.WriteFile(filepath.Join(r.dir, "customers.json"), known, 0o600))
	upstream := httptest.NewUnstartedServer(r.model)
	upstream.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	upstream.Start()
	t.Cleanup(upstream.Close)
	r.upstream = upstream.URL
	return r
}

func (r *real) startGateway() *process {
	r.Helper()
	return start(r, "llm-gateway", "-addr", "127.0.0.1:0", "-upstream", r.upstream, "-farebox", "http://"+r.farebox.addr, "-key", r.db+".client.pem",
		"-customers", filepath.Join(r.dir, "customers.json"), "-journal", filepath.Join(r.dir, "journal"))
}

// verify ends Farebox and has the command line prove the books.
func (r *real) verify() {
	r.Helper()
	must(r, r.farebox.cmd.Process.Signal(os.Interrupt))
	<-r.farebox.done
	text, err := exec.Command(filepath.Join(binaries, "farebox"), "verify", "--db", r.db).CombinedOutput()
	if err != nil || !strings.Contains(string(text), "all balances agree") {
		r.Errorf("verify: %v\n%s", err, text)
	}
}

// got is what a caller got.
type got struct {
	tokens int64
	whole  bool
}

// TestKilledAtAnyPoint kills the gateway again and again while callers stream, at steps of the model drawn at random, and then holds three records against each
// other: what the callers got, what the model counted, and what was charged.
func TestKilledAtAnyPoint(t *testing.T) {
	const rounds, callers, each = 8, 12, 6
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	r := openReal(t, 1_000_000)
	all := map[string]got{}
	var mu sync.Mutex
	for round := range rounds {
		g := r.startGateway()
		if round < rounds-1 { // the last one is left alone, so that there is whole work as well
			killAt := r.count() + 1 + random.IntN(callers*each*8)
			r.at(func(n int) {
				if n == killAt {
					g.kill()
				}
			})
		}
		var calling sync.WaitGroup
		for caller := range callers {
			lengths := make([]int, each)
			for i := range lengths {
				lengths[i] = 1 + random.IntN(20)
			}
			calling.Go(func() {
				for i, n := range lengths {
					id := fmt.Sprintf("%d-%d-%d", round, caller, i)
					_, text, _ := ask(context.Background(), "http://"+g.addr, id, say(n, `,"stream":true,"max_tokens":20`))
					mu.Lock()
					all[id] = got{int64(strings.Count(text, `"tok "`)), strings.Contains(text, "[DONE]")}
					mu.Unlock()
				}
			})
		}
		calling.Wait()
		r.at(nil)
		g.kill()
	}
	g := r.startGateway() // which settles what was left
	r.check(all)
	g.kill()
	r.verify()
}

func (m *model) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.steps
}

func (m *model) at(step func(int)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.step = step
}

// charged is what was charged for one request.
type charged struct {
	input, output, tokens token.Amount
	settlements           map[string]bool
}

func (r *real) charges() map[string]*charged {
	out := map[string]*charged{}
	for e, err := range r.admin.Events(r.Context(), client.EventFilter{InstanceID: r.instance, Kind: "SETTLEMENT"}) {
		must(r, err)
		var meta struct {
			Request string `json:"request"`
		}
		must(r, json.Unmarshal(e.MetaData, &meta))
		c := out[meta.Request]
		if c == nil {
			c = &charged{settlements: map[string]bool{}}
			out[meta.Request] = c
		}
		c.settlements[e.CorrelationID] = true
		c.tokens = c.tokens.Add(e.Tokens)
		if e.Item == "input" {
			c.input = c.input.Add(e.Count)
		} else {
			c.output = c.output.Add(e.Count)
		}
	}
	return out
}

func (r *real) check(all map[string]got) {
	r.Helper()
	charges := r.charges()
	r.mu.Lock() // somebody may still be working for a gateway that is no more
	defer r.mu.Unlock()
	whole, broken, unfinished := 0, 0, 0
	var sum token.Amount
	for id, g := range all {
		work, c := r.works[id], charges[id]
		if c == nil {
			c = &charged{}
		}
		sum = sum.Add(c.tokens)
		if len(c.settlements) > 1 {
			r.Errorf("%s was settled %d times", id, len(c.settlements))
		}
		if work == nil {
			if c.tokens.Sign() != 0 || g.tokens > 0 {
				r.Errorf("%s: the model did nothing, the caller got %d, and %s were charged", id, g.tokens, c.tokens)
			}
			continue
		}
		if work.times != 1 {
			r.Errorf("%s was done %d times", id, work.times)
		}
		switch {
		case g.whole: // the same in all three records; the model may not have noticed that it said its last word
			whole++
			if work.sent != work.output || !c.output.Equal(token.FromInt(work.output)) || !c.input.Equal(token.FromInt(work.input)) || g.tokens != work.output {
				r.Errorf("%s: the caller got all %d, the model counted %+v, %s and %s were charged", id, g.tokens, *work, c.input, c.output)
			}
			continue
		case work.finished:
			unfinished++
		default:
			broken++
		}
		// All that was got is paid for, and nothing that was not made.
		if c.output.Less(token.FromInt(g.tokens)) || token.FromInt(work.output).Less(c.output) {
			r.Errorf("%s: the caller got %d, the model counted %+v, %s were charged", id, g.tokens, *work, c.output)
		}
	}
	if len(charges) > len(all) {
		r.Error("something was charged that nobody asked for")
	}
	r.Logf("%d requests: %d whole, %d cut off in the model's work, %d after it, the rest never begun; %s tokens", len(all), whole, broken, unfinished, sum)
	if whole == 0 || broken+unfinished == 0 {
		r.Error("nothing was whole, or nothing was cut off: the test shows nothing")
	}
	// What was held when a gateway was killed and before the model was asked lapses by itself.
	_, err := r.admin.AdvanceTestClock(r.Context(), 2*time.Minute)
	must(r, err)
	b, err := r.admin.Balance(r.Context(), r.instance)
	must(r, err)
	if l := b.LineItems[0]; l.Held.Sign() != 0 || !l.Used.Equal(sum) {
		r.Errorf("held %s, and used %s, of which %s are in events", l.Held, l.Used, sum)
	}
}

// TestParallelRequestsNeverOverspend has 200 ask at once for what there is for 50.
func TestParallelRequestsNeverOverspend(t *testing.T) {
	const asking, possible = 200, 50
	prompt := tokensIn(len(`[{"role":"user","content":"say 1"}]`))
	r := openReal(t, possible*(prompt+1))
	r.silent = true // it comes to what was held
	g := r.startGateway()
	statuses := make(chan int, asking)
	begin := make(chan struct{})
	var calling sync.WaitGroup
	for i := range asking {
		calling.Go(func() {
			<-begin
			status, text, err := ask(t.Context(), "http://"+g.addr, fmt.Sprint(i), say(1, `,"max_tokens":1`))
			if err != nil || status != 200 && status != 402 {
				t.Errorf("%d %s %v", status, text, err)
			}
			statuses <- status
		})
	}
	close(begin)
	calling.Wait()
	close(statuses)
	granted := 0
	for status := range statuses {
		if status == http.StatusOK {
			granted++
		}
	}
	if granted != possible || len(r.works) != possible {
		t.Errorf("%d were granted, and the model did %d", granted, len(r.works))
	}
	for _, err := range r.admin.Holds(t.Context(), r.instance) {
		t.Error(errors.Join(errors.New("a hold was left"), err))
	}
	b, err := r.admin.Balance(t.Context(), r.instance)
	must(t, err)
	if l := b.LineItems[0]; l.Balance.Sign() != 0 {
		t.Errorf("%s are left", l.Balance)
	}
	g.kill()
	r.verify()
}
