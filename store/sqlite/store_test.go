package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		path := filepath.Join(t.TempDir(), "farebox.db")
		return storetest.Harness{
			Open:       func(t *testing.T) store.Store { return open(t, path, Options{Create: true}) },
			OpenBackup: func(t *testing.T, file string) store.Store { return open(t, file, Options{}) },
		}
	})
}

func open(t *testing.T, path string, options Options) *Store {
	t.Helper()
	s, err := Open(path, options)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
