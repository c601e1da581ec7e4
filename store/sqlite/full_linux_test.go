package sqlite

import (
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
)

// A process of its own may write no file past a size, so that writing fails in the middle of a commit as on a full disk.
func TestFullDisk(t *testing.T) {
	const child = "FAREBOX_TEST_FULL_DISK"
	if os.Getenv(child) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestFullDisk$", "-test.v")
		cmd.Env = append(os.Environ(), child+"=1")
		if output, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, output)
		}
		return
	}
	signal.Ignore(syscall.SIGXFSZ)
	path := filepath.Join(t.TempDir(), "full.db")
	s := open(t, path, Options{Create: true})
	s.checkpoint.stop() // or the log would start over
	setUp(t, s)
	done := fillDisk(t, s, path, 0, 100_000)
	done = fillDisk(t, s, path, done, 50_000)
	s.checkpoint.start(s) // from now on the database itself may be what cannot grow
	fillDisk(t, s, path, done, 20_000)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func fillDisk(t *testing.T, s *Store, path string, done int, room uint64) int {
	t.Helper()
	log, err := os.Stat(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	less := limit
	less.Cur = uint64(log.Size()) + room
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &less); err != nil {
		t.Fatal(err)
	}
	done = fill(t, s, done)
	stuck(t, s, done)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	recovered(t, s, path, done)
	return done + 2
}
