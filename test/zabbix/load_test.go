//go:build zabbix && linux

package zabbix

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

// loadScenes are a server that has too much to do, and one whose clients and replicas do not keep up.
func loadScenes(t testing.TB) []*scene {
	quiet := func(s *redistest.Server, more map[string]string) map[string]string {
		out := map[string]string{"{$REDIS.CONN}": "tcp://" + s.Addr, "{$REDIS.SLOWLOG.RATE.MAX.WARN}": "1000", "{$REDIS.LATENCY.MAX.WARN}": "10",
			"{$REDIS.FORK.TIME.MAX.WARN}": "1000", "{$REDIS.DOWN.POLLS}": "#9", "{$REDIS.ERROR.RATE.MAX.WARN}": "1000",
			`{$REDIS.CHECK:"Configuration was changed"}`: "0", `{$REDIS.CHECK:"Setup has findings of high severity"}`: "0"}
		for name, value := range more {
			out[name] = value
		}
		return out
	}
	busy := redistest.Start(t, redistest.Config{Args: []string{"--appendonly", "yes", "--appendfsync", "everysec"}})
	for i := range 25 {
		busy.Do(t, "SET", fmt.Sprint("key", i), "x")
	}
	slowly := func(command string) func(t testing.TB) {
		return func(t testing.TB) {
			busy.Do(t, "CONFIG", "SET", "rdb-key-save-delay", "1000000") // 25 seconds
			busy.Do(t, command)
			busy.Do(t, "CONFIG", "SET", "rdb-key-save-delay", "0") // the child keeps what it has
		}
	}
	var resume func()
	load := &scene{host: "load", templates: []string{redisTemplate},
		macros: quiet(busy, map[string]string{"{$REDIS.CPU.MAIN.MAX.WARN}": "5", "{$REDIS.SAVE.TIME.MAX.WARN}": "5", `{$REDIS.PERIOD:"fsync"}`: "4s"}),
		steps: []step{
			during("scripts that compute", func(t testing.TB) { busy.Do(t, "EVAL", "for i = 1, 4000000 do end", "0") }, "Redis: Main thread is busy"),
			{name: "a save that takes its time", want: []string{"Redis: RDB save takes too long"}, do: slowly("BGSAVE")},
			{name: "a rewrite that takes its time", want: []string{"Redis: AOF rewrite takes too long"}, do: slowly("BGREWRITEAOF")},
		}}
	fsync := during("a disk that does not store", func(t testing.TB) { busy.Do(t, "SET", "a", "1") }, "Redis: AOF fsyncs are delayed")
	write, end := fsync.do, fsync.undo
	fsync.do = func(t testing.TB) { resume = stopThread(t, busy, "bio_aof"); write(t) }
	fsync.undo = func(t testing.TB) { end(t); resume() }
	load.steps = append(load.steps, fsync)

	cut := redistest.Start(t, redistest.Config{Bin: redistest.Find(t, "redis-8.0").Bin, Args: []string{"--repl-diskless-sync-delay", "0"}})
	cut.Do(t, "CONFIG", "SET", "client-query-buffer-limit", "1048576")
	cut.Do(t, "CONFIG", "SET", "client-output-buffer-limit", "pubsub 65536 0 0")
	buffers := &scene{host: "buffers", templates: []string{redisTemplate}, macros: quiet(cut, map[string]string{"{$REDIS.RESYNC.MAX.WARN}": "1"}),
		steps: []step{
			{name: "a subscriber that does not read", want: []string{"Redis: Clients are disconnected at the output buffer limit"},
				do: func(t testing.TB) {
					c, err := net.Dial("tcp", cut.Addr)
					require.NoError(t, err)
					t.Cleanup(func() { c.Close() })
					_, err = c.Write([]byte("SUBSCRIBE news\r\n"))
					require.NoError(t, err)
					await(t, "the server to disconnect it", func() string {
						cut.Do(t, "PUBLISH", "news", strings.Repeat("x", 1<<20-100))
						return map[string]string{"0": "not yet"}[cut.InfoField(t, "stats", "client_output_buffer_limit_disconnections")]
					})
				}},
			{name: "a request that is too large", want: []string{"Redis: Clients are disconnected at the query buffer limit"},
				do: func(t testing.TB) {
					_, err := cut.TryDo("SET", "large", strings.Repeat("x", 3<<20))
					require.Error(t, err)
				}},
			{name: "clients that take too much memory together", want: []string{"Redis: Clients are evicted to save memory"},
				do: func(t testing.TB) {
					cut.Do(t, "CONFIG", "SET", "maxmemory-clients", "2mb")
					for range 4 { // each is below the limit of one request
						c, err := net.Dial("tcp", cut.Addr)
						require.NoError(t, err)
						t.Cleanup(func() { c.Close() })
						_, err = fmt.Fprintf(c, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$900000\r\n%s", strings.Repeat("x", 890_000))
						require.NoError(t, err)
					}
					await(t, "the server to evict one", func() string {
						return map[string]string{"0": "not yet"}[cut.InfoField(t, "stats", "evicted_clients")]
					})
				},
				undo: func(t testing.TB) { cut.Do(t, "CONFIG", "SET", "maxmemory-clients", "0") }},
			{name: "replicas that copy everything", want: []string{"Redis: Replicas copy all data again and again"},
				do: func(t testing.TB) {
					for range 3 { // as redis-cli --rdb does
						c, err := net.Dial("tcp", cut.Addr)
						require.NoError(t, err)
						_, err = c.Write([]byte("SYNC\r\n"))
						require.NoError(t, err)
						_, err = c.Read(make([]byte, 100))
						require.NoError(t, err)
						require.NoError(t, c.Close())
						await(t, "the copy to end", func() string {
							return map[string]string{"1": "not yet"}[cut.InfoField(t, "persistence", "rdb_bgsave_in_progress")]
						})
					}
				}},
		}}
	return []*scene{load, buffers}
}

// stopThread stops one thread of a server, as a disk does that never answers it, until resume is called.
func stopThread(t testing.TB, s *redistest.Server, name string) (resume func()) {
	t.Helper()
	tasks, err := filepath.Glob("/proc/" + s.InfoField(t, "server", "process_id") + "/task/*/comm")
	require.NoError(t, err)
	tid := 0
	for _, comm := range tasks {
		text, err := os.ReadFile(comm)
		require.NoError(t, err)
		if strings.HasPrefix(string(text), name) {
			tid = atoi(t, filepath.Base(filepath.Dir(comm)))
		}
	}
	require.NotZero(t, tid, "no thread %s", name)
	stopped, goOn, ended := make(chan error), make(chan struct{}), make(chan struct{})
	go func() {
		runtime.LockOSThread() // who attaches must detach
		defer close(ended)
		err := syscall.PtraceAttach(tid)
		if err == nil {
			_, err = syscall.Wait4(tid, nil, syscall.WALL, nil)
		}
		stopped <- err
		if err == nil {
			<-goOn
			_ = syscall.PtraceDetach(tid)
		}
	}()
	require.NoError(t, <-stopped)
	resume = sync.OnceFunc(func() { close(goOn); <-ended })
	t.Cleanup(resume)
	return resume
}
