package postgres

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/test/cluster"
)

// Servers that start together on nothing make the tables once.
func TestOpenTogether(t *testing.T) {
	url := cluster.Shared(t).URL(t)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			s, err := Open(url, Options{})
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
}

// An older server that meets a newer schema says so and books nothing, whether it starts or runs already.
func TestNewerSchemaIsRefused(t *testing.T) {
	url := cluster.Shared(t).URL(t)
	s := open(t, url, Options{})
	defer s.Close()
	world(t, s)
	execute(t, url, fmt.Sprintf("UPDATE farebox SET schema = %d", len(schemaFiles)+1))
	err := charge(s, "too late")
	if problem.KindOf(err) != problem.Unavailable || !strings.Contains(fmt.Sprint(err.(*problem.Error).Cause), "newer Farebox") {
		t.Errorf("a batch returns %v", err)
	}
	if err := s.Change(ctx, func(store.Tx) error { t.Error("a change was run"); return nil }); problem.KindOf(err) != problem.Unavailable {
		t.Errorf("a change returns %v", err)
	}
	onlyCharged(t, s, nil)
	if other, err := Open(url, Options{}); err == nil || !strings.Contains(err.Error(), "newer Farebox") {
		t.Errorf("it was opened: %v, %v", other, err)
	}
}

// A schema of somebody else's is left alone.
func TestOthersSchemaIsRefused(t *testing.T) {
	url := cluster.Shared(t).URL(t)
	execute(t, url, "CREATE TABLE theirs (a int)")
	if _, err := Open(url, Options{}); err == nil || !strings.Contains(err.Error(), "not of Farebox") {
		t.Errorf("got %v", err)
	}
	if _, err := Open(cluster.Shared(t).URL(t), Options{Read: true}); err == nil || !strings.Contains(err.Error(), "farebox serve") {
		t.Errorf("opened to be read, an empty schema is %v", err)
	}
}

func execute(t *testing.T, url, statement string) {
	t.Helper()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Fatal(err)
	}
}
