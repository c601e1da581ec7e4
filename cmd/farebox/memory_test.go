package main

import (
	"runtime"
	"testing"
)

// The collector waits until there is more garbage, unless it was told how often it should run.
func TestGarbageMayTakeAConstantAmount(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	next := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.NextGC
	}
	before := next()
	ballast := newBallast()
	if with := next(); with < before+garbageMost {
		t.Errorf("garbage is collected at %d bytes, without ballast at %d", with, before)
	}
	runtime.KeepAlive(ballast)
	for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, "100")
			if newBallast() != nil {
				t.Errorf("a ballast beside %s", name)
			}
		})
	}
}
