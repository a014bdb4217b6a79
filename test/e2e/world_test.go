//go:build e2e && linux

package e2e

import (
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/ports"
	"redisjobs/internal/redistest"
	"redisjobs/test/agent"
)

// Passwords that must not be seen anywhere.
const (
	secretDefault = "s3cret-default-q7"
	secretReader  = "s3cret-reader-w8"
	secretPinger  = "s3cret-pinger-e9"
	secretWrong   = "s3cret-wrong-r0"
	secretToken   = "s3cret-token-t1"
)

// Passwords that stand in item keys, where the agent itself shows them in its
// log when it is asked for details.
const (
	secretInKey = "s3cret-key-t1"
	wrongInKey  = "s3cret-wrong-key-y2"
	secretInURI = "s3cret-uri-u3"
)

// world is the servers that the sessions of an agent lead to.
type world struct {
	plain   *redistest.Server // without a password
	secured *redistest.Server // password, ACL users, unix socket, TLS
	loading *redistest.Server
	closed  string // host:port that nobody listens on
	cut     *redistest.Fake
	http    *redistest.Fake
	stalled *redistest.Fake
	ui      *httptest.Server

	sessions []string // lines of options, most of them sessions
	names    []string // the sessions' names, sorted
	slowlog  map[*redistest.Server]string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		plain: redistest.Start(t, redistest.Config{}),
		secured: redistest.Start(t, redistest.Config{
			Password: secretDefault, UnixSocket: true, TLS: true,
			Users: []string{
				// The rights that are documented, and those for the one custom
				// command that is tested.
				"reader " + documentedRights(t, secretReader) + " +command|info +scard",
				"pinger on >" + secretPinger + " -@all +ping",
			},
		}),
		closed:  ports.FreeAddr(t),
		slowlog: map[*redistest.Server]string{},
	}
	for _, s := range []*redistest.Server{w.plain, w.secured} {
		fill(t, s)
		w.slowlog[s] = slowCommands(t, s)
	}
	for _, user := range []string{"default", "reader"} {
		w.secured.Do(t, "ACL", "SETUSER", user, ">"+secretInKey)
	}
	w.loading = loadingServer(t)
	// The login and the command come in one write; the name is accepted, the
	// answer is cut or none.
	w.cut = redistest.NewFake(t, redistest.Script{redistest.Expect(2), redistest.Write("+OK\r\n$100\r\n# Server\r\n"), redistest.Close()})
	w.http = redistest.NewFake(t, redistest.Script{redistest.Expect(1),
		redistest.Write("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), redistest.Close()})
	w.ui = recordedUI(t)
	w.stalled = redistest.NewFake(t, redistest.Script{})
	w.configure(t)
	return w
}

// documentedRights is the ACL of the user that the shipped configuration
// recommends.
func documentedRights(t *testing.T, password string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(agent.Root(t), "packaging", "redisjobs.conf"))
	require.NoError(t, err)
	line := regexp.MustCompile(`ACL SETUSER zabbix (on >)PASSWORD( .*)`).FindSubmatch(text)
	require.NotNil(t, line)
	return string(line[1]) + password + string(line[2])
}

// fill writes the same jobs into databases 0 and 3, and one more into 3.
func fill(t *testing.T, s *redistest.Server) {
	t.Helper()
	now := time.Now().Unix()
	for _, db := range []string{"3", "0"} {
		s.Do(t, "SELECT", db)
		s.Do(t, "SET", "a", "1")
		s.Do(t, "SADD", "queues", "default")
		s.Do(t, "LPUSH", "queue:default", `{"class":"OkJob","args":[1],"jid":"8be5ba93d1c33a404cba26a2","enqueued_at":`+unix(now-60)+`.5}`)
		for job, record := range map[string][]string{
			// No test runs for an hour, so that what is fresh now stays it.
			"wordcount": {"status", "ACTIVE", "type", "topology", "updated_at", unix(now), "interval", "3600", "processed", "184220"},
			"export":    {"status", "FAILED", "type", "batch", "updated_at", unix(now - 600), "message", "disk full"},
			"clicks":    {"status", "ACTIVE", "type", "topology", "updated_at", unix(now - 3600), "interval", "30"},
		} {
			s.Do(t, "SADD", "storm:jobs", job)
			s.Do(t, append([]string{"HSET", "storm:job:" + job}, record...)...)
		}
		if db == "3" {
			s.Do(t, "SADD", "storm:jobs", "only-in-three")
			s.Do(t, "HSET", "storm:job:only-in-three", "status", "SUCCESS", "updated_at", unix(now))
		}
	}
}

func unix(seconds int64) string { return strconv.FormatInt(seconds, 10) }

// slowCommands puts entries into the slow log, lets none follow, and returns
// how many there were since the start.
func slowCommands(t *testing.T, s *redistest.Server) string {
	t.Helper()
	s.Do(t, "CONFIG", "SET", "slowlog-log-slower-than", "0")
	for range 5 {
		s.Do(t, "PING")
	}
	s.Do(t, "CONFIG", "SET", "slowlog-log-slower-than", "-1")
	id, _, _ := strings.Cut(s.Do(t, "SLOWLOG", "GET", "1"), "\n")
	n, err := strconv.Atoi(id)
	require.NoError(t, err)
	require.GreaterOrEqual(t, n, 5)
	return strconv.Itoa(n + 1)
}

// loadingServer is a replica that reads its master's data set, and will for
// minutes.
func loadingServer(t *testing.T) *redistest.Server {
	t.Helper()
	master := redistest.Start(t, redistest.Config{Args: []string{"--repl-diskless-sync", "no"}})
	master.Do(t, "EVAL", "for i = 1, 40000 do redis.call('SET', 'key' .. i, string.rep('x', 1000) .. i) end", "0")
	s := redistest.Start(t, redistest.Config{Args: []string{
		// Microseconds for each key; clients are served after each kilobyte.
		"--key-load-delay", "5000", "--loading-process-events-interval-bytes", "1024", "--rdbcompression", "no",
	}})
	host, port, err := net.SplitHostPort(master.Addr)
	require.NoError(t, err)
	s.Do(t, "REPLICAOF", host, port)
	await(t, 20*time.Second, "the replica loads", func() bool {
		_, err := s.TryDo("PING")
		return err != nil && strings.HasPrefix(err.Error(), "LOADING")
	})
	return s
}

// configure writes the sessions.
func (w *world) configure(t *testing.T) {
	t.Helper()
	otherCA := redistest.NewCA(t)
	passwordFile := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(passwordFile, []byte(secretReader+"\n"), 0o600))
	_, tlsPort, err := net.SplitHostPort(w.secured.TLSAddr)
	require.NoError(t, err)
	session := func(name string, options ...string) {
		w.names = append(w.names, name)
		for _, o := range options {
			w.sessions = append(w.sessions, "Sessions."+name+"."+o)
		}
	}
	w.sessions = []string{"CustomCommands=1", "Default.Uri=tcp://" + w.plain.Addr}

	// Not one of those that are discovered.
	w.sessions = append(w.sessions, "Sessions.UI.Uri="+w.ui.URL, "Sessions.UI.Token="+secretToken)

	session("ByFile", "Uri="+w.secured.Addr, "User=reader", "PasswordFile="+passwordFile)
	session("Closed", "Uri=tcp://"+w.closed)
	session("Cut", "Uri=tcp://"+w.cut.Addr)
	session("Http", "Uri=tcp://"+w.http.Addr)
	session("Loading", "Uri=tcp://"+w.loading.Addr)
	session("NoCA", "Uri="+w.secured.Addr, "TLSConnect=verify_ca", "TLSCAFile=/nonexistent/ca")
	session("NoCALine", "Uri="+w.secured.Addr, "TLSConnect=verify_ca") // the line of an unset variable
	session("NoFile", "Uri="+w.secured.Addr, "User=reader", "PasswordFile=/nonexistent/password")
	session("NoKey", "Uri="+w.secured.Addr, "TLSConnect=required", "TLSCertFile=/etc/hostname", "TLSKeyFile=/nonexistent/key")
	session("Nowhere", "Uri=tcp://redis.invalid:6379")
	session("Pinger", "Uri=tcp://"+w.secured.Addr, "User=pinger", "Password="+secretPinger)
	session("Plain", "Uri=tcp://"+w.plain.Addr)
	session("Reader", "Uri=tcp://"+w.secured.Addr, "User=reader", "Password="+secretReader)
	session("Secret", "Uri=tcp://"+w.secured.Addr, "Password="+secretDefault)
	session("Socket", "Uri=unix://"+w.secured.Socket, "Password="+secretDefault)
	session("Stalled", "Uri=tcp://"+w.stalled.Addr)
	session("ThreeInUri", "Uri=tcp://"+w.plain.Addr+"/3")
	session("ThreeOption", "Uri=tcp://"+w.secured.Addr, "Password="+secretDefault, "Database=3")
	session("TlsCa", "Uri=tcp://"+w.secured.TLSAddr, "Password="+secretDefault,
		"TLSConnect=verify_ca", "TLSCAFile="+w.secured.CAFile)
	session("TlsClient", "Uri=rediss://localhost:"+tlsPort, "Password="+secretDefault,
		"TLSCAFile="+w.secured.CAFile, "TLSCertFile="+w.secured.CertFile, "TLSKeyFile="+w.secured.KeyFile)
	session("TlsFull", "Uri=tcp://localhost:"+tlsPort, "Password="+secretDefault,
		"TLSConnect=verify_full", "TLSCAFile="+w.secured.CAFile)
	session("TlsName", "Uri=tcp://"+w.secured.TLSAddr, "Password="+secretDefault,
		"TLSConnect=verify_full", "TLSCAFile="+w.secured.CAFile, "TLSServerName=redis.example.com")
	session("TlsOther", "Uri=tcp://"+w.secured.TLSAddr, "Password="+secretDefault,
		"TLSConnect=verify_ca", "TLSCAFile="+otherCA.File)
	session("Wrong", "Uri=tcp://"+w.secured.Addr, "Password="+secretWrong)
}
