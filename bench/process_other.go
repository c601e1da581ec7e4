//go:build !linux

package bench

import "syscall"

// childAttributes keep Ctrl-C, which a terminal sends to a whole group of processes, from children: they are stopped when it is their turn.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// machineNow cannot tell, on this system.
func machineNow() machineTime { return machineTime{} }

// UseOf cannot tell what a process has used so far, on this system.
func UseOf(int) Use { return Use{} }
