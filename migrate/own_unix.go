//go:build !windows

package migrate

import (
	"fmt"
	"os"
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
