package redistest

import "syscall"

// procAttr makes the server die with the test process, also when that is
// killed by its own timeout and no cleanup runs.
func procAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
