package storetest

import (
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
)

var backupTests = []test{
	{"is a database of its own with everything in it", backsUpWhole},
	{"is consistent while the store is charged", backsUpUnderLoad},
	{"refuses a file that is there already", refusesExistingFile},
	{"leaves no file when it fails", leavesNoFile},
	{"to one file by many at once makes one good copy", backsUpOnce},
}

// copies skips the test of a store that makes no backups in files.
func (b *books) copies() {
	b.Helper()
	if b.harness.OpenBackup == nil {
		b.Skip("this store makes no backups in files")
	}
}

func (b *books) openBackup(file string) *books {
	b.Helper()
	c := *b
	c.Store = b.handle(func(*testing.T) store.Store { return b.harness.OpenBackup(b.T, file) })
	return &c
}

func backsUpWhole(b *books) {
	b.copies()
	b.must(b.Change(ctx, everything))
	charged := b.commit(charge{instance: "A", lineItem: "a1", tokens: "1.5", key: "one"})
	b.lasting()
	want := b.state()
	file := filepath.Join(b.TempDir(), "copy")
	b.must(b.Backup(ctx, file))
	b.commit(charge{instance: "A", lineItem: "a1", tokens: "100"})
	b.move("s", end)
	c := b.openBackup(file)
	b.same("the session in the copy", c.session("s"), want.Sessions[0])
	b.same("the copy", c.state(), want)
	b.same("the receipt under its key in the copy", c.earlier("one"), charged[0])
	c.commit(charge{instance: "A", lineItem: "a1", tokens: "7"})
	if ours, copied := b.used("a1"), c.used("a1"); ours != "101.5" || copied != "8.5" {
		b.Errorf("%s is used here and %s in the copy, want 101.5 and 8.5", ours, copied)
	}
}

func backsUpUnderLoad(b *books) {
	b.copies()
	b.instance("A")
	b.lineItem("A", "a1", func(l *ledger.LineItem) { l.Quantity = 1 << 40 })
	b.lineItem("A", "a2", func(l *ledger.LineItem) { l.Quantity = 1 << 40 })
	var stop atomic.Bool
	var wait sync.WaitGroup
	wait.Go(func() {
		for !stop.Load() {
			if _, err := b.tryCommit(charge{instance: "A", lineItem: "a1", tokens: "1"}, charge{instance: "A", lineItem: "a2", tokens: "3"}); err != nil {
				b.Error(err)
			}
		}
	})
	dir := b.TempDir()
	for _, name := range []string{"1", "2", "3"} {
		if err := b.Backup(ctx, filepath.Join(dir, name)); err != nil {
			b.Error(err)
		}
	}
	stop.Store(true)
	wait.Wait()
	for _, name := range []string{"1", "2", "3"} {
		c := b.openBackup(filepath.Join(dir, name))
		if err := agrees(c.Store); err != nil {
			b.Errorf("copy %s: %v", name, err)
		}
		if found, err := c.Check(ctx); err != nil || len(found) > 0 {
			b.Errorf("copy %s is damaged: %q, %v", name, found, err)
		}
		c.commit(charge{instance: "A", lineItem: "a1", tokens: "1"})
	}
}

func refusesExistingFile(b *books) {
	b.copies()
	file := filepath.Join(b.TempDir(), "there")
	b.must(os.WriteFile(file, []byte("precious"), 0o600))
	err := b.Backup(ctx, file)
	if problem.KindOf(err) != problem.Conflict {
		b.Errorf("got %v, want a Conflict", err)
	}
	if content, err := os.ReadFile(file); err != nil || string(content) != "precious" {
		b.Errorf("the file that was there is now %q, %v", content, err)
	}
}

func leavesNoFile(b *books) {
	b.copies()
	dir := b.TempDir()
	if err := b.Backup(ctx, filepath.Join(dir, "no such folder", "copy")); err == nil {
		b.Error("a backup into a folder that is not there succeeded")
	}
	b.must(b.Backup(ctx, filepath.Join(dir, "copy")))
	entries, err := os.ReadDir(dir)
	b.must(err)
	if len(entries) != 1 || entries[0].Name() != "copy" {
		b.Errorf("beside the copy there are %v", entries)
	}
}

func backsUpOnce(b *books) {
	b.copies()
	b.must(b.Change(ctx, everything))
	b.commit(charge{instance: "A", lineItem: "a1", tokens: "1"})
	want := b.state()
	file := filepath.Join(b.TempDir(), "copy")
	var made atomic.Int32
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			if err := b.Backup(ctx, file); err == nil {
				made.Add(1)
			}
		})
	}
	wait.Wait()
	if made.Load() != 1 {
		b.Errorf("%d backups say that they made one file, want 1", made.Load())
	}
	b.same("the copy", b.openBackup(file).state(), want)
}
