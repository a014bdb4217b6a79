//go:build !windows

package plugin

import (
	"net"
	"time"
)

func dialSocket(path string, timeout time.Duration) (net.Conn, error) {
	return net.DialTimeout("unix", path, timeout)
}
