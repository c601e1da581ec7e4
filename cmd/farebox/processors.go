package main

import (
	"os"
	"runtime"
)

// addProcessor has Go run one goroutine more at a time than there are processors. One of them commits, and is mostly away in the kernel, waiting for the disk;
// when it comes back, all others wait for it, but without a place of its own it would wait until one of them pauses. Whoever has set GOMAXPROCS knows better.
// From then on Go no longer follows a change of the processors that a container may use.
func addProcessor() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
}
