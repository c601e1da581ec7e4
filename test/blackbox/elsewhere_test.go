//go:build !linux

package blackbox

import "testing"

// What is tried on Linux only says so elsewhere.

func TestDiskFull(t *testing.T) {
	t.Skip("SKIPPED, a full disk was not tried: it takes Linux's prlimit and tmpfs")
}

func TestDemoOnATerminal(t *testing.T) {
	t.Skip("SKIPPED, the demo was not tried on a terminal: it takes Linux's /dev/ptmx")
}
