package advice

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
)

// machine is what the machine of a server tells of it, where that is this one.
// The files may be read by any user.
type machine struct {
	why string // why nothing is known, or ""

	swap                              int64 // bytes of the process in swap
	hugePages                         bool
	overcommit                        int64
	swapOK, hugePagesOK, overcommitOK bool
}

func (m *machine) unknown(what string) string {
	if m.why != "" {
		return m.why
	}
	return "the machine does not tell " + what
}

const otherMachine = "the server does not run on this machine, or not where its processes can be seen"

// lookAt reads the machine of a server that was reached at a loopback address or
// a unix socket, and whose process is found here by its number and its title. A
// server in a container has another number. root is "/" but in tests.
func lookAt(root string, t *item.Target, x *info.Text) machine {
	here, known := ask.Connection(t)
	if !known || !isHere(here.Addr) {
		return machine{why: otherMachine}
	}
	pid, _ := x.Field("server", "process_id")
	if !info.ParseCount(pid).Known {
		return machine{why: "INFO does not tell process_id"}
	}
	port, _ := x.Field("server", "tcp_port")
	process := filepath.Join(root, "proc", string(pid))
	title, _ := os.ReadFile(filepath.Join(process, "cmdline"))
	name := strings.ToLower(string(title))
	if !strings.Contains(name, "redis") && !strings.Contains(name, "valkey") && !strings.Contains(name, "keydb") ||
		len(port) == 0 || !strings.Contains(name, ":"+string(port)) {
		return machine{why: otherMachine}
	}
	var m machine
	status := fieldsOf(filepath.Join(process, "status"))
	if kib, ok := strings.CutSuffix(status["VmSwap"], " kB"); ok {
		n := info.ParseCount([]byte(strings.TrimSpace(kib)))
		m.swap, m.swapOK = n.Value<<10, n.Known
	}
	if enabled, err := os.ReadFile(filepath.Join(root, "sys/kernel/mm/transparent_hugepage/enabled")); err == nil {
		// The process has switched them off with THP_enabled 0 (Linux 5.0 and newer).
		m.hugePages = strings.Contains(string(enabled), "[always]") && status["THP_enabled"] != "0"
		m.hugePagesOK = !m.hugePages || status["THP_enabled"] != ""
	}
	if text, err := os.ReadFile(filepath.Join(root, "proc/sys/vm/overcommit_memory")); err == nil {
		n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		m.overcommit, m.overcommitOK = n, err == nil
	}
	return m
}

// isHere reports whether an address is one of this machine alone.
func isHere(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return strings.HasPrefix(addr, "/")
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// fieldsOf reads a file of lines "Name:  value".
func fieldsOf(file string) map[string]string {
	text, _ := os.ReadFile(file)
	out := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		out[name] = strings.TrimSpace(value)
	}
	return out
}
