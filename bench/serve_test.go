package main

import (
	"net"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/plugin"
)

// BenchmarkServe is row process within one process, for the profiler:
//
//	go test -run '^$' -bench Serve/info -cpuprofile cpu.out
func BenchmarkServe(b *testing.B) {
	server := redistest.Start(b, redistest.Config{})
	listener, err := net.Listen("unix", filepath.Join(b.TempDir(), "s"))
	require.NoError(b, err)
	defer listener.Close()
	agentEnd, err := net.Dial("unix", listener.Addr().String())
	require.NoError(b, err)
	pluginEnd, err := listener.Accept()
	require.NoError(b, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		plugin.Server{}.Serve(pluginEnd)
	}()
	defer func() {
		agentEnd.Close()
		<-ended
	}()
	d := newDriver(agentEnd)
	require.NoError(b, d.configure())
	for _, key := range []string{"redis.server.ping", "redis.server.info", "redis.get"} {
		for _, inFlight := range []struct {
			name string
			n    int
		}{{"1", 1}, {"8", 8}, {"64", 64}} {
			b.Run(key[len("redis."):]+"/"+inFlight.name, func(b *testing.B) {
				b.ReportAllocs()
				_, err := d.run(itemsOf(key, []string{"tcp://" + server.Addr}), inFlight.n, &latencies{},
					func(sent int) bool { return sent >= b.N })
				require.NoError(b, err)
			})
		}
	}
}
