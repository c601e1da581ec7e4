package sqlite

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/farebox/farebox/test/simulation"
)

// charges of a short life, with the log copied into the database and started over in between.
const powerCharges = 8

// shortLife makes a database, charges, and closes it, until power goes. It returns how many charges were acknowledged, and -1 if not even
// the line item was.
func shortLife(t *testing.T, path string) (acknowledged int) {
	t.Helper()
	s, err := Open(path, Options{Create: true})
	if err != nil {
		return -1
	}
	defer s.Close() // fails when power has gone
	s.checkpoint.stop()
	if err := trySetUp(s); err != nil {
		return -1
	}
	for n := range powerCharges {
		if tryChargeOne(s, fmt.Sprint(n)) != nil {
			return n
		}
		if n%3 == 2 {
			_ = s.copyLog() // fails when power has gone
		}
	}
	return powerCharges
}

// Power goes at any single change that a database's files see in a short life: every 47th of them in a usual run, beginning
// anywhere, and all with FAREBOX_EVERY_CHANGE=1. Whatever of what was not synced reaches the disk: what was acknowledged is there, what
// was not is there whole or not at all, the file is sound, and goes on.
func TestPowerCutAtAnyChange(t *testing.T) {
	step, first := 47, 1+rand.IntN(47)
	if os.Getenv("FAREBOX_EVERY_CHANGE") != "" {
		step, first = 1, 1
	}
	cuts := 0
	for cut, over := first, false; !over; cut += step {
		for loss := range simulation.Losses {
			disk := newDisk(t)
			disk.CutAt(cut)
			acknowledged := shortLife(t, filepath.Join(disk.Folder, "f.db"))
			over = !disk.Off()
			cuts++
			folder := t.TempDir()
			if err := disk.After(loss, rand.New(rand.NewPCG(uint64(cut), 0)), folder); err != nil {
				t.Fatal(err)
			}
			disk.Remove()
			if err := comesBack(t, filepath.Join(folder, "f.db"), acknowledged); err != nil {
				t.Errorf("power cut at change %d, %s is lost, %d charges acknowledged: %v", cut, loss, acknowledged, err)
			}
		}
	}
	t.Logf("%d power cuts, from change %d on every %dth", cuts, first, step)
	if cuts < 200/step*int(simulation.Losses) {
		t.Error("these are few: the disk does not see what is written")
	}
}

func newDisk(t *testing.T) *simulation.Disk {
	t.Helper()
	disk, err := simulation.NewDisk(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return disk
}

// comesBack opens what a power cut has left.
func comesBack(t *testing.T, path string, acknowledged int) error {
	s, err := Open(path, Options{Create: true, Serve: true})
	if err != nil {
		return err
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if damage, err := s.Check(ctx); err != nil || len(damage) > 0 {
		return fmt.Errorf("damage: %v, %w", damage, err)
	}
	l, err := lineItem(s)
	if err != nil {
		return err
	}
	if l == nil && acknowledged >= 0 {
		return errors.New("the line item is gone")
	}
	if l == nil {
		setUp(t, s)
	}
	got := tally(t, s)
	if got[0] != got[1] || got[0] != got[2] || got[0] != fmt.Sprint(max(0, acknowledged)) && got[0] != fmt.Sprint(max(0, acknowledged)+1) {
		return fmt.Errorf("readers see %s used, batches %s, the receipts add up to %s", got[0], got[1], got[2])
	}
	return tryChargeOne(s, "after")
}
