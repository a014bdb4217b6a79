//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdkplugin "golang.zabbix.com/sdk/plugin"
	"golang.zabbix.com/sdk/plugin/comms"

	"redisjobs/internal/redistest"
	"redisjobs/test/agent"
)

// maxRSS is what the plugin's process may use after any number of checks of
// one server.
const maxRSS = 20 << 20

// answer is a check that was made, to be judged when all are done.
type answer struct {
	key   string // of the metric
	value string
	err   error
}

// inParallel makes n checks, at most so many at once, and returns the answers.
func inParallel(atOnce, n int, check func(i int) answer) []answer {
	answers := make([]answer, n)
	var next atomic.Int64
	var group sync.WaitGroup
	for range atOnce {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				answers[i] = check(i)
			}
		})
	}
	group.Wait()
	return answers
}

// judge holds every answer to what is sensible for its key.
func judge(t *testing.T, w *world, by way, answers []answer) {
	t.Helper()
	for _, a := range answers {
		require.NoError(t, a.err, a.key)
		keyRows[a.key].check(t, w, by, a.value)
	}
}

// oneServer is a world of nothing but a server without a password.
func oneServer(t *testing.T) (*world, way) {
	t.Helper()
	s := redistest.Start(t, redistest.Config{})
	fill(t, s)
	w := &world{plain: s, sessions: []string{"CustomCommands=1"}, slowlog: map[*redistest.Server]string{s: slowCommands(t, s)}}
	return w, way{conn: "tcp://" + s.Addr, server: s, shown: "tcp://" + s.Addr}
}

func connections(t *testing.T, s *redistest.Server) int {
	t.Helper()
	n, err := strconv.Atoi(s.InfoField(t, "stats", "total_connections_received"))
	require.NoError(t, err)
	return n
}

func TestTwoHundredPollsOfAllKeysShareTheConnections(t *testing.T) {
	const polls, atOnce, maxConnections = 200, 20, 2
	eachAgent(t, func(t *testing.T, a agent.Agent) {
		w, by := oneServer(t)
		before := connections(t, by.server)
		r := start(t, a, setup{plugin: agent.Plugin(t), lines: w.sessions})
		all := testedMetrics()
		began := time.Now()
		answers := inParallel(atOnce, polls*len(all), func(i int) answer {
			m := all[i%len(all)]
			value, err := r.Get(itemKey(m, by.conn, "", "", keyRows[m.Key].own))
			return answer{m.Key, value, err}
		})
		took := time.Since(began)
		opened := connections(t, by.server) - before
		judge(t, w, by, answers)
		require.Positive(t, opened)
		require.LessOrEqual(t, opened, maxConnections)

		pool := r.document(t, "redis.pool.get")
		require.Len(t, pool.rows(t, "targets"), 1)
		require.EqualValues(t, opened, pool.in(t, "counters").number(t, "dials"))
		rss, err := agent.RSS(r.servingPID(t))
		require.NoError(t, err)
		require.Less(t, rss, int64(maxRSS))
		t.Logf("%d checks, %d at once, in %v: %d connections, plugin RSS %.1f MB",
			len(answers), atOnce, took.Round(time.Millisecond), opened, float64(rss)/(1<<20))
		r.Stop(t)
	})
}

func TestTenThousandChecksLeaveTheProcessSmall(t *testing.T) {
	const checks, atOnce = 10_000, 8
	w, by := oneServer(t)
	before := connections(t, by.server)
	h := startHost(t)
	keys := []string{"redis.get", "redis.server.info", "redis.server.ping", "storm.jobs.get", "redis.status", "redis.server.config"}
	began := time.Now()
	answers := inParallel(atOnce, checks, func(i int) answer {
		key := keys[i%len(keys)]
		value, err := h.export(key, by.conn)
		return answer{key, value, err}
	})
	took := time.Since(began)
	rss, err := agent.RSS(h.pid)
	require.NoError(t, err)
	judge(t, w, by, answers)
	require.Less(t, rss, int64(maxRSS))
	opened := connections(t, by.server) - before
	require.LessOrEqual(t, opened, 2)
	t.Logf("%d checks, %d at once, in %v (%.0f/s): plugin RSS %.1f MB, %d connections",
		checks, atOnce, took.Round(time.Millisecond), checks/took.Seconds(), float64(rss)/(1<<20), opened)
	h.stop(t)
}

// host is an agent's end of the plugin's socket, for more checks than an agent
// is asked in a test's time.
type host struct {
	pid    int
	conn   net.Conn
	exited chan error

	mu      sync.Mutex
	nextID  uint32
	waiting map[uint32]chan comms.ExportResponse
}

func startHost(t *testing.T) *host {
	t.Helper()
	dir, err := os.MkdirTemp("", "rj") // a socket's path is limited to about 100 bytes
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	ln, err := net.Listen("unix", socket)
	require.NoError(t, err)
	defer ln.Close()
	require.NoError(t, ln.(*net.UnixListener).SetDeadline(time.Now().Add(10*time.Second)))

	cmd := exec.Command(agent.Plugin(t), socket, "false")
	require.NoError(t, cmd.Start())
	h := &host{pid: cmd.Process.Pid, exited: make(chan error, 1), waiting: map[uint32]chan comms.ExportResponse{}}
	go func() { h.exited <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	h.conn, err = ln.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = h.conn.Close() })
	go h.read()
	require.NoError(t, comms.Write(h.conn, comms.ConfigureRequest{
		Common:        comms.Common{Id: 1, Type: comms.ConfigureRequestType},
		GlobalOptions: &sdkplugin.GlobalOptions{Timeout: 3},
	}))
	require.NoError(t, comms.Write(h.conn, comms.StartRequest{Common: comms.Common{Id: 2, Type: comms.StartRequestType}}))
	h.nextID = 2
	return h
}

// read hands every answer to who waits for it.
func (h *host) read() {
	for {
		c, body, err := comms.Read(h.conn)
		if err != nil {
			break
		}
		var r comms.ExportResponse
		if c.Type != comms.ExportResponseType || json.Unmarshal(body, &r) != nil {
			continue
		}
		h.mu.Lock()
		waiting := h.waiting[c.Id]
		delete(h.waiting, c.Id)
		h.mu.Unlock()
		if waiting != nil {
			waiting <- r
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, waiting := range h.waiting {
		close(waiting)
	}
	h.waiting = nil
}

// export runs one check.
func (h *host) export(key string, params ...string) (string, error) {
	waiting := make(chan comms.ExportResponse, 1)
	h.mu.Lock()
	if h.waiting == nil {
		h.mu.Unlock()
		return "", net.ErrClosed
	}
	h.nextID++
	id := h.nextID
	h.waiting[id] = waiting
	h.mu.Unlock()
	err := comms.Write(h.conn, comms.ExportRequest{
		Common: comms.Common{Id: id, Type: comms.ExportRequestType}, Key: key, Params: params, Timeout: 3,
	})
	if err != nil {
		return "", err
	}
	select {
	case r, ok := <-waiting:
		switch value, isText := r.Value.(string); {
		case !ok:
			return "", net.ErrClosed
		case r.Error != "":
			return "", fmt.Errorf("%s: %s", key, r.Error)
		case !isText:
			return "", fmt.Errorf("%s: the value is a %T", key, r.Value)
		default:
			return value, nil
		}
	case <-time.After(10 * time.Second):
		return "", fmt.Errorf("%s: no answer", key)
	}
}

func (h *host) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, comms.Write(h.conn, comms.TerminateRequest{Common: comms.Common{Id: 0, Type: comms.TerminateRequestType}}))
	select {
	case err := <-h.exited:
		require.NoError(t, err)
	case <-time.After(5 * time.Second):
		require.Fail(t, "the plugin did not end")
	}
}
