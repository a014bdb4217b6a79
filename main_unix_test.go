//go:build !windows

package main

import (
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	sdkconf "golang.zabbix.com/sdk/conf"
	sdkplugin "golang.zabbix.com/sdk/plugin"
	"golang.zabbix.com/sdk/plugin/comms"
)

// TestProgramsOfAPasswordCommandHaveNoSignalIgnored: what the plugin must not end by,
// those must.
func TestProgramsOfAPasswordCommandHaveNoSignalIgnored(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("it needs Linux' /proc")
	}
	ignoredHere := ignoredSignals(t, "/proc/self/status") // by who runs the tests
	dir := t.TempDir()
	program, found := filepath.Join(dir, "program"), filepath.Join(dir, "status")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\ncp /proc/self/status "+found+"\necho secret\n"), 0o700))
	p := start(t, "false")
	value := func(text string) *sdkconf.Value { return &sdkconf.Value{Value: []byte(text), Line: 1} }
	node := func(name string, nodes ...any) *sdkconf.Node { return &sdkconf.Node{Name: name, Line: 1, Nodes: nodes} }
	require.NoError(t, comms.Write(p.conn, comms.ConfigureRequest{
		Common:        comms.Common{Id: 1, Type: comms.ConfigureRequestType},
		GlobalOptions: &sdkplugin.GlobalOptions{Timeout: 3},
		PrivateOptions: node("RedisJobs", node("Sessions", node("A",
			node("Uri", value("tcp://127.0.0.1:1")), node("PasswordCommand", value(program))))),
	}))
	require.Equal(t, "0", p.export(t, "redis.server.ping", "A").Value)
	for _, sig := range ignored {
		bit := uint64(1) << (sig.(syscall.Signal) - 1)
		require.Zero(t, ignoredSignals(t, found)&bit&^ignoredHere, "%v", sig)
	}
	require.NoError(t, p.conn.Close())
	require.Equal(t, 0, p.wait(t))
}

// ignoredSignals reads SigIgn of proc(5).
func ignoredSignals(t *testing.T, file string) uint64 {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(text), "SigIgn:")
	require.True(t, ok)
	mask, err := strconv.ParseUint(strings.Fields(rest)[0], 16, 64)
	require.NoError(t, err)
	return mask
}

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
