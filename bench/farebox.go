package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// Farebox makes the contenders that are this product, from a binary of it.
type Farebox struct {
	Binary string
	Dir    string // where databases go, and are removed from
	DB     string // copied to begin with; empty: an empty one
	World  WorldOptions
	Verify bool                          // have `farebox verify` judge the books of every server after its measurements
	Tell   func(doing string, share int) // what is prepared, and how many percent are; nil: nobody asks

	file  string // once prepared, as the two below
	token string
	world *World
}

// Prepare makes the database that every measurement begins with a copy of.
func (f *Farebox) Prepare(ctx context.Context) error {
	file := filepath.Join(f.Dir, "start.db")
	if f.DB != "" {
		f.tell("copying "+f.DB, 0)
		if _, err := runVerb(ctx, f.Binary, "backup", "--db", f.DB, file); err != nil {
			return err
		}
	}
	if err := f.makeToken(ctx, file); err != nil {
		return err
	}
	p, err := startProcess(ctx, f.Binary, "serve", "--addr", "127.0.0.1:0", "--db", file)
	if err != nil {
		return err
	}
	err = f.populate(ctx, p)
	if err = errors.Join(err, p.stop()); err != nil {
		return err
	}
	f.file = file
	return nil
}

// makeToken registers a key, while nobody serves the database: a server would learn of it some time later.
func (f *Farebox) makeToken(ctx context.Context, file string) (err error) {
	const id = "farebox-bench"
	key := filepath.Join(f.Dir, "key.pem")
	if _, err := runVerb(ctx, f.Binary, "keys", "create", "--admin", "--db", file, "--out", key, "--id", id); err != nil {
		return err
	}
	f.token, err = runVerb(ctx, f.Binary, "token", "--admin", "--key", key, "--kid", id)
	return err
}

func (f *Farebox) populate(ctx context.Context, p *process) (err error) {
	c := newClient(p.base, f.token)
	defer c.http.CloseIdleConnections()
	f.world, err = populate(ctx, c, f.World, func(done, of int) { f.tell("making line items", 100*done/of) })
	return err
}

func (f *Farebox) tell(doing string, share int) {
	if f.Tell != nil {
		f.Tell(doing, share)
	}
}

// Contender is one workload.
func (f *Farebox) Contender(w Workload, baseline string) Contender {
	return Contender{Name: w.Name, Baseline: baseline, Start: func(ctx context.Context) (Target, error) {
		t := &fareboxTarget{of: f, asking: newAsking(w), file: filepath.Join(f.Dir, "farebox.db")}
		if err := copyFile(f.file, t.file); err != nil {
			return nil, err
		}
		before, err := os.Stat(t.file)
		if err != nil {
			return nil, err
		}
		t.bytes = before.Size()
		t.process, err = startProcess(ctx, f.Binary, "serve", "--addr", "127.0.0.1:0", "--db", t.file)
		return t, err
	}}
}

type fareboxTarget struct {
	of      *Farebox
	asking  *asking
	file    string
	bytes   int64 // of the file at the start
	process *process
}

func (t *fareboxTarget) Dial(connection int) (Sender, error) {
	return t.asking.dial(connection, t.process.base, t.of.token, t.of.world), nil
}

func (t *fareboxTarget) Use() Use { return UseOf(t.process.cmd.Process.Pid) }

func (t *fareboxTarget) Started() time.Duration { return t.process.started }

func (t *fareboxTarget) Stop(charged Count) (s Stopped, err error) {
	if err := t.process.stop(); err != nil {
		return s, err
	}
	after, err := os.Stat(t.file)
	if err != nil {
		return s, err
	}
	s.DiskBytes = after.Size() - t.bytes
	if t.of.Verify {
		s.Verified, err = runVerb(context.Background(), t.of.Binary, "verify", "--db", t.file)
	}
	left, fault := filepath.Glob(t.file + "*")
	err = errors.Join(err, fault)
	for _, file := range left {
		err = errors.Join(err, os.Remove(file))
	}
	return s, err
}

// copyFile copies what a stopped server left, and waits for the disk, which should be idle when measuring begins.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

// InTurns are the contenders of a run of workloads, each with the bare server that decodes and encodes the same before it.
func InTurns(f *Farebox, workloads []Workload, withBare bool) (all []Contender) {
	there := map[string]bool{}
	for _, w := range workloads {
		baseline := w.baseline(withBare)
		if baseline != "" && !there[baseline] {
			all = append(all, bareContender(f.Binary, baseline, w.items))
			there[baseline] = true
		}
		all = append(all, f.Contender(w, baseline))
	}
	return all
}

// baseline names the bare server that a workload is compared with; empty: with none.
func (w Workload) baseline(withBare bool) string {
	switch {
	case !withBare || w.steps != nil:
		return ""
	case w.items > 1:
		return "bare " + w.Name
	}
	return "bare"
}

// bareContender is what HTTP and JSON alone allow on this machine.
func bareContender(binary, name string, items int) Contender {
	world := &World{Instances: make([]Instance, 1000)}
	for i := range world.Instances {
		world.Instances[i] = Instance{ID: fmt.Sprintf("0197d2c4-0000-7000-8000-%012d", i), paidBy: []byte(bareLineItem)}
	}
	return Contender{Name: name, Start: func(ctx context.Context) (Target, error) {
		p, err := startProcess(ctx, binary, "bare")
		return &bareTarget{p, newAsking(Workload{items: items}), world}, err
	}}
}

type bareTarget struct {
	process *process
	asking  *asking
	world   *World
}

func (t *bareTarget) Dial(connection int) (Sender, error) {
	return t.asking.dial(connection, t.process.base, "token", t.world), nil
}

func (t *bareTarget) Use() Use                    { return UseOf(t.process.cmd.Process.Pid) }
func (t *bareTarget) Started() time.Duration      { return t.process.started }
func (t *bareTarget) Stop(Count) (Stopped, error) { return Stopped{}, t.process.stop() }

// Elsewhere is a server that runs already.
type Elsewhere struct {
	URL   *url.URL // http or https
	Token string   // of administration
	World WorldOptions
	Tell  func(doing string, share int)

	world *World
}

// Prepare makes accounts and line items on the server, which stay there.
func (e *Elsewhere) Prepare(ctx context.Context) (err error) {
	c := newClient(e.URL, e.Token)
	defer c.http.CloseIdleConnections()
	e.world, err = populate(ctx, c, e.World, func(done, of int) {
		if e.Tell != nil {
			e.Tell("making line items", 100*done/of)
		}
	})
	return err
}

// Contender is one workload.
func (e *Elsewhere) Contender(w Workload) Contender {
	return Contender{Name: w.Name, Start: func(context.Context) (Target, error) { return &elsewhereTarget{e, newAsking(w)}, nil }}
}

type elsewhereTarget struct {
	of     *Elsewhere
	asking *asking
}

func (t *elsewhereTarget) Dial(connection int) (Sender, error) {
	return t.asking.dial(connection, t.of.URL, t.of.Token, t.of.world), nil
}

func (t *elsewhereTarget) Use() Use                    { return Use{} }
func (t *elsewhereTarget) Started() time.Duration      { return 0 }
func (t *elsewhereTarget) Stop(Count) (Stopped, error) { return Stopped{}, nil }
