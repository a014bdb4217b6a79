//go:build !windows

package main

import (
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.zabbix.com/sdk/plugin/comms"
)

// The test process is the agent here: nothing else may start children meanwhile.
func TestARegisteringProcessWakesAnAgent60BeforeItEnds(t *testing.T) {
	for version, woken := range map[string]bool{"6.0.13": true, "6.4.0": false} {
		t.Run(version, func(t *testing.T) {
			p := start(t, "true")
			signals := make(chan os.Signal, 100)
			signal.Notify(signals, syscall.SIGCHLD)
			defer signal.Stop(signals)
			require.NoError(t, comms.Write(p.conn, comms.RegisterRequest{
				Common: comms.Common{Id: 1, Type: comms.RegisterRequestType}, ProtocolVersion: version,
			}))
			_, _, err := comms.Read(p.conn)
			require.NoError(t, err)
			require.NoError(t, comms.Write(p.conn, comms.TerminateRequest{Common: comms.Common{Type: comms.TerminateRequestType}}))
			require.NoError(t, p.conn.Close())
			require.Equal(t, 0, p.wait(t))
			if woken {
				require.Greater(t, len(signals), 1, "its end is one")
			} else {
				require.LessOrEqual(t, len(signals), 1, "its end is one")
			}
		})
	}
}
