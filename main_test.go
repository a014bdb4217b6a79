package main

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdkplugin "golang.zabbix.com/sdk/plugin"
	"golang.zabbix.com/sdk/plugin/comms"

	"redisjobs/internal/redistest"
)

// asProgram makes the test binary behave as the program itself.
const asProgram = "REDISJOBS_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) == "1" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// process is the program, started as an agent starts it.
type process struct {
	*exec.Cmd
	conn           net.Conn
	stdout, stderr bytes.Buffer
}

func start(t *testing.T, registering string) *process {
	t.Helper()
	dir, err := os.MkdirTemp("", "rj") // short: a socket's path has 107 bytes
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	require.NoError(t, err)
	defer l.Close()

	p := &process{Cmd: exec.Command(os.Args[0], socket, registering)}
	p.Env = append(os.Environ(), asProgram+"=1")
	p.Stdout, p.Stderr = &p.stdout, &p.stderr
	require.NoError(t, p.Start())
	t.Cleanup(func() { _ = p.Process.Kill() })
	require.NoError(t, l.(*net.UnixListener).SetDeadline(time.Now().Add(time.Minute)))
	p.conn, err = l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.conn.Close() })
	require.NoError(t, p.conn.SetDeadline(time.Now().Add(time.Minute)))
	return p
}

func (p *process) export(t *testing.T, key string, params ...string) comms.ExportResponse {
	t.Helper()
	require.NoError(t, comms.Write(p.conn, comms.ExportRequest{
		Common: comms.Common{Id: 7, Type: comms.ExportRequestType}, Key: key, Params: params, Timeout: 3,
	}))
	for {
		c, body, err := comms.Read(p.conn)
		require.NoError(t, err)
		if c.Type == comms.ExportResponseType {
			var r comms.ExportResponse
			require.NoError(t, json.Unmarshal(body, &r))
			return r
		}
	}
}

func (p *process) configure(t *testing.T) {
	t.Helper()
	require.NoError(t, comms.Write(p.conn, comms.ConfigureRequest{
		Common:        comms.Common{Id: 1, Type: comms.ConfigureRequestType},
		GlobalOptions: &sdkplugin.GlobalOptions{Timeout: 3},
	}))
}

// wait returns the exit code and asserts rule 8: not a byte on stdout and
// stderr, which an agent 7 would keep in memory for ever.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	timer := time.AfterFunc(time.Minute, func() { _ = p.Process.Kill() })
	defer timer.Stop()
	_ = p.Wait()
	require.Empty(t, p.stdout.String())
	require.Empty(t, p.stderr.String())
	return p.ProcessState.ExitCode()
}

func TestRule02SignalsDoNotEndAServingProcess(t *testing.T) {
	t.Parallel()
	p := start(t, "false")
	p.configure(t)
	for _, sig := range ignored {
		require.NoError(t, p.Process.Signal(sig))
		require.Empty(t, p.export(t, "redis.pool.get").Error)
	}
	require.NoError(t, comms.Write(p.conn, comms.TerminateRequest{Common: comms.Common{Type: comms.TerminateRequestType}}))
	require.Equal(t, 0, p.wait(t))
}

func TestRule02TheProcessEndsWithTheAgentsSocket(t *testing.T) {
	t.Parallel()
	p := start(t, "false")
	p.configure(t)
	require.NoError(t, p.conn.Close())
	require.Equal(t, 0, p.wait(t))
}

func TestRule03ARegistrationThatIsNotGoneOnWithEndsTheProcess(t *testing.T) {
	t.Parallel()
	p := start(t, "true")
	began := time.Now()
	require.Equal(t, 1, p.wait(t))
	require.Less(t, time.Since(began), 30*time.Second)
}

func TestRule08NothingIsPrintedWhileServing(t *testing.T) {
	t.Parallel()
	p := start(t, "false")
	p.configure(t)
	require.NotEmpty(t, p.export(t, "redis.server.info", "tcp://127.0.0.1:1").Error)
	require.Equal(t, "0", p.export(t, "redis.server.ping", "tcp://127.0.0.1:1").Value)
	require.NotEmpty(t, p.export(t, "nosuch").Error)
	_, err := p.conn.Write([]byte("\x01\x00\x00\x00\x03\x00\x00\x00{{{"))
	require.NoError(t, err)
	require.Empty(t, p.export(t, "redis.sessions.discovery").Error)
	require.NoError(t, p.conn.Close())
	require.Equal(t, 0, p.wait(t))
}

func TestTheProcessEndsWithoutAnAgent(t *testing.T) {
	t.Parallel()
	c := exec.Command(os.Args[0], filepath.Join(t.TempDir(), "nosuch"), "true")
	c.Env = append(os.Environ(), asProgram+"=1")
	out, err := c.CombinedOutput()
	require.Error(t, err)
	require.Equal(t, 1, c.ProcessState.ExitCode())
	require.Empty(t, string(out))
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args           []string
		code           int
		stdout, stderr string
	}{
		"no arguments print the help":        {nil, 0, "Usage:", ""},
		"-h":                                 {[]string{"-h"}, 0, "Usage:", ""},
		"--help":                             {[]string{"--help"}, 0, "--version", ""},
		"-V":                                 {[]string{"-V"}, 0, "Zabbix RedisJobs plugin\nVersion 0.0.0-dev, built with go", ""},
		"--version":                          {[]string{"--version"}, 0, "Protocol version 6.4.0", ""},
		"-acl":                               {[]string{"-acl"}, 0, "ACL SETUSER zabbix on >PASSWORD resetkeys resetchannels %R~storm:job:*", ""},
		"-acl for purposes, flags behind":    {[]string{"-acl", "server", "jobs", "sidekiq", "--config", ""}, 0, "resetchannels %R~*:[0-9]*:[0-9a-f]", ""},
		"-acl for what there is not":         {[]string{"-acl", "servers"}, 1, "", `unknown purpose "servers"; did you mean server?; there are: server; storm; jobs [SYSTEM ...]; keys PATTERN ...`},
		"an unknown flag":                    {[]string{"-x"}, 2, "", "-x"},
		"a stray argument":                   {[]string{"-V", "stray"}, 2, "", `unexpected argument "stray"`},
		"-c alone":                           {[]string{"-c", "x"}, 2, "", "-c is of use only with -t and -acl"},
		"-t with no key":                     {[]string{"-t", "redis.nosuch"}, 1, "", `unknown item key "redis.nosuch"`},
		"-t with a misspelled key":           {[]string{"-t", "redis.gte[x]"}, 1, "", `unknown item key "redis.gte"; did you mean redis.get?`},
		"a misspelled command":               {[]string{"doctr"}, 2, "", `unexpected argument "doctr"; did you mean doctor?`},
		"a misspelled purpose":               {[]string{"-acl", "job"}, 1, "", `unknown purpose "job"; did you mean jobs?`},
		"a misspelled system":                {[]string{"-acl", "jobs", "sidekik"}, 1, "", `no job system is called "sidekik"; did you mean sidekiq?`},
		"-t with an alias":                   {[]string{"-t", "redis.info[x]"}, 1, "", "ask for redis.server.info"},
		"-t with half a key":                 {[]string{"-t", "redis.server.info[x"}, 1, "", "closing bracket is missing"},
		"-t with a file that is absent":      {[]string{"-t", "redis.pool.get", "-c", "/nosuch/file"}, 1, "", "/nosuch/file"},
		"-t on a closed port":                {[]string{"-t", "redis.server.info[tcp://127.0.0.1:1]"}, 1, "", "tcp://127.0.0.1:1"},
		"record -h":                          {[]string{"record", "-h"}, 0, "record <job> --status <word>", ""},
		"record without a status":            {[]string{"record", "j"}, 2, "", "--status is missing"},
		"doctor -h":                          {[]string{"doctor", "-h"}, 0, "doctor [-c <file>]", ""},
		"doctor with a file that is absent":  {[]string{"doctor", "-c", "/nosuch/file"}, 1, "/nosuch/file", ""},
		"migrate -h":                         {[]string{"migrate", "-h"}, 0, "migrate [-c <file>]", ""},
		"migrate with a file that is absent": {[]string{"migrate", "-c", "/nosuch/file"}, 1, "/nosuch/file does not exist", ""},
		"-version":                           {[]string{"-version"}, 0, "Version 0.0.0-dev", ""},
		"-h names the subcommands":           {[]string{"-h"}, 0, "record <job> ...", ""},
		"ping on a closed port is 0":         {[]string{"-t", "redis.server.ping[tcp://127.0.0.1:1]"}, 0, "0\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			require.Equal(t, c.code, run(c.args, &stdout, &stderr))
			require.Contains(t, stdout.String(), c.stdout)
			require.Contains(t, stderr.String(), c.stderr)
			if c.stdout == "" {
				require.Empty(t, stdout.String())
				require.Less(t, strings.Count(stderr.String(), "\n"), 3, "the help is for those who ask for it")
			}
			if c.stderr == "" {
				require.Empty(t, stderr.String())
			}
		})
	}
}

func TestOneCheckWithAConfigurationFile(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Config{Password: "s3cret-marker"})
	file := filepath.Join(t.TempDir(), "agent.conf")
	require.NoError(t, os.WriteFile(file, []byte("LogType=console\n"+
		"Plugins.RedisJobs.Sessions.Prod.Uri=tcp://"+server.Addr+"\n"+
		"Plugins.RedisJobs.Sessions.Prod.Password=s3cret-marker\n"+
		"Plugins.RedisJobs.Sessions.Wrong.Uri=tcp://"+server.Addr+"\n"), 0o600))

	var stdout, stderr bytes.Buffer
	require.Equal(t, 0, run([]string{"-t", "redis.server.ping[Prod]", "-c", file}, &stdout, &stderr), "%s", &stderr)
	require.Equal(t, "1\n", stdout.String())

	stdout.Reset()
	require.Equal(t, 1, run([]string{"-t", `redis.server.info["Wrong"]`, "-c", file}, &stdout, &stderr))
	require.Contains(t, stderr.String(), "NOAUTH")
	require.Contains(t, stderr.String(), "Wrong (tcp://"+server.Addr)
	require.NotContains(t, stderr.String(), "s3cret-marker")
}
