package instances

import (
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/child"
	"redisjobs/internal/metrictest"
	"redisjobs/internal/ports"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
)

// startOther starts a redis-server that redistest's cannot be: one without a
// port, or of another user.
func startOther(t *testing.T, credential *syscall.Credential, network, address string, args ...string) (pid int) {
	t.Helper()
	cmd := exec.Command("redis-server", append([]string{"--save", "", "--appendonly", "no", "--dir", "/"}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	ended, err := child.Start(cmd, syscall.SIGKILL)
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	require.Eventually(t, func() bool {
		conn, err := net.Dial(network, address)
		if err != nil {
			return false
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(time.Second))
		_, _ = io.WriteString(conn, "PING\r\n")
		answer := make([]byte, 7)
		_, err = io.ReadFull(conn, answer)
		return err == nil && string(answer) == "+PONG\r\n"
	}, 20*time.Second, 10*time.Millisecond)
	return cmd.Process.Pid
}

// socketDir is a folder whose path is short enough for sockets, and that other
// users may enter.
func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rt")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o777))
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func freePort(t *testing.T) string { return strconv.Itoa(ports.Free(t)) }

// rowOf is the row of a URI; nil when there is none.
func rowOf(rows []map[string]string, uri string) map[string]string {
	for _, row := range rows {
		if row["{#URI}"] == uri {
			return row
		}
	}
	return nil
}

func discovered(t *testing.T, text string) (rows []map[string]string) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &rows), "%s", text)
	return rows
}

func TestInstancesOfThisMachine(t *testing.T) {
	t.Parallel()
	uid := strconv.Itoa(os.Geteuid())
	s := redistest.Start(t, redistest.Config{UnixSocket: true})
	cluster := redistest.Start(t, redistest.Config{Lines: []string{"cluster-enabled yes"}})
	sentinel := redistest.Start(t, redistest.Config{Args: []string{"--sentinel"}})
	dir := socketDir(t)
	socket := filepath.Join(dir, "only.sock")
	unixPID := startOther(t, nil, "unix", socket, "--port", "0", "--unixsocket", socket)
	six := freePort(t)
	sixPID := startOther(t, nil, "tcp", "[::1]:"+six, "--port", six, "--bind", "::1")

	rows := discovered(t, collect(t, Discovery, item.Session{Name: "Here", URI: "tcp://" + s.Addr + "/2"}))
	_, port, err := net.SplitHostPort(s.Addr)
	require.NoError(t, err)
	row := rowOf(rows, "tcp://"+s.Addr)
	require.NotEmpty(t, row["{#PID}"], "%v", rows)
	delete(row, "{#PID}")
	require.Equal(t, map[string]string{
		"{#URI}": "tcp://" + s.Addr, "{#TYPE}": "redis", "{#PORT}": port, "{#SOCKET}": s.Socket, "{#UID}": uid, "{#SESSION}": "Here", "{#LABEL}": "web 1",
	}, row)
	require.Equal(t, map[string]string{
		"{#URI}": "unix:" + socket, "{#TYPE}": "redis", "{#SOCKET}": socket, "{#UID}": uid, "{#PID}": strconv.Itoa(unixPID), "{#SESSION}": "", "{#LABEL}": "web 1",
	}, rowOf(rows, "unix:"+socket))
	require.Equal(t, map[string]string{
		"{#URI}": "tcp://[::1]:" + six, "{#TYPE}": "redis", "{#PORT}": six, "{#UID}": uid, "{#PID}": strconv.Itoa(sixPID), "{#SESSION}": "", "{#LABEL}": "web 1",
	}, rowOf(rows, "tcp://[::1]:"+six))
	require.Equal(t, "sentinel", rowOf(rows, "tcp://"+sentinel.Addr)["{#TYPE}"])
	require.Equal(t, "redis", rowOf(rows, "tcp://"+cluster.Addr)["{#TYPE}"], "not its bus")

	doc := metrictest.Decode(t, collect(t, Get))
	for _, row := range doc["instances"].([]any) {
		row := row.(map[string]any)
		if row["uri"] == "tcp://"+cluster.Addr {
			require.Len(t, row["listens"], 2, "its port and the bus")
		}
		require.NotContains(t, doc["unavailable"], "process "+strconv.Itoa(int(row["pid"].(float64))))
	}
	// While it saves, a server has a child of the same name.
	s.Do(t, "CONFIG", "SET", "rdb-key-save-delay", "100000")
	for i := range 100 {
		s.Do(t, "SET", strconv.Itoa(i), "x")
	}
	s.Do(t, "BGSAVE")
	seen := 0
	for _, row := range discovered(t, collect(t, Discovery)) {
		seen += ask.Number(row["{#PORT}"] == port)
	}
	require.Equal(t, "1", s.InfoField(t, "persistence", "rdb_bgsave_in_progress"))
	require.Equal(t, 1, seen)
}

// nobodysView names the file that TestNobodysView writes; it runs in a process
// of its own, as another user.
const nobodysView = "REDISJOBS_NOBODYS_VIEW"

func TestNobodysView(t *testing.T) {
	file := os.Getenv(nobodysView)
	if file == "" {
		return // it is a part of the test below
	}
	text := collect(t, Discovery) + "\n" + collect(t, Get)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
}

func TestInstancesWithoutRoot(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: only root can start servers and look at them as two other users")
	}
	const daemon, nobody = 1, 65534
	dir := socketDir(t)
	as := func(uid uint32) *syscall.Credential { return &syscall.Credential{Uid: uid, Gid: 65534} }
	port, own := freePort(t), freePort(t)
	socket, hidden := filepath.Join(dir, "o.sock"), filepath.Join(dir, "h.sock")
	pid := startOther(t, as(daemon), "tcp", "127.0.0.1:"+port, "--port", port, "--bind", "127.0.0.1", "--unixsocket", hidden)
	unixPID := startOther(t, as(daemon), "unix", socket, "--port", "0", "--unixsocket", socket)
	ownPID := startOther(t, as(nobody), "tcp", "127.0.0.1:"+own, "--port", own, "--bind", "127.0.0.1")

	// The test's own executable lies where nobody may go.
	binary, err := os.ReadFile(os.Args[0])
	require.NoError(t, err)
	program := filepath.Join(dir, "test")
	require.NoError(t, child.WriteProgram(program, binary))
	file := filepath.Join(dir, "view")
	cmd := exec.Command(program, "-test.run=^TestNobodysView$")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), nobodysView+"="+file)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as(nobody)}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	list, document, _ := strings.Cut(string(text), "\n")

	rows := discovered(t, list)
	require.Equal(t, strconv.Itoa(ownPID), rowOf(rows, "tcp://127.0.0.1:"+own)["{#PID}"], "%v", rows)
	require.Equal(t, map[string]string{
		"{#URI}": "tcp://127.0.0.1:" + port, "{#TYPE}": "redis", "{#PORT}": port, "{#UID}": "1", "{#PID}": strconv.Itoa(pid), "{#SESSION}": "", "{#LABEL}": "web 1",
	}, rowOf(rows, "tcp://127.0.0.1:"+port), "by its title")
	unavailable := metrictest.Decode(t, document)["unavailable"].(map[string]any)
	require.Contains(t, unavailable["process "+strconv.Itoa(pid)], "other sockets cannot be seen: open /proc/"+strconv.Itoa(pid)+"/fd: permission denied")
	require.NotContains(t, unavailable, "process "+strconv.Itoa(ownPID))
	if rowOf(rows, "unix:"+socket) == nil { // it has a title in newer versions only
		require.Contains(t, unavailable["process "+strconv.Itoa(unixPID)], "its sockets cannot be seen")
	}
}
