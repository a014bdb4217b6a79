//go:build !windows

package passwords

import (
	"os/exec"
	"syscall"
)

var systemEnvironment []string

// ownGroup makes the program the first of a process group of its own, which ends
// as a whole, and returns what ends it once the program was started.
func ownGroup(cmd *exec.Cmd) (kill func()) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	end := func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Cancel = end
	return func() { _ = end() } // those that have ended meanwhile are no error
}

// rootOf is the folder that a program runs in.
func rootOf(string) string { return "/" }
