package plugin

import (
	"net"
	"time"

	"github.com/Microsoft/go-winio"
)

// dialSocket opens the agent's named pipe. The standard library has no
// client for one; go-winio is what agent 2 itself listens with.
func dialSocket(path string, timeout time.Duration) (net.Conn, error) {
	return winio.DialPipe(path, &timeout)
}
