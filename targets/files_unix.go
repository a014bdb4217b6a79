//go:build !windows

package targets

import "syscall"

// OpenFiles is how many files and sockets the process may have open, or 0 for
// any number. Go raises the soft limit to the hard one when a process starts.
func OpenFiles() uint64 {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return uint64(limit.Cur) // of either sign on some systems; then it is unlimited, and huge
}
