package targets

import "fmt"

// maxConnections is how many connections there may be in all: what the
// configuration says, unless the process may not open that many files. The
// pool then closes connections that idle, or lets checks wait; without room
// every check of a target that has no connection yet would fail for as long
// as the others keep theirs. An eighth is left for what else takes a file: the
// agent's socket, name servers, password and certificate files, Storm UIs.
func maxConnections(configured int, files uint64) int {
	if files == 0 {
		return configured
	}
	return int(min(uint64(configured), max(1, files-max(files/8, min(files, 16)))))
}

// SayConnections is the same for a log line.
func SayConnections(configured int, files uint64) string {
	got := maxConnections(configured, files)
	if got == configured {
		return fmt.Sprintf("%d in all", got)
	}
	return fmt.Sprintf("%d in all (not %d: the process may have %d files open, see LimitNOFILE of the agent's service)",
		got, configured, files)
}
