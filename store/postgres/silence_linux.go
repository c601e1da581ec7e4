package postgres

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// boundSilence has a connection end when what was sent is not acknowledged. Without it that takes a quarter of an hour, in which nobody is asked
// whether the other side is alive, since the answer to that is what is waited for.
func boundSilence(network, _ string, raw syscall.RawConn) (err error) {
	if network == "unix" {
		return nil
	}
	fault := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(silentMost.Milliseconds()))
	})
	if err == nil {
		err = fault
	}
	return err
}
