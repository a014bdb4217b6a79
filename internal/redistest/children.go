package redistest

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// KillChild kills the child that saves or rewrites, when there is one, by SIGKILL. It
// is for Linux.
func (s *Server) KillChild(t testing.TB) {
	t.Helper()
	pid := s.InfoField(t, "server", "process_id")
	eventually(t, "a child of the server", func() bool {
		children, err := os.ReadFile(filepath.Join("/proc", pid, "task", pid, "children"))
		if err != nil {
			t.Fatal(err)
		}
		for c := range strings.FieldsSeq(string(children)) {
			id, err := strconv.Atoi(c)
			if err != nil {
				t.Fatal(err)
			}
			child, err := os.FindProcess(id)
			if err != nil {
				t.Fatal(err)
			}
			if err := child.Kill(); err != nil {
				t.Fatal(err)
			}
			return true
		}
		return false
	})
}
