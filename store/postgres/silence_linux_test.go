package postgres

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// The system is told to end connections on which nobody acknowledges anything, whether or not something was sent.
func TestSilenceIsBounded(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := dialer(connectWithin).DialContext(ctx, "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for option, want := range map[int]int{unix.TCP_USER_TIMEOUT: 15_000, unix.TCP_KEEPIDLE: 5, unix.TCP_KEEPINTVL: 5, unix.TCP_KEEPCNT: 2} {
		var got int
		var fault error
		if err := raw.Control(func(fd uintptr) { got, fault = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, option) }); err != nil || fault != nil {
			t.Fatal(err, fault)
		}
		if got != want {
			t.Errorf("option %d is %d, want %d", option, got, want)
		}
	}
}
