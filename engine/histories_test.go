package engine_test

import (
	"os"
	"strconv"
)

// histories returns how many random histories a test lives through: as many as usual, or FAREBOX_HISTORIES times as many.
func histories(usual uint64) uint64 {
	times, err := strconv.ParseUint(os.Getenv("FAREBOX_HISTORIES"), 10, 16)
	if err != nil || times == 0 {
		return usual
	}
	return usual * times
}
