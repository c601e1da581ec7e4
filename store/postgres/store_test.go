package postgres

import (
	"os"
	"testing"

	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/storetest"
	"github.com/farebox/farebox/test/cluster"
)

func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) }

func TestStore(t *testing.T) {
	c := cluster.Shared(t)
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		url := c.URL(t)
		return storetest.Harness{Open: func(t *testing.T) store.Store { return open(t, url, Options{}) }}
	})
}

func open(t *testing.T, url string, options Options) *Store {
	t.Helper()
	s, err := Open(url, options)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
