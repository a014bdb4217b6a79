package agentconf

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"time"
)

// Version is that of an agent; the zero value is one that is not known.
type Version struct{ Major, Minor, Patch int }

func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch) }

// Known reports whether there is a version.
func (v Version) Known() bool { return v != Version{} }

// Before reports whether v is older than a release, as 7.2.
func (v Version) Before(major, minor int) bool {
	return v.Major < major || v.Major == major && v.Minor < minor
}

// LoadsPlugins reports whether an agent of that version starts programs as this
// one: those from 6.0 on.
func (v Version) LoadsPlugins() bool { return !v.Before(6, 0) }

// ReplacesVariables reports whether an agent of that version replaces ${NAME}, as
// those from 7.2 on do. One that is not known is taken for one of today.
func (v Version) ReplacesVariables() bool { return !v.Known() || !v.Before(7, 2) }

// places are where packages put the agent.
func places() []string {
	if runtime.GOOS == "windows" {
		return []string{filepath.Join(os.Getenv("ProgramFiles"), "Zabbix Agent 2", "zabbix_agent2.exe")}
	}
	return []string{"/usr/sbin/zabbix_agent2", "/usr/local/sbin/zabbix_agent2", "/usr/bin/zabbix_agent2", "/usr/local/bin/zabbix_agent2"}
}

// FindAgent is the program of the agent of this machine; "" when it is in none of
// the usual places.
func FindAgent() string {
	for _, path := range places() {
		if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() {
			return path
		}
	}
	return ""
}

var versionLine = regexp.MustCompile(`\(Zabbix\) (\d+)\.(\d+)\.(\d+)`)

// VersionOf asks an agent's program for its version, which touches no agent that
// runs.
func VersionOf(program string) (Version, error) {
	if program == "" {
		return Version{}, errors.New("there is no agent 2 in the usual places")
	}
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, program, "-V")
	c.WaitDelay = time.Second
	out, err := c.Output()
	m := versionLine.FindSubmatch(out)
	switch {
	case m == nil && err != nil:
		return Version{}, fmt.Errorf("%s -V: %w", program, err)
	case m == nil:
		return Version{}, fmt.Errorf("%s -V prints no version of Zabbix", program)
	}
	number := func(i int) int {
		n, _ := strconv.Atoi(string(m[i])) // digits alone; one that does not fit is no version
		return n
	}
	return Version{number(1), number(2), number(3)}, nil
}

// ReadHere reads a configuration as this machine's agent does. It is asked for
// its version only when that matters: when a value is nothing but ${NAME}.
func ReadHere(path string) *Config {
	c := Read(path, nil)
	if len(c.Variables) == 0 {
		return c
	}
	if v, _ := VersionOf(FindAgent()); v.ReplacesVariables() { // without an agent, as one of today
		return Read(path, os.LookupEnv)
	}
	return c
}

// Usual is the agent's configuration in its usual place, for a command that is
// given none: "" when there is none, and when this user may not read all of it,
// which note says.
func Usual() (path, note string) { return usual(Default) }

func usual(path string) (string, string) {
	c := Read(path, nil)
	err := c.Err()
	switch {
	case err == nil:
		return path, ""
	case len(c.Files) == 0 && errors.Is(err, fs.ErrNotExist):
		return "", ""
	case errors.Is(err, fs.ErrPermission):
		return "", "the agent's configuration is not used, so that no session is known: " + err.Error() + "; run this as root or as the agent's user"
	}
	return path, ""
}
