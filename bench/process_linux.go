package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

// childAttributes keep Ctrl-C, which a terminal sends to a whole group of processes, from children: they are stopped when it is their turn. Should
// this process be killed, they are told to stop.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

// machineNow reads what has passed on the machine's processors.
func machineNow() machineTime {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return machineTime{}
	}
	return parseMachineTime(stat)
}

// ticksPerSecond is USER_HZ, which is 100 on every architecture that Go runs on.
const ticksPerSecond = 100

// UseOf reads what a process has used so far; zero if it is not there.
func UseOf(pid int) (u Use) {
	if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
		_, after, _ := bytes.Cut(stat, []byte(") ")) // its name may have any character
		if fields := bytes.Fields(after); len(fields) > 12 {
			user, _ := strconv.ParseInt(string(fields[11]), 10, 64)
			system, _ := strconv.ParseInt(string(fields[12]), 10, 64)
			u.Processor = time.Duration(user+system) * time.Second / ticksPerSecond
		}
	}
	if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)); err == nil {
		_, after, _ := bytes.Cut(status, []byte("VmHWM:"))
		if fields := bytes.Fields(after); len(fields) > 0 {
			kib, _ := strconv.ParseInt(string(fields[0]), 10, 64)
			u.PeakMemory = kib << 10
		}
	}
	return u
}
