package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// RunsHere reports whether a process is on this machine, as far as its name tells.
func RunsHere(pid int, name string) bool {
	is, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return err == nil && strings.HasPrefix(string(is), name)
}

// UseOfFamily is what all processes with the same parent as one of them have used, and the parent. Their memory is shared, so that a sum would say nothing.
func UseOfFamily(pid int) (sum Use) {
	for _, one := range family(pid) {
		sum.Processor += UseOf(one).Processor
	}
	return sum
}

func family(pid int) (all []int) {
	parent := parentOf(pid)
	if parent <= 1 {
		return nil
	}
	stats, _ := filepath.Glob("/proc/[0-9]*") // fails for a bad pattern only
	for _, path := range stats {
		if of, err := strconv.Atoi(filepath.Base(path)); err == nil && (of == parent || parentOf(of) == parent) {
			all = append(all, of)
		}
	}
	return all
}

func parentOf(pid int) int {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, after, _ := bytes.Cut(stat, []byte(") "))
	fields := bytes.Fields(after)
	if len(fields) < 2 {
		return 0
	}
	parent, _ := strconv.Atoi(string(fields[1]))
	return parent
}
