package bench

import "testing"

func TestStolenIsWhatTheHostTook(t *testing.T) {
	before := parseMachineTime([]byte("cpu  100 10 50 800 20 0 20 40 7 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n"))
	after := parseMachineTime([]byte("cpu  150 10 60 830 20 0 20 50 27 0\n"))
	if got := after.stolenSince(before); got != 0.1 { // 10 of 100 ticks; guests are counted twice by Linux
		t.Errorf("%v is stolen", got)
	}
	if got := before.stolenSince(before); got != 0 {
		t.Errorf("%v is stolen in no time", got)
	}
	for _, text := range []string{"", "cpu", "cpu  1 2 3\n", "intr 1 2 3 4 5 6 7 8 9\n"} {
		if got := parseMachineTime([]byte(text)); got != (machineTime{}) {
			t.Errorf("%q: %+v", text, got)
		}
	}
}
