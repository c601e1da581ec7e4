package cluster

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

// TestThereIsPostgreSQL is skipped where there is none; make test says so then.
func TestThereIsPostgreSQL(t *testing.T) {
	c := Shared(t)
	c.URL(t)
	c.Exec(t, "SELECT 1")
}
