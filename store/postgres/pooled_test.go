package postgres

import (
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/farebox/farebox/test/cluster"
)

// Statements that come again have names, so that PostgreSQL plans them once a connection.
func TestStatementsHaveNames(t *testing.T) {
	s := open(t, cluster.Shared(t).URL(t), Options{})
	defer s.Close()
	world(t, s)
	for i := range 3 {
		if err := charge(s, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	var named int
	if err := s.writes.QueryRow(ctx, "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%INSERT INTO journal%'").Scan(&named); err != nil || named == 0 {
		t.Errorf("%d statements that write the journal have names: %v", named, err)
	}
}

// Through PgBouncer in transaction mode, with fewer connections behind it than the store has: two stores, batches, changes and views at once.
func TestThroughPgBouncer(t *testing.T) {
	c := cluster.Shared(t)
	through := c.Bouncer(t, c.URL(t))
	s, other := open(t, through, Options{}), open(t, through, Options{})
	defer s.Close()
	defer other.Close()
	if mode := s.writes.Config().ConnConfig.DefaultQueryExecMode; mode != pgx.QueryExecModeCacheDescribe {
		t.Errorf("statements are asked for as %v; a pool that gives them any connection may know nothing of names", mode)
	}
	named, err := Open(through+"&default_query_exec_mode=exec", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer named.Close()
	if mode := named.writes.Config().ConnConfig.DefaultQueryExecMode; mode != pgx.QueryExecModeExec {
		t.Errorf("the URL asks for statements as exec, and got %v", mode)
	}
	world(t, s)
	want := map[string]bool{}
	var mu sync.Mutex
	var wait sync.WaitGroup
	for who := range 6 {
		wait.Go(func() {
			for i := range 20 {
				id := fmt.Sprint(who, "/", i)
				store := []*Store{s, other}[(who+i)%2]
				if err := charge(store, id); err != nil {
					t.Error(err)
				}
				if err := store.Refresh(ctx); err != nil {
					t.Error(err)
				}
				mu.Lock()
				want[id] = true
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	onlyCharged(t, other, want)
}
