package main

import "os"

// garbageMost is how much memory garbage may take before it is collected, beside as much as what is in use.
const garbageMost = 64 << 20 // bytes

// newBallast has the garbage collector run less often, as long as the ballast is kept alive: a constant amount of memory for processor time. The collector
// goes by the size of what is in use. That of a server is small, so it would look through all of it again after every few thousand charges. The
// ballast is counted as in use, but takes addresses alone, and no memory, since nobody touches it. Whoever has set GOGC or GOMEMLIMIT knows
// better: then there is none.
func newBallast() []byte {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return nil
	}
	return make([]byte, garbageMost)
}
