//go:build !windows

package migrate

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// own gives a file the owner and the group of another one.
func own(path, model string) error {
	st, err := os.Stat(model)
	if err != nil {
		return err
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("the owner of %s is not known", model)
	}
	return os.Chown(path, int(sys.Uid), int(sys.Gid))
}

// agentGroup is the group that packages of the agent make.
const agentGroup = "zabbix"

// giveToAgent gives a file to the agent's group, where there is one and we may.
func giveToAgent(path string) error {
	group, err := user.LookupGroup(agentGroup)
	if err != nil || os.Geteuid() != 0 {
		return nil
	}
	id, err := strconv.Atoi(group.Gid)
	if err != nil {
		return err
	}
	return os.Chown(path, 0, id)
}
