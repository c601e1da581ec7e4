package blackbox

import (
	"cmp"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// When files may not grow, requests fail with 503 and nothing is charged; when they may again, charges work again, without
// a restart. The limits cut the write of a commit at different places: before all of it, within its first page, later.
func TestFileLimit(t *testing.T) {
	for name, bytes := range map[string]func(walSize uint64) uint64{
		"nothing can be written":      func(uint64) uint64 { return 0 },
		"within the log's first page": func(uint64) uint64 { return 1_000 },
		"past the log's end":          func(walSize uint64) uint64 { return walSize + 6_000 },
	} {
		t.Run(name, func(t *testing.T) {
			d := newFullDisk(t, filepath.Join(t.TempDir(), "f.db"))
			d.expectRecovery(t, func() { d.limit(t, bytes(d.walSize(t))) }, func() { d.limit(t, unix.RLIM_INFINITY) })
		})
	}
}

// As long as nothing can be written, nothing is granted.
func TestNothingIsGrantedWithoutSpace(t *testing.T) {
	d := newFullDisk(t, filepath.Join(t.TempDir(), "f.db"))
	d.limit(t, 0)
	for i := range 50 {
		if d.ask(t, &sent{path: accessPath("v1.1", d.instance), key: fmt.Sprint(i), body: ask("unit", "", "1")}) {
			t.Fatal("a charge was granted that cannot have been written")
		}
	}
	if d.ask(t, &sent{method: "PUT", path: instances + "/" + d.instance + "/line-items", body: lineItem("L", 2_000_000, "")}) {
		t.Error("a line item was changed that cannot have been written")
	}
	d.expectUsed(t)
	d.expectAlive(t)
}

// The same on a disk that is really full, which the operating system reports with another error.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("SKIPPED, a full disk was not tried: only root may mount a small one: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	d := newFullDisk(t, filepath.Join(dir, "f.db"))
	ballast := filepath.Join(dir, "ballast")
	d.expectRecovery(t, func() { fill(t, ballast) }, func() {
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	})
}

// fill takes all the space there is.
func fill(t testing.TB, file string) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	for size := 64 << 10; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// fullDisk is a server whose disk fills up.
type fullDisk struct {
	*server
	c        *client
	instance string
	charged  int64
}

func newFullDisk(t testing.TB, db string) *fullDisk {
	d := &fullDisk{server: start(t, db)}
	d.c = d.admin()
	d.instance = d.c.newInstance(t, "acme")
	d.c.putLineItem(t, d.instance, "L", 1_000_000, "")
	d.charge(t, 20)
	return d
}

func (d *fullDisk) charge(t testing.TB, times int) {
	t.Helper()
	for range times {
		if code := d.c.charge(t, d.instance, "unit", "", "1"); code != "1101" {
			t.Fatalf("a charge is answered with %s", code)
		}
		d.charged++
	}
}

// limit bounds the size that the process can make a file.
func (d *fullDisk) limit(t testing.TB, bytes uint64) {
	t.Helper()
	var now unix.Rlimit
	if err := unix.Prlimit(d.cmd.Process.Pid, unix.RLIMIT_FSIZE, nil, &now); err != nil {
		t.Fatal(err)
	}
	if err := unix.Prlimit(d.cmd.Process.Pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: min(bytes, now.Max), Max: now.Max}, nil); err != nil {
		t.Fatal(err)
	}
}

func (d *fullDisk) walSize(t testing.TB) uint64 {
	t.Helper()
	info, err := os.Stat(d.db + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	return uint64(info.Size())
}

// expectRecovery fills the disk and frees it again, a few times. In between the log may start over where it has space already,
// and requests may work for a while: what counts is that every answer is true.
func (d *fullDisk) expectRecovery(t *testing.T, full, free func()) {
	for round := range 3 {
		full()
		failed := d.chargeUntilFull(t)
		for _, r := range failed {
			d.ask(t, r)
			d.ask(t, &sent{path: r.path, key: r.key + "-other", body: r.body})
			d.ask(t, &sent{method: "PUT", path: instances + "/" + d.instance + "/line-items", body: lineItem("L", 1_000_000+round, "")})
		}
		d.expectUsed(t)
		d.expectAlive(t)
		free()
		for _, r := range failed {
			d.askUntilItWorks(t, r)
		}
		d.charge(t, 20)
		d.expectUsed(t)
	}
	d.c.http.CloseIdleConnections()
	d.stop()
	verify(t, d.db)
}

// ask sends a request that may be sent again: it is refused for now, done, or was done before, and the answer says which.
func (d *fullDisk) ask(t testing.TB, r *sent) (done bool) {
	t.Helper()
	method := cmp.Or(r.method, "POST")
	a, err := d.c.call(method, r.path, r.key, r.body)
	replayed := a.header.Get("Idempotent-Replayed") == "true"
	switch {
	case err != nil:
		t.Fatal(err)
	case a.status == 503 && r.answer == "" && a.header.Get("Retry-After") != "" && a.body != "":
		return false
	case a.status != 200 || replayed != (r.answer != "") || replayed && a.body != r.answer:
		t.Fatalf("%s %s was answered with %q, and is now with %v", method, r.path, r.answer, a)
	case method == "POST" && !replayed:
		d.charged++
		r.answer = a.body
	}
	return true
}

// askUntilItWorks gives the server a moment to see that there is space again.
func (d *fullDisk) askUntilItWorks(t testing.TB, r *sent) {
	t.Helper()
	for end := time.Now().Add(patience); !d.ask(t, r); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("with space again, requests still fail")
		}
	}
}

// chargeUntilFull charges until a few requests have failed, and returns those.
func (d *fullDisk) chargeUntilFull(t testing.TB) (failed []*sent) {
	t.Helper()
	for i := range 5_000 {
		r := &sent{path: accessPath("v1.1", d.instance), key: fmt.Sprintf("k-%d-%d", d.charged, i), body: ask("unit", "", "1")}
		if !d.ask(t, r) {
			failed = append(failed, r)
		}
		if len(failed) == 5 {
			return failed
		}
	}
	t.Fatal("the disk does not fill up")
	return nil
}

func (d *fullDisk) expectUsed(t testing.TB) {
	t.Helper()
	if used := d.c.used(t, d.instance, "L"); used.Cmp(new(big.Rat).SetInt64(d.charged)) != 0 {
		t.Errorf("used is %s, %d were charged", used.RatString(), d.charged)
	}
}

func (d *fullDisk) expectAlive(t testing.TB) {
	t.Helper()
	if a, err := d.c.call("GET", "/healthz", "", ""); err != nil || a.status != 200 {
		t.Errorf("/healthz is answered with %v %v", a, err)
	}
}

// Space that comes and goes under load: whoever was told 200 was charged, and nobody else.
func TestFileLimitUnderLoad(t *testing.T) {
	d := newFullDisk(t, filepath.Join(t.TempDir(), "f.db"))
	var clients sync.WaitGroup
	var granted, refused atomic.Int64
	stop := make(chan struct{})
	for range 8 {
		clients.Go(func() {
			c := newClient(d.url(), d.c.token)
			defer c.http.CloseIdleConnections()
			for {
				select {
				case <-stop:
					return
				default:
				}
				a, err := c.call("POST", accessPath("v1.1", d.instance), "", ask("unit", "", "1"))
				switch {
				case err == nil && a.status == 200:
					granted.Add(1)
				case err == nil && a.status == 503:
					refused.Add(1)
				default:
					t.Error(a, err)
					return
				}
			}
		})
	}
	end := time.Now().Add(patience)
	for i := uint64(0); i < 12 || (granted.Load() == 0 || refused.Load() == 0) && time.Now().Before(end); i++ {
		time.Sleep(50 * time.Millisecond)
		d.limit(t, d.walSize(t)+i%12*3_000)
		time.Sleep(50 * time.Millisecond)
		d.limit(t, unix.RLIM_INFINITY)
	}
	close(stop)
	clients.Wait()
	d.charged += granted.Load()
	d.expectUsed(t)
	d.stop()
	verify(t, d.db)
	if granted.Load() == 0 || refused.Load() == 0 {
		t.Errorf("%d were granted and %d refused: the limit did not come and go", granted.Load(), refused.Load())
	}
}
