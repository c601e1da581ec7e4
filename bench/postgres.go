package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Postgres makes the contenders that are servers of this product on one database in PostgreSQL. Each is measured in a schema of its own, which is
// dropped in the end.
type Postgres struct {
	Binary string
	Dir    string // where keys go
	URL    string
	World  WorldOptions
	Verify bool
	Tell   func(doing string, share int)
}

// CheckDurable fails unless an answer of PostgreSQL waits for the disk.
func CheckDurable(ctx context.Context, conn *pgx.Conn) error {
	for _, name := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
		var is string
		if err := conn.QueryRow(ctx, "SELECT current_setting($1)", name).Scan(&is); err != nil {
			return err
		}
		if is != "on" {
			return fmt.Errorf("PostgreSQL's %s is %s; it must be on, so that an answer waits for the disk", name, is)
		}
	}
	return nil
}

// Contender is one workload, whose connections are spread over some servers.
func (p *Postgres) Contender(w Workload, servers int, baseline string) Contender {
	name := w.Name
	if servers > 1 {
		name += fmt.Sprintf(" on %d servers", servers)
	}
	return Contender{Name: name, Baseline: baseline, Start: func(ctx context.Context) (Target, error) { return p.start(ctx, w, servers) }}
}

// InTurns are the contenders of a run: each workload on each number of servers, and the bare server before them.
func (p *Postgres) InTurns(workloads []Workload, servers []int, withBare bool) (all []Contender) {
	bare := map[string]bool{}
	for _, w := range workloads {
		baseline := w.baseline(withBare)
		if baseline != "" && !bare[baseline] {
			all = append(all, bareContender(p.Binary, baseline, w.items))
			bare[baseline] = true
		}
		for _, n := range servers {
			all = append(all, p.Contender(w, n, baseline))
		}
	}
	return all
}

// postgresTarget is some servers on one schema.
type postgresTarget struct {
	of        *Postgres
	asking    *asking
	admin     *pgx.Conn
	schema    string
	url       string // with the schema
	token     string
	world     *World
	processes []*process
	backend   int   // a process of PostgreSQL; 0: not on this machine
	bytes     int64 // of its tables at the start
}

func (p *Postgres) start(ctx context.Context, w Workload, servers int) (Target, error) {
	conn, err := pgx.Connect(ctx, p.URL)
	if err != nil {
		return nil, err
	}
	t := &postgresTarget{of: p, asking: newAsking(w), admin: conn, schema: "farebox_bench_" + strings.ToLower(rand.Text()[:8])}
	if err := t.prepare(ctx, servers); err != nil {
		return nil, errors.Join(err, t.end())
	}
	return t, nil
}

func (t *postgresTarget) prepare(ctx context.Context, servers int) error {
	if err := CheckDurable(ctx, t.admin); err != nil {
		return err
	}
	u, err := url.Parse(t.of.URL)
	if err != nil {
		return err
	}
	query := u.Query()
	query.Set("search_path", t.schema)
	u.RawQuery = query.Encode()
	t.url = u.String()
	if _, err := t.admin.Exec(ctx, "CREATE SCHEMA "+t.schema); err != nil {
		return fmt.Errorf("making a schema for servers: %w", err)
	}
	const id = "farebox-bench"
	key := filepath.Join(t.of.Dir, t.schema+".pem")
	if _, err := runVerb(ctx, t.of.Binary, "keys", "create", "--admin", "--db", t.url, "--out", key, "--id", id); err != nil {
		return err
	}
	if t.token, err = runVerb(ctx, t.of.Binary, "token", "--admin", "--key", key, "--kid", id); err != nil {
		return err
	}
	for range servers {
		p, err := startProcess(ctx, t.of.Binary, "serve", "--addr", "127.0.0.1:0", "--db", t.url)
		if err != nil {
			return err
		}
		t.processes = append(t.processes, p)
	}
	c := newClient(t.processes[0].base, t.token)
	defer c.http.CloseIdleConnections()
	if t.world, err = populate(ctx, c, t.of.World, t.tell); err != nil {
		return err
	}
	if err := t.analyze(ctx); err != nil {
		return err
	}
	_, _ = t.admin.Exec(ctx, "CHECKPOINT") // nobody pays for who was before; who may not have one does without
	if pid := int(t.admin.PgConn().PID()); RunsHere(pid, "postgres") {
		t.backend = pid
	}
	t.bytes, err = t.size(ctx)
	return err
}

// analyze does at once what autovacuum would do in some minutes, so that short measurements are as long ones.
func (t *postgresTarget) analyze(ctx context.Context) error {
	for _, table := range []string{"instance", "line_item", "balance"} {
		if _, err := t.admin.Exec(ctx, "VACUUM ANALYZE "+t.schema+"."+table); err != nil {
			return err
		}
	}
	return nil
}

func (t *postgresTarget) tell(done, of int) {
	if t.of.Tell != nil {
		t.of.Tell("making line items", 100*done/of)
	}
}

func (t *postgresTarget) size(ctx context.Context) (bytes int64, err error) {
	const query = "SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind = 'r'"
	return bytes, t.admin.QueryRow(ctx, query, t.schema).Scan(&bytes)
}

func (t *postgresTarget) Dial(connection int) (Sender, error) {
	return t.asking.dial(connection, t.processes[connection%len(t.processes)].base, t.token, t.world), nil
}

// Use is of the servers and of PostgreSQL, if that is on this machine; memory is that of the servers.
func (t *postgresTarget) Use() Use {
	sum := UseOfFamily(t.backend)
	for _, p := range t.processes {
		one := UseOf(p.cmd.Process.Pid)
		sum.Processor += one.Processor
		sum.PeakMemory += one.PeakMemory
	}
	return sum
}

func (t *postgresTarget) Started() (longest time.Duration) {
	for _, p := range t.processes {
		longest = max(longest, p.started)
	}
	return longest
}

func (t *postgresTarget) Stop(Count) (s Stopped, err error) {
	err = t.stopAll()
	if err == nil {
		var after int64
		after, err = t.size(context.Background())
		s.DiskBytes = after - t.bytes
	}
	if err == nil && t.of.Verify {
		s.Verified, err = runVerb(context.Background(), t.of.Binary, "verify", "--db", t.url)
	}
	return s, errors.Join(err, t.end())
}

func (t *postgresTarget) stopAll() (err error) {
	for _, p := range t.processes {
		err = errors.Join(err, p.stop())
	}
	return err
}

// end leaves nothing behind.
func (t *postgresTarget) end() error {
	ctx := context.Background()
	err := t.stopAll()
	_, dropped := t.admin.Exec(ctx, "DROP SCHEMA IF EXISTS "+t.schema+" CASCADE")
	return errors.Join(err, dropped, t.admin.Close(ctx))
}
