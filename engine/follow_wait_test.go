package engine

import (
	"testing"
	"time"
)

func TestPatienceGrowsAndIsBounded(t *testing.T) {
	before := time.Duration(0)
	for failures := 1; failures < 10_000; failures++ {
		now := patience(failures)
		if now < before || now < time.Second || now > time.Minute {
			t.Fatalf("after %d failures it waits %v, and %v before", failures, now, before)
		}
		before = now
	}
	if before != time.Minute || patience(2) != 2*time.Second {
		t.Errorf("it waits %v in the end, and %v after 2 failures", before, patience(2))
	}
}
