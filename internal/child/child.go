// Package child starts the processes of tests and benchmarks, which are not to outlive them.
package child

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// Start starts a command and waits for its end, at which the channel is closed. On Linux the kernel sends it the signal
// when this process ends, even when that crashes or is killed and no cleanup runs.
func Start(cmd *exec.Cmd, end syscall.Signal) (ended <-chan struct{}, err error) {
	tie(cmd, end)
	started, done := make(chan error, 1), make(chan struct{})
	go func() {
		// The kernel ties the signal to the thread that started the command: it has to live as long as that does.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
		close(done)
	}()
	return done, <-started
}

// WriteProgram writes a file that can be run at once. No process that is started meanwhile inherits it open for writing,
// for which the kernel would refuse to run it (ETXTBSY, https://go.dev/issue/22315).
func WriteProgram(path string, text []byte) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(path, text, 0o755)
}
