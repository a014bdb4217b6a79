package passwords

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"time"

	"redisjobs/conf"
)

const (
	// runLimit bounds a run: a cloud's command line takes a few seconds.
	runLimit = 30 * time.Second
	// maxOutput bounds what a run may print, in bytes: a password has at most 4096,
	// and a line end.
	maxOutput = 4096 + 8
	// pipeLimit is how long a process that the program left behind may hold its
	// output open.
	pipeLimit = time.Second
)

// Environment are the variables of the agent that a command gets, where they are
// set; all others, which may hold secrets, it does not. docs/security.md lists
// them.
var Environment = append([]string{
	"PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR",
	"HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy",
}, systemEnvironment...)

// run runs a program without a shell and returns what it printed. Its error output
// goes nowhere. The program and, but on Windows, all that it started are killed
// when it takes longer than limit or prints too much.
func run(ctx context.Context, limit time.Duration, args []string) (conf.Secret, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Env = rootOf(args[0]), environment(os.LookupEnv)
	cmd.WaitDelay = pipeLimit
	kill := ownGroup(cmd)
	out := &bounded{over: cancel}
	cmd.Stdout = out
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) { // it left somebody behind
		kill()
	}
	switch {
	case out.overflowed:
		return conf.Secret{}, fmt.Errorf("the command printed more than %d bytes, and was killed: it may print nothing but the password", maxOutput)
	case ctx.Err() == context.DeadlineExceeded:
		return conf.Secret{}, fmt.Errorf("the command did not end within %s, and was killed", limit)
	case ctx.Err() != nil:
		return conf.Secret{}, errors.New("the command was ended because the plugin stops")
	case err != nil:
		return conf.Secret{}, failure(err)
	}
	return conf.ParsePassword(out.data)
}

// failure says how a run failed, without what it printed.
func failure(err error) error {
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.Exited():
		return fmt.Errorf("the command failed with exit code %d; what it prints is not shown: run it as the user of the agent to see it", exit.ExitCode())
	case errors.As(err, &exit):
		return fmt.Errorf("the command was ended: %s", exit.ProcessState)
	case errors.Is(err, exec.ErrWaitDelay):
		return errors.New("the command ended, but a process that it started holds its output open")
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("there is no such program, or the interpreter in its first line does not exist")
	case errors.Is(err, fs.ErrPermission):
		return errors.New("the user of the agent may not run the program (file mode, noexec, SELinux)")
	}
	// What remains are the system's words about the program, whose path may be a
	// password in the wrong place.
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return fmt.Errorf("the command cannot be run: %w", err)
}

// environment is what a command gets of the agent's own.
func environment(lookup func(string) (string, bool)) []string {
	out := []string{}
	for _, name := range Environment {
		if value, ok := lookup(name); ok {
			out = append(out, name+"="+value)
		}
	}
	return out
}

// bounded collects output, and calls over once when there is too much.
type bounded struct {
	data       []byte
	over       func()
	overflowed bool
}

var errOverflow = errors.New("too much output")

func (b *bounded) Write(p []byte) (int, error) {
	if len(b.data)+len(p) > maxOutput {
		b.overflowed = true
		b.over()
		return 0, errOverflow
	}
	b.data = append(b.data, p...)
	return len(p), nil
}
