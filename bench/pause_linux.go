package bench

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// timer is a pause by a timer of the kernel. The runtime's own sleep is up to a millisecond late when the process is otherwise idle, which
// is more than many answers take.
type timer struct{ file *os.File }

func newPause() (pause, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	return &timer{os.NewFile(uintptr(fd), "timer")}, nil
}

func (t *timer) until(at time.Time) {
	wait := time.Until(at)
	if wait <= 0 {
		return
	}
	raw, err := t.file.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) {
			_ = unix.TimerfdSettime(int(fd), 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(wait))}, nil)
		})
	}
	var expirations [8]byte
	if err == nil {
		_, err = t.file.Read(expirations[:])
	}
	if err != nil { // then less exactly
		time.Sleep(time.Until(at))
	}
}

func (t *timer) close() { _ = t.file.Close() }
