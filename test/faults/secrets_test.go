//go:build e2e && linux

package faults

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/ports"
	"redisjobs/internal/redistest"

	"redisjobs/metrics"
	"redisjobs/metrics/item"
	"redisjobs/test/agent"
	"redisjobs/test/driver"
)

// mark is in every secret of these tests and nowhere else.
const mark = "mark3r"

// secret is a password for one place. It holds what printing and quoting may trip over.
func secret(place string) string { return mark + "-" + place + ` "q" %d \x` }

// leaks collects everything that came out of the plugin.
type leaks struct {
	mu   sync.Mutex
	seen int
	bad  []string
}

func (l *leaks) look(where, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen++
	if strings.Contains(strings.ToLower(text), mark) {
		l.bad = append(l.bad, where+": "+text[:min(len(text), 500)])
	}
}

func (l *leaks) none(t *testing.T, atLeast int) {
	t.Helper()
	require.Empty(t, l.bad)
	require.Greater(t, l.seen, atLeast, "texts that were looked at")
	t.Logf("%d texts", l.seen)
}

// ask asks a key and looks at the answer, whichever it is.
func (l *leaks) ask(p *driver.Plugin, key string, params ...string) (value string, err error) {
	value, err = p.Ask(1, key, params...).Answer()
	text := value
	if err != nil {
		text = err.Error()
	}
	l.look(fmt.Sprintf("%s%.100q", key, params), text)
	return value, err
}

// params are the parameters of a metric for a target.
func params(m *item.Metric, conn, password, user string) []string {
	var out []string
	for _, p := range m.Params {
		switch {
		case p.Kind == item.ParamConn:
			out = append(out, conn)
		case p.Kind == item.ParamPassword:
			out = append(out, password)
		case p.Kind == item.ParamUser:
			out = append(out, user)
		case p.Name == "Command":
			out = append(out, "EXISTS")
		case p.Name == "System" && p.Required:
			out = append(out, "sidekiq")
		case p.Required:
			out = append(out, "wordcount")
		default:
			out = append(out, "")
		}
	}
	return out
}

// echo is a server that sends back what it was sent, in one of the ways in which servers and what is no server do that.
func echo(t *testing.T, answer func(cmd []string) string) *redistest.Fake {
	t.Helper()
	return redistest.NewFake(t, redistest.Script{func(p *redistest.Peer) error {
		for {
			cmd, err := p.ReadCommand()
			if err != nil {
				return err
			}
			if _, err := io.WriteString(p, answer(cmd)); err != nil {
				return err
			}
		}
	}})
}

// secretWorld is servers and files with a secret in every place that can hold one. Files are as those of the session
// options that name them.
func secretWorld(t *testing.T) (s *redistest.Server, options, sessions []string) {
	t.Helper()
	s = redistest.Start(t, redistest.Config{
		Password: secret("requirepass"), TLS: true, UnixSocket: true,
		Users: []string{"reader on nopass ~* +@all", "pinger on nopass -@all +ping"},
	})
	s.Do(t, "CONFIG", "SET", "masterauth", secret("masterauth"))
	for _, user := range []string{"reader", "pinger"} {
		s.Do(t, "ACL", "SETUSER", user, "resetpass", ">"+secret(user))
	}
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	keyText, err := os.ReadFile(s.KeyFile)
	require.NoError(t, err)
	options = []string{"CustomCommands=1", "Default.Password=" + secret("default")}
	add := func(name string, lines ...string) {
		sessions = append(sessions, name)
		for _, line := range lines {
			options = append(options, "Sessions."+name+"."+line)
		}
	}
	tcp, tls := "Uri=tcp://"+s.Addr, "Uri=rediss://"+s.TLSAddr
	right, wrong := "Password="+secret("requirepass"), "Password="+secret("wrong")
	add("Right", tcp, right)
	add("Wrong", tcp, wrong)
	add("ByDefault", tcp)
	add("File", tcp, "PasswordFile="+file("password", secret("requirepass")+"\n"))
	add("WrongFile", tcp, "PasswordFile="+file("wrong-password", secret("file")))
	add("Reader", "Uri=unix:"+s.Socket, "User=reader", "Password="+secret("reader"))
	add("WrongReader", tcp, "User=reader", wrong)
	add("Nobody", tcp, "User=nobody", wrong)
	add("Pinger", tcp, "User=pinger", "Password="+secret("pinger"))
	add("Database", tcp+"/99", right)
	add("Tls", tls, right, "TLSCAFile="+s.CAFile, "TLSServerName=localhost", "TLSCertFile="+s.CertFile, "TLSKeyFile="+s.KeyFile)
	add("TlsUnknown", tls, right)
	add("TlsKey", tls, right, "TLSConnect=required", "TLSCertFile="+s.CertFile,
		"TLSKeyFile="+file("bad.key", strings.Replace(string(keyText), "\n", "\n"+mark, 1)))
	add("TlsNoKey", tls, right, "TLSConnect=required", "TLSCertFile="+s.CertFile, "TLSKeyFile="+file("no.key", secret("key")))
	add("Closed", "Uri=tcp://"+ports.FreeAddr(t), wrong)
	add("Mute", "Uri=tcp://"+redistest.NewFake(t, redistest.Script{}).Addr, wrong)
	for name, answer := range map[string]func(cmd []string) string{
		"EchoAsError": func(cmd []string) string {
			return "-ERR unknown command '" + cmd[0] + "', with args beginning with: '" + strings.Join(cmd[1:], "' '") + "'\r\n"
		},
		"EchoShort":  func(cmd []string) string { return "-ERR bad " + strings.Join(cmd, " ") + "\r\n" },
		"EchoStatus": func(cmd []string) string { return "+" + strings.Join(cmd, " ") + "\r\n" },
		"EchoRaw":    func(cmd []string) string { return strings.Join(cmd, "\r\n") + "\r\n" },
		"EchoHttp":   func(cmd []string) string { return "HTTP/1.1 400 " + strings.Join(cmd, " ") + "\r\n\r\n" },
		"EchoNumber": func(cmd []string) string { return ":" + cmd[len(cmd)-1] + "\r\n" },
		"EchoLength": func(cmd []string) string { return "$" + cmd[len(cmd)-1] + "\r\n" },
	} {
		add(name, "Uri=tcp://"+echo(t, answer).Addr, "Password="+secret(name))
	}
	return s, options, sessions
}

func TestNoSecretComesOut(t *testing.T) {
	t.Parallel()
	var l leaks
	s, options, sessions := secretWorld(t)
	p := driver.Launch(t, driver.Config{Options: options, Env: []string{"GOTRACEBACK=system"}})
	p.Configure(t, options...)

	for _, m := range metrics.All() {
		if m.Key == "redis.group.get" { // which takes sessions
			_, err := l.ask(p, m.Key, strings.Join(sessions, " "))
			require.NoError(t, err, m.Key)
			continue
		}
		if !m.TakesConn() {
			_, err := l.ask(p, m.Key)
			require.NoError(t, err, m.Key)
			continue
		}
		var group sync.WaitGroup
		for _, session := range sessions {
			group.Go(func() {
				_, _ = l.ask(p, m.Key, params(m, session, "", "")...)
				_, _ = l.ask(p, m.Key, params(m, session, secret("key"), "")...)
				_, _ = l.ask(p, m.Key, params(m, session, secret("key"), "reader")...)
			})
		}
		for _, conn := range []string{s.Addr, "tcp://user:" + mark + "@" + s.Addr, "redis://" + mark + "@:" + s.Addr,
			"redis://:" + mark + "@" + s.Addr, mark + "@" + s.Addr + "?a=" + mark, "rediss://x:" + mark + "@", "unix://" + mark + ":" + mark + "@/tmp/x"} {
			group.Go(func() {
				_, _ = l.ask(p, m.Key, params(m, conn, secret("requirepass"), "")...)
			})
		}
		group.Wait()
	}
	for _, session := range []string{"Right", "File", "Reader", "Tls"} {
		value, err := l.ask(p, "redis.server.config", session, "", "*")
		require.NoError(t, err, session)
		require.Contains(t, value, `"requirepass":"***"`)
		require.Contains(t, value, `"masterauth":"***"`)
		value, err = l.ask(p, "redis.server.config", session, "", "requirepass")
		require.NoError(t, err)
		require.Equal(t, "***", value)
		_, err = l.ask(p, "redis.command", session, "", "", "CONFIG|GET", "requirepass")
		require.Error(t, err)
		_, err = l.ask(p, "redis.command", session, "", "", "ACL|LIST")
		require.Error(t, err)
	}
	require.Equal(t, "1", p.Value(t, "redis.server.ping", s.Addr, secret("requirepass")), "the password of a key is used")

	require.NoError(t, p.Signal(syscall.SIGQUIT)) // of itself Go would print all goroutines' stacks and end
	require.Equal(t, "1", p.Value(t, "redis.server.ping", s.Addr, secret("requirepass")))
	require.Empty(t, p.Output())
	require.NoError(t, p.Signal(syscall.SIGABRT)) // which nobody sends to a service, and Go does
	_, ended := p.Wait(patience)
	require.True(t, ended)
	require.Contains(t, p.Output(), "goroutine")
	l.look("the dump", p.Output())
	for _, line := range p.Logs() {
		l.look("the log", line)
	}
	l.none(t, 500)
}

func TestNoSecretComesOutOfARefusedConfiguration(t *testing.T) {
	t.Parallel()
	var l leaks
	for _, lines := range [][]string{
		{"Sessions.X.Pasword=" + secret("option")},
		{"Sessions.X.Uri=tcp://user:" + mark + "@localhost"},
		{"Sessions.X.Uri=tcp://" + mark + ":x:y@localhost"},
		{"Sessions.X.Password=" + strings.Repeat(mark, 1000)},
		{"Sessions.X.PasswordFile=relative", "Sessions.X.Password=" + mark},
		{"Default.Password." + "Deeper=" + mark},
		{"Default.User=two words", "Default.Password=" + mark},
	} {
		p := start(t, lines...)
		_, err := l.ask(p, "redis.server.ping")
		require.ErrorContains(t, err, "the plugin is not configured", "%q", lines)
		for _, line := range p.Logs() {
			l.look("the log", line)
		}
	}
	l.none(t, 10)
}

func TestNoSecretComesOutOfACheckOnTheCommandLine(t *testing.T) {
	t.Parallel()
	var l leaks
	_, options, sessions := secretWorld(t)
	dir := t.TempDir()
	conf := func(name string, lines ...string) string {
		path := filepath.Join(dir, name)
		text := "Plugins.RedisJobs." + strings.Join(lines, "\nPlugins.RedisJobs.") + "\n"
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	run := func(args ...string) (output string, code int) {
		var out bytes.Buffer
		cmd := exec.Command(agent.Plugin(t), args...)
		cmd.Stdout, cmd.Stderr = &out, &out
		_ = cmd.Run()
		l.look(fmt.Sprint(args), out.String())
		return out.String(), cmd.ProcessState.ExitCode()
	}
	good := conf("good.conf", append(options, "Timeout=1")...)
	for _, session := range sessions {
		for _, key := range []string{"redis.get", "redis.server.config", "redis.server.info"} {
			run("-c", good, "-t", key+"["+session+"]")
		}
	}
	output, code := run("-c", good, "-t", "redis.server.config[Right,,requirepass]")
	require.Zero(t, code)
	require.Equal(t, "***\n", output)
	run("-c", good, "-acl")
	for i, line := range []string{"Sessions.X.Pasword=" + secret("option"), "Sessions.X.Uri=tcp://user:" + mark + "@localhost"} {
		output, code = run("-c", conf(fmt.Sprint(i), append(options, line)...), "-t", "redis.server.ping[Right]")
		require.Equal(t, 1, code, output)
	}
	l.none(t, 60)
}

func TestSecretsAreUnmaskedOnRequest(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Password: secret("requirepass")})
	p := start(t, "UnmaskSecrets=1", "Sessions.A.Uri=tcp://"+s.Addr, "Sessions.A.Password="+secret("requirepass"))
	require.Equal(t, secret("requirepass"), p.Value(t, "redis.server.config", "A", "", "requirepass"))
	require.Equal(t, "", p.Value(t, "redis.server.config", "A", "", "masterauth"), "that none is set is no secret")
}

func TestAFileThatEverybodyCanReadIsWarnedAbout(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Password: secret("requirepass")})
	file := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(file, []byte(secret("requirepass")), 0o600))
	options := []string{"Sessions.A.Uri=tcp://" + s.Addr, "Sessions.A.PasswordFile=" + file}
	p := start(t, options...)
	require.Equal(t, "1", p.Value(t, "redis.server.ping", "A"))
	require.False(t, p.Logged("every user"))
	require.NoError(t, os.Chmod(file, 0o644))
	p.Configure(t, options...)
	require.Equal(t, "1", p.Value(t, "redis.server.ping", "A"))
	require.True(t, p.Logged("Sessions.A.PasswordFile: every user of this machine can read "+file))
}

func TestSessionsOnlyKeepsItemsFromReachingOtherHosts(t *testing.T) {
	t.Parallel()
	s, other := redis(t, redistest.Config{Password: secret("default")}), redistest.NewFake(t, redistest.Script{answer(nil)})
	p := start(t, "SessionsOnly=1", "Default.Uri=tcp://"+s.Addr, "Default.Password="+secret("default"), "Sessions.A.Database=1")
	want(t, p, "", s, key(0))
	require.Equal(t, "1", p.Value(t, "redis.server.ping", "A"))
	for _, m := range metrics.All() {
		if !m.TakesConn() {
			continue
		}
		for _, conn := range []string{"tcp://" + other.Addr, other.Addr, "rediss://" + other.Addr, "localhost", "127.0.0.1", "unix:/tmp/x", "/tmp/x", s.Addr, "B"} {
			require.Contains(t, p.Refused(t, m.Key, params(m, conn, "", "")...), "SessionsOnly=1")
		}
		require.Contains(t, p.Refused(t, m.Key, params(m, "A", "password", "")...), "SessionsOnly=1")
		require.Contains(t, p.Refused(t, m.Key, params(m, "A", "", "user")...), "SessionsOnly=1")
	}
	require.Zero(t, other.Accepted())
}
