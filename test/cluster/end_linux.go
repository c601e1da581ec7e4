package cluster

import "syscall"

// endWithUs has a process end when the thread that starts it does, however that ends.
func endWithUs(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGQUIT }
