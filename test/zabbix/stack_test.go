//go:build zabbix && linux

// Package zabbix tests the templates and the plugin on whole Zabbix servers with their databases and frontends: import,
// discovery, values, and every trigger by a real fault.
package zabbix

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/child"
	"redisjobs/internal/ports"
)

// patience bounds every wait for something that must come on a busy machine.
const patience = 4 * time.Minute

// await asks until the answer is "", and fails with the last one. Neither a server nor its database announces what it
// has done.
func await(t testing.TB, what string, missing func() string) {
	t.Helper()
	awaitWithin(t, patience, what, missing)
}

func awaitWithin(t testing.TB, within time.Duration, what string, missing func() string) {
	t.Helper()
	began := time.Now()
	for {
		why := missing()
		if why == "" {
			return
		}
		waited := time.Since(began)
		if waited > within {
			require.Fail(t, "waited in vain for "+what, why)
		}
		// A hundred scenes that ask the frontend twice a second are what makes a machine busy.
		time.Sleep(min(max(waited/5, 500*time.Millisecond), 3*time.Second))
	}
}

// stack is a Zabbix server with a database and a frontend of its own, on loopback.
type stack struct {
	name   string // zabbix-7.0
	dir    string // unpacked packages
	work   string // configuration, logs and data of this run
	server string // host:port where agents send values
	web    string // http://host:port
	api    api

	serverLog, webLog string
	// query asks the database, whose answer has a line for each row.
	query func(t testing.TB, sql string) string
	// The processes that all others of the server and of the database come from.
	serverPID, databasePID int
}

// stacks are the servers that test/zabbix/fetch.sh has unpacked.
func stacks(t testing.TB) []*stack {
	t.Helper()
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	list := filepath.Join(cache, "redisjobs", "zabbix", "servers.txt")
	text, err := os.ReadFile(list)
	require.NoError(t, err, "no Zabbix servers, run `make test-zabbix`")
	var out []*stack
	for line := range strings.Lines(string(text)) {
		f := strings.SplitN(strings.TrimSpace(line), " ", 3)
		require.Len(t, f, 3, list)
		out = append(out, &stack{name: f[0], dir: f[2]})
	}
	require.Len(t, out, 2)
	return out
}

func (s *stack) newer() bool { return s.name != "zabbix-6.0" }

// start runs all parts and stops them when the test ends.
func (s *stack) start(t testing.TB) {
	t.Helper()
	work, err := os.MkdirTemp("", "rjz")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(work) })
	require.NoError(t, os.Chmod(work, 0o755)) // the database's user must get in
	s.work = work
	database := s.startDatabase(t)
	s.startServer(t, database)
	s.startFrontend(t, database)
	s.api.login(t, s)
}

// daemon is a process of the test.
type daemon struct {
	cmd  *exec.Cmd
	log  string
	done <-chan struct{}
}

// launch starts a process in a group of its own that ends with the test, by the given signal.
func launch(t testing.TB, log string, end syscall.Signal, cmd *exec.Cmd) *daemon {
	t.Helper()
	d := &daemon{cmd: cmd, log: log}
	file, err := os.Create(log)
	require.NoError(t, err)
	defer file.Close()
	cmd.Stdout, cmd.Stderr = file, file
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	d.done, err = child.Start(cmd, end)
	require.NoError(t, err)
	t.Cleanup(func() {
		syscall.Kill(cmd.Process.Pid, end)
		select {
		case <-d.done:
		case <-time.After(20 * time.Second):
		}
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // PHP's workers outlive their parent
		<-d.done
		if t.Failed() {
			text, _ := os.ReadFile(log)
			lines := strings.Split(string(text), "\n")
			t.Logf("%s:\n%s", log, strings.Join(lines[max(0, len(lines)-40):], "\n"))
		}
	})
	return d
}

func (d *daemon) alive() bool {
	select {
	case <-d.done:
		return false
	default:
		return true
	}
}

// startDatabase fills a new PostgreSQL with Zabbix' own schema and returns its port.
func (s *stack) startDatabase(t testing.TB) (port int) {
	t.Helper()
	bins, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	require.NoError(t, err)
	require.NotEmpty(t, bins, "PostgreSQL is missing, run `make test-zabbix`")
	bin := bins[len(bins)-1]
	data := filepath.Join(s.work, "db")
	require.NoError(t, os.Mkdir(data, 0o700))
	var attr *syscall.SysProcAttr
	if os.Geteuid() == 0 { // which PostgreSQL refuses to be
		u, err := user.Lookup("postgres")
		require.NoError(t, err)
		uid, gid := atoi(t, u.Uid), atoi(t, u.Gid)
		require.NoError(t, os.Chown(data, uid, gid))
		attr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
	command := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, name), args...)
		cmd.Dir = "/"
		if attr != nil {
			own := *attr
			cmd.SysProcAttr = &own
		}
		return cmd
	}
	seed := filepath.Join(filepath.Dir(s.dir), s.name+".postgresql"+filepath.Base(filepath.Dir(bin)))
	seeded := exec.Command("cp", "-a", seed+"/.", data).Run() == nil
	if !seeded {
		out, err := command("initdb", "-D", data, "-A", "trust", "-U", "zabbix", "-E", "UTF8", "--locale=C.UTF-8", "-N").CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	port = ports.Free(t)
	url := fmt.Sprintf("postgresql://zabbix@127.0.0.1:%d/", port)
	start := func() *daemon {
		d := launch(t, filepath.Join(s.work, "db.log"), syscall.SIGINT, command("postgres", "-D", data, "-p", strconv.Itoa(port), "-h", "127.0.0.1",
			"-k", "", "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"))
		await(t, "PostgreSQL", func() string {
			require.True(t, d.alive(), "PostgreSQL has ended")
			out, err := command("psql", "-qc", "select 1", url+"postgres").CombinedOutput()
			if err != nil {
				return string(out)
			}
			return ""
		})
		return d
	}
	d := start()
	if !seeded {
		s.fill(t, command, url)
		// The next run need not do so again.
		require.NoError(t, syscall.Kill(d.cmd.Process.Pid, syscall.SIGINT))
		<-d.done
		const keep = `cp -a "$1" "$2.new$$" && mv -T "$2.new$$" "$2" || rm -rf "$2.new$$"`
		if out, err := exec.Command("sh", "-c", keep, "", data, seed).CombinedOutput(); err != nil {
			t.Logf("%s", out)
		}
		d = start()
	}
	s.databasePID = d.cmd.Process.Pid
	s.query = func(t testing.TB, sql string) string {
		t.Helper()
		out, err := command("psql", "-Aqtc", sql, url+"zabbix").CombinedOutput()
		require.NoError(t, err, "%s", out)
		return strings.TrimSpace(string(out))
	}
	s.analyze(t)
	return port
}

// fill makes Zabbix' own schema and data, which takes most of the time that a stack needs to start.
func (s *stack) fill(t testing.TB, command func(name string, args ...string) *exec.Cmd, url string) {
	t.Helper()
	out, err := command("psql", "-qc", "create database zabbix", url+"postgres").CombinedOutput()
	require.NoError(t, err, "%s", out)
	load := command("psql", "-q", "-v", "ON_ERROR_STOP=1", url+"zabbix")
	var sql []io.Reader
	for _, name := range []string{"schema", "images", "data"} {
		file, err := os.Open(filepath.Join(s.dir, "usr/share/zabbix-server-pgsql", name+".sql.gz"))
		require.NoError(t, err)
		defer file.Close()
		text, err := gzip.NewReader(file)
		require.NoError(t, err)
		sql = append(sql, text)
	}
	load.Stdin = io.MultiReader(sql...)
	var said bytes.Buffer
	load.Stderr = &said
	require.NoError(t, load.Run(), said.String())
}

// analyze tells the database how large its tables are.
func (s *stack) analyze(t testing.TB) {
	t.Helper()
	s.query(t, "analyze")
}

func (s *stack) startServer(t testing.TB, database int) {
	t.Helper()
	port := ports.Free(t)
	s.server = fmt.Sprintf("127.0.0.1:%d", port)
	s.serverLog = filepath.Join(s.work, "server.log")
	conf := filepath.Join(s.work, "server.conf")
	lines := []string{
		fmt.Sprint("ListenPort=", port), "ListenIP=127.0.0.1", "LogType=console", "PidFile=" + filepath.Join(s.work, "server.pid"),
		"SocketDir=" + s.work, "DBHost=127.0.0.1", fmt.Sprint("DBPort=", database), "DBName=zabbix", "DBUser=zabbix", "AllowRoot=1",
		"StartPollers=6", "StartPreprocessors=1", "StartDiscoverers=1", "StartTrappers=3", "StartDBSyncers=2",
		"CacheSize=64M", "CacheUpdateFrequency=2", "Timeout=5", "FpingLocation=/usr/bin/fping",
	}
	require.NoError(t, os.WriteFile(conf, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	d := launch(t, s.serverLog, syscall.SIGTERM, exec.Command(filepath.Join(s.dir, "usr/sbin/zabbix_server"), "-c", conf, "-f"))
	s.serverPID = d.cmd.Process.Pid
	await(t, "the Zabbix server", func() string {
		text, err := os.ReadFile(s.serverLog)
		require.NoError(t, err)
		require.True(t, d.alive(), "the server has ended:\n%s", text)
		if !bytes.Contains(text, []byte("server #0 started [main process]")) {
			return "its log is " + string(text)
		}
		return ""
	})
}

func (s *stack) startFrontend(t testing.TB, database int) {
	t.Helper()
	www := filepath.Join(s.work, "www")
	out, err := exec.Command("cp", "-a", filepath.Join(s.dir, "usr/share/zabbix"), www).CombinedOutput()
	require.NoError(t, err, "%s", out)
	// Debian leads to the font by a link that is right only where the package is installed.
	font := filepath.Join(www, "assets/fonts/DejaVuSans.ttf")
	require.NoError(t, os.RemoveAll(font))
	require.NoError(t, os.Symlink("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", font))
	_, serverPort, err := net.SplitHostPort(s.server)
	require.NoError(t, err)
	conf := "<?php\n"
	for _, kv := range [][2]string{
		{"TYPE", "'POSTGRESQL'"}, {"SERVER", "'127.0.0.1'"}, {"PORT", fmt.Sprintf("'%d'", database)}, {"DATABASE", "'zabbix'"},
		{"USER", "'zabbix'"}, {"PASSWORD", "''"}, {"SCHEMA", "''"}, {"ENCRYPTION", "false"}, {"KEY_FILE", "''"}, {"CERT_FILE", "''"},
		{"CA_FILE", "''"}, {"VERIFY_HOST", "false"}, {"CIPHER_LIST", "''"}, {"VAULT", "''"}, {"VAULT_URL", "''"},
		{"VAULT_DB_PATH", "''"}, {"VAULT_TOKEN", "''"}, {"DOUBLE_IEEE754", "true"},
	} {
		conf += fmt.Sprintf("$DB['%s'] = %s;\n", kv[0], kv[1])
	}
	conf += fmt.Sprintf("$ZBX_SERVER = '127.0.0.1';\n$ZBX_SERVER_PORT = '%s';\n$ZBX_SERVER_NAME = 'RedisJobs';\n", serverPort)
	conf += "$IMAGE_FORMAT_DEFAULT = IMAGE_FORMAT_PNG;\n"
	require.NoError(t, os.WriteFile(filepath.Join(www, "conf/zabbix.conf.php"), []byte(conf), 0o600))
	// Every page complains of a machine that does not have the language of its user.
	locales := filepath.Join(s.work, "locales")
	require.NoError(t, os.Mkdir(locales, 0o755))
	for _, language := range []string{"en_US.utf8", "en_GB.utf8"} {
		require.NoError(t, os.Symlink("/usr/lib/locale/C.utf8", filepath.Join(locales, language)))
	}
	addr := fmt.Sprintf("127.0.0.1:%d", ports.Free(t))
	s.web = "http://" + addr
	s.webLog = filepath.Join(s.work, "php.log")
	cmd := exec.Command("php", "-d", "max_execution_time=300", "-d", "memory_limit=128M", "-d", "post_max_size=16M",
		"-d", "max_input_time=300", "-d", "date.timezone=UTC", "-S", addr, "-t", www)
	cmd.Env = append(os.Environ(), "LOCPATH="+locales, "PHP_CLI_SERVER_WORKERS=4")
	d := launch(t, s.webLog, syscall.SIGTERM, cmd)
	await(t, "the frontend", func() string {
		require.True(t, d.alive(), "PHP has ended")
		answer, err := http.Get(s.web + "/index.php")
		if err != nil {
			return err.Error()
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return answer.Status
		}
		return ""
	})
}

func atoi(t testing.TB, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	require.NoError(t, err)
	return n
}
