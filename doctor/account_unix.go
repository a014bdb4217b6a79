//go:build !windows

package doctor

import (
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// defaultSocket is where the agent listens for plugins unless it is told otherwise.
const defaultSocket = "/tmp/agent.plugin.sock"

// account is the user that the agent runs as.
type account struct {
	name string
	// group is the name of its primary group, else its number; the user's own name when
	// nothing is known of it.
	group   string
	known   bool
	unknown string // why it is not
	uid     uint32
	groups  []uint32
}

// findAccount looks the user up; one that does not exist is not known.
func findAccount(name string) account {
	a := account{name: name, group: name}
	u, err := user.Lookup(name)
	if err != nil {
		a.unknown = "there is no user " + name + " on this machine"
		if unknown := (user.UnknownUserError)(""); !errors.As(err, &unknown) {
			a.unknown = "the user " + name + " could not be looked up: " + err.Error()
		}
		return a
	}
	a.group = u.Gid
	if g, err := user.LookupGroupId(u.Gid); err == nil {
		a.group = g.Name
	}
	id := func(text string) uint32 {
		n, _ := strconv.ParseUint(text, 10, 32) // the system's own figures
		return uint32(n)
	}
	a.known, a.uid, a.groups = true, id(u.Uid), []uint32{id(u.Gid)}
	groups, _ := u.GroupIds() // without them the primary one counts
	for _, g := range groups {
		a.groups = append(a.groups, id(g))
	}
	return a
}

// Access bits.
const (
	mayRun   = 1
	mayWrite = 2
	mayRead  = 4
)

// may reports whether the account may do this with a file, by its mode and by
// those of the folders above it. What cannot be looked at, and any account that
// is not known, may.
func (a account) may(path string, bit uint32) bool {
	if !a.known || a.uid == 0 {
		return true
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if !a.mayOne(dir, mayRun) {
			return false
		}
		if dir == filepath.Dir(dir) {
			return a.mayOne(path, bit)
		}
	}
}

func (a account) mayOne(path string, bit uint32) bool {
	st, err := os.Stat(path)
	if err != nil {
		return true
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	mode := uint32(st.Mode().Perm())
	switch {
	case !ok:
		return true
	case sys.Uid == a.uid:
		return mode>>6&bit != 0
	case slices.Contains(a.groups, sys.Gid):
		return mode>>3&bit != 0
	}
	return mode&bit != 0
}

// executable reports whether anybody may run the file.
func executable(mode os.FileMode) bool { return mode.Perm()&0o111 != 0 }

// worldReadable reports whether every user of the machine may read the file.
func worldReadable(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().Perm()&0o004 != 0
}
