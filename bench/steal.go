package bench

import (
	"bytes"
	"strconv"
)

// machineTime is what has passed so far on all processors of the machine together, in ticks: of it, what the host of a virtual machine gave to
// others while there was work here.
type machineTime struct{ all, stolen int64 }

// stolenSince returns which share of the time since then was stolen.
func (t machineTime) stolenSince(then machineTime) float64 {
	if t.all <= then.all {
		return 0
	}
	return float64(t.stolen-then.stolen) / float64(t.all-then.all)
}

// The columns of a line of /proc/stat, behind its name: user, nice, system, idle, iowait, irq, softirq, steal; guests are counted as user, too.
const (
	stolenColumn = 7
	columnsOfAll = 8
)

// parseMachineTime reads the first line of Linux' /proc/stat.
func parseMachineTime(stat []byte) (t machineTime) {
	line, _, _ := bytes.Cut(stat, []byte("\n"))
	name, rest, _ := bytes.Cut(line, []byte(" "))
	fields := bytes.Fields(rest)
	if string(name) != "cpu" || len(fields) < columnsOfAll {
		return t
	}
	for i, field := range fields[:columnsOfAll] {
		ticks, _ := strconv.ParseInt(string(field), 10, 64)
		t.all += ticks
		if i == stolenColumn {
			t.stolen = ticks
		}
	}
	return t
}
