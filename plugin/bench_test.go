package plugin

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.zabbix.com/sdk/plugin/comms"

	"redisjobs/internal/redistest"
)

// BenchmarkServe is a check over the agent's socket, as the agent sees it: so
// many requests are under way at once.
func BenchmarkServe(b *testing.B) {
	server := redistest.Start(b, redistest.Config{})
	for _, key := range []string{"redis.server.ping", "redis.server.info", "redis.get"} {
		for _, inFlight := range []int{1, 8, 64} {
			b.Run(fmt.Sprintf("%s/inflight=%d", key, inFlight), func(b *testing.B) {
				ours := serveSocket(b)
				require.NoError(b, comms.Write(ours, comms.ConfigureRequest{
					Common: comms.Common{Type: comms.ConfigureRequestType},
				}))
				request, err := json.Marshal(comms.ExportRequest{
					Common: comms.Common{Id: 1, Type: comms.ExportRequestType},
					Key:    key, Params: []string{"tcp://" + server.Addr}, Timeout: 3,
				})
				require.NoError(b, err)
				request = rawFrame(comms.JSONType, string(request))
				answers := bufio.NewReaderSize(ours, 1<<20)
				var buf []byte
				receive := func() {
					for {
						var err error
						buf, err = readFrame(answers, buf)
						require.NoError(b, err)
						if bytes.Contains(buf[:32], []byte(`"type":7`)) {
							require.NotContains(b, string(buf[:64]), `"error"`)
							return
						}
					}
				}
				for range inFlight {
					_, err := ours.Write(request)
					require.NoError(b, err)
				}
				b.ReportAllocs()
				for b.Loop() {
					receive()
					_, err := ours.Write(request)
					require.NoError(b, err)
				}
				for range inFlight {
					receive()
				}
			})
		}
	}
}

// serveSocket serves one end of a unix socket and returns the other.
func serveSocket(b *testing.B) net.Conn {
	l, err := net.Listen("unix", filepath.Join(b.TempDir(), "s"))
	require.NoError(b, err)
	defer l.Close()
	ours, err := net.Dial("unix", l.Addr().String())
	require.NoError(b, err)
	theirs, err := l.Accept()
	require.NoError(b, err)
	done := make(chan int)
	go func() { done <- Server{}.Serve(theirs) }()
	b.Cleanup(func() { _ = ours.Close(); <-done })
	return ours
}
