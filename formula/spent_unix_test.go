//go:build unix

package formula

import (
	"syscall"
	"time"
)

// spent is the processor time of this process so far: what others do on the machine is not in it.
func spent() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
