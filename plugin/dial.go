package plugin

import (
	"fmt"
	"net"
	"time"
)

// connectLimit bounds the time to reach the agent's socket: the agent itself
// gives up after its Timeout, 3 s unless configured.
const connectLimit = 3 * time.Second

// Connect opens the socket that the agent named when it started the process.
// The agent listens before it starts us, so that a retry is needed only where
// it is slower than a process start.
func Connect(path string) (net.Conn, error) {
	deadline := time.Now().Add(connectLimit)
	for {
		conn, err := dialSocket(path, time.Until(deadline))
		if err == nil {
			return conn, nil
		}
		if time.Until(deadline) < retryPause {
			return nil, fmt.Errorf("cannot connect to the agent's socket %s within %s: %w", path, connectLimit, err)
		}
		time.Sleep(retryPause)
	}
}

const retryPause = 50 * time.Millisecond
