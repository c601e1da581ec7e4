package cluster

import (
	"context"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Freeze stops PostgreSQL in its tracks, and all that serves connections: they stay, and nothing answers. What it returns has it go on, as the end
// of the test does. The cluster must be the test's own.
func (c *Cluster) Freeze(t testing.TB) (thaw func()) {
	t.Helper()
	if c.process == nil {
		t.Fatal("this cluster is not ours to stop")
	}
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, c.url)
	if err != nil {
		t.Fatal(err)
	}
	rows, _ := conn.Query(ctx, "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(ctx); err != nil {
		t.Fatal(err)
	}
	pids = append([]int{c.process.Pid}, pids...) // first who would start others
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGSTOP) // some may have ended by now
	}
	thaw = func() {
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGCONT)
		}
	}
	t.Cleanup(thaw)
	return thaw
}
