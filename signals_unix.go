//go:build !windows

package main

import (
	"os"
	"syscall"
)

// ignored are the signals that would end the process, and the agent with it: all
// that a service manager, a terminal or an administrator may send to the agent's
// process group. SIGKILL cannot be ignored, and the faults of the program itself
// (SIGSEGV and the like) must not be.
var ignored = []os.Signal{
	syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE, syscall.SIGUSR1, syscall.SIGUSR2,
	syscall.SIGALRM,
}
