package server

import (
	"context"
	"crypto/tls"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

func TestStatusOfARealServer(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	target, d := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
	got, err := metrictest.CollectFrom(t, Status, target)
	require.NoError(t, err)
	require.Equal(t, 1, d.Calls)
	doc := metrictest.Decode(t, got)
	times := metrictest.Section(t, doc, "time")
	require.Positive(t, times["round_trip"])
	require.Less(t, times["round_trip"], 5.0)
	require.Positive(t, times["connect"])
	require.NotContains(t, times, "tls")
	delete(doc, "time")
	require.Contains(t, doc["version"], ".")
	delete(doc, "version")
	require.Equal(t, map[string]any{
		"schema_version": 1.0, "up": 1.0, "reason": "", "error": "", "target": "tcp://" + s.Addr, "address": s.Addr,
		"role": "master", "flavour": "redis", "mode": "standalone", "loading": 0.0,
		"unavailable": map[string]any{},
	}, doc)
}

func TestStatusKnowsTheCertificate(t *testing.T) {
	t.Parallel()
	ends := time.Now().Add(36 * time.Hour).Truncate(time.Second)
	s := redistest.Start(t, redistest.Config{TLS: true, CertNotAfter: ends})
	target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.TLSAddr, TLS: s.ClientTLS()})
	got, err := metrictest.CollectFrom(t, Status, target)
	require.NoError(t, err)
	doc := metrictest.Decode(t, got)
	tls := metrictest.Section(t, doc, "tls")
	require.EqualValues(t, ends.Unix(), tls["cert_not_after"])
	require.InDelta(t, 1.5, tls["cert_days_left"], 0.01)
	require.Positive(t, metrictest.Section(t, doc, "time")["tls"])
}

func TestStatusMeansThatCommandsAreServed(t *testing.T) {
	t.Parallel()
	server := "# Server\r\nredis_version:7.2.4\r\nredis_mode:standalone\r\n"
	for _, tt := range []struct {
		name, ping, info string
		up               float64
		reason           string
	}{
		{"PONG", "+PONG\r\n", metrictest.Bulk(server), 1, ""},
		{"loading", "-LOADING Redis is loading the dataset in memory\r\n", metrictest.Bulk(server), 0, "loading"},
		{"a replica without its master", "-MASTERDOWN Link with MASTER is down\r\n", metrictest.Bulk(server), 0, "masterdown"},
		{"a script runs", "-BUSY Redis is busy running a script\r\n", "-BUSY Redis is busy running a script\r\n", 0, "busy"},
		{"not logged in", "-NOAUTH Authentication required.\r\n", "-NOAUTH Authentication required.\r\n", 0, "auth"},
		{"PING is not permitted, INFO is", "-NOPERM no PING\r\n", metrictest.Bulk(server), 1, ""},
		{"nothing is permitted", "-NOPERM no PING\r\n", "-NOPERM no INFO\r\n", 0, "acl"},
		{"INFO is not permitted", "+PONG\r\n", "-NOPERM no INFO\r\n", 1, ""},
		{"a save failed", "-MISCONF Redis is configured to save RDB snapshots\r\n", metrictest.Bulk(server), 1, ""},
		{"a save failed, INFO is not permitted", "-MISCONF Errors writing to the AOF file\r\n", "-NOPERM no INFO\r\n", 1, ""},
		{"a code that nobody knows yet", "-NEWCODE PING\r\n", metrictest.Bulk(server), 1, ""},
		{"a proxy without its server", "-ERR Connection refused\r\n", metrictest.Bulk(server), 0, "command"},
		{"a stranger", "+HELLO\r\n", "-ERR what\r\n", 0, "protocol"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := &metrictest.ScriptDoer{Replies: map[string]string{"PING": tt.ping, "INFO server": tt.info}}
			got, err := metrictest.Collect(t, Status, d)
			require.NoError(t, err)
			doc := metrictest.Decode(t, got)
			require.Equal(t, tt.up, doc["up"])
			require.Equal(t, tt.reason, doc["reason"])
			require.Equal(t, tt.up == 0, doc["error"] != "")
			require.Equal(t, tt.info[0] == '$', doc["flavour"] != nil, "what the server says of itself is told anyway")
			require.Contains(t, metrictest.Section(t, doc, "time"), "round_trip")
			require.Equal(t, 1, d.Calls)

			d.Replies["INFO everything"] = tt.info
			got, err = metrictest.Collect(t, Get, d)
			require.NoError(t, err)
			doc = metrictest.Decode(t, got)
			require.Equal(t, tt.up, doc["up"], "redis.get")
			if tt.name != "a stranger" { // which refuses INFO as well
				require.Equal(t, tt.reason, doc["reason"], "redis.get")
			}
		})
	}
	d := &metrictest.ScriptDoer{Replies: map[string]string{"PING": "-NOPERM no PING\r\n", "INFO server": metrictest.Bulk(server)}}
	target := metrictest.NewTarget(d)
	for range 3 {
		got, err := metrictest.CollectFrom(t, Status, target)
		require.NoError(t, err)
		require.Equal(t, "NOPERM no PING", metrictest.Section(t, metrictest.Decode(t, got), "unavailable")["ping"])
	}
	pings := slices.DeleteFunc(d.Sent, func(c redisclient.Command) bool { return c[0] != "PING" })
	require.Len(t, pings, 1, "a refused command is asked again rarely")
	got, err := metrictest.Collect(t, Status, &metrictest.ScriptDoer{Err: &redisclient.Error{Op: "dial", Reason: redisclient.ReasonDNS, Err: errors.New("no such host")}})
	require.NoError(t, err)
	require.Equal(t, `{"schema_version":1,"up":0,"reason":"dns","error":"Cannot query tcp://127.0.0.1:6379: connect: no such host",`+
		`"target":"tcp://127.0.0.1:6379"}`, got)
}

// TestAServerThatCannotSaveIsUp: it serves reads, and answers PING with MISCONF.
func TestAServerThatCannotSaveIsUp(t *testing.T) {
	t.Parallel()
	for _, f := range redistest.Flavours(t) {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			f.Need(t)
			s := redistest.Start(t, redistest.Config{Bin: f.Bin})
			s.Do(t, "CONFIG", "SET", "save", "3600 1")
			dir := strings.TrimPrefix(s.Do(t, "CONFIG", "GET", "dir"), "dir\n")
			require.NoError(t, os.RemoveAll(dir)) // nothing can be saved
			require.Eventually(t, func() bool {
				s.TryDo("BGSAVE") // one may be under way
				_, err := s.TryDo("PING")
				return err != nil && strings.HasPrefix(err.Error(), "MISCONF")
			}, 20*time.Second, 50*time.Millisecond)
			target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
			for _, m := range []*item.Metric{Get, Status} {
				doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, m, target)))
				require.Equal(t, []any{1.0, "", ""}, []any{doc["up"], doc["reason"], doc["error"]}, m.Key)
				require.Contains(t, metrictest.Section(t, doc, "unavailable")["ping"], "MISCONF", m.Key)
			}
			s.Kill(t)
		})
	}
}

// dialingDoer connects for each conversation.
type dialingDoer struct{ cfg redisclient.Config }

func (d dialingDoer) DoAll(ctx context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	conn, err := redisclient.Dial(ctx, d.cfg)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.DoAll(ctx, cmds...)
}

// TestStatusSaysWhyARealServerDoesNotServe has each reason that a server on this
// machine can give, and those that only others can in its very words.
func TestStatusSaysWhyARealServerDoesNotServe(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{TLS: true, Users: []string{"nobody on nopass ~* -@all"}})
	guarded := redistest.Start(t, redistest.Config{Password: "pw"})
	full := redistest.Start(t, redistest.Config{Args: []string{"--maxclients", "1"}})
	metrictest.DialWire(t, full.Addr) // takes the one place
	orphan := redistest.Start(t, redistest.Config{Args: []string{"--replicaof", "127.0.0.1", "1", "--replica-serve-stale-data", "no"}})
	mute := redistest.Borrow(t)
	mute.Pause(t)
	gone := redistest.Borrow(t)
	gone.Kill(t)
	says := func(text string) string {
		return redistest.NewFake(t, redistest.Script{redistest.Write(text), redistest.Close()}).Addr
	}
	answers := func(text string) string {
		return redistest.NewFake(t, redistest.Script{redistest.Expect(4), redistest.Write(text), redistest.Close()}).Addr
	}
	loading := "-LOADING Redis is loading the dataset in memory\r\n"
	for _, tt := range []struct {
		name   string
		cfg    redisclient.Config
		reason redisclient.Reason
		error  string
	}{
		{"no such name", redisclient.Config{Address: "no-such-host.invalid:6379"}, redisclient.ReasonDNS, "no-such-host.invalid"},
		{"nobody listens", redisclient.Config{Address: gone.Addr}, redisclient.ReasonTCP, "connection refused"},
		{"a stranger's certificate", redisclient.Config{Address: s.TLSAddr, TLS: &tls.Config{ServerName: "localhost"}},
			redisclient.ReasonTLS, "unknown authority"},
		{"no password", redisclient.Config{Address: guarded.Addr}, redisclient.ReasonAuth, "NOAUTH"},
		{"a wrong password", redisclient.Config{Address: guarded.Addr, Password: "wrong"}, redisclient.ReasonAuth, "WRONGPASS"},
		{"no rights", redisclient.Config{Address: s.Addr, User: "nobody", Password: "x"}, redisclient.ReasonACL, "NOPERM"},
		{"no such database", redisclient.Config{Address: s.Addr, Database: 99}, redisclient.ReasonDatabase, "out of range"},
		{"no place", redisclient.Config{Address: full.Addr}, redisclient.ReasonMaxClients, "max number of clients"},
		{"a replica without its master", redisclient.Config{Address: orphan.Addr}, redisclient.ReasonMasterDown, "MASTERDOWN"},
		{"no answer", redisclient.Config{Address: mute.Addr}, redisclient.ReasonTimeout, "no answer to the first command in time (timeout)"},
		{"protected mode", redisclient.Config{Address: says("-DENIED Redis is running in protected mode\r\n")}, redisclient.ReasonProtected, "DENIED"},
		{"no Redis", redisclient.Config{Address: says("SSH-2.0-OpenSSH_9.2\r\n")}, redisclient.ReasonProtocol, ""},
		{"loading", redisclient.Config{Address: answers(loading + loading + loading + loading)}, redisclient.ReasonLoading, "LOADING"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			target := metrictest.NewTarget(dialingDoer{tt.cfg})
			text, err := Status.Answer(ctx, &item.Request{Target: target, Env: &item.Env{}})
			require.NoError(t, err)
			doc := metrictest.Decode(t, text)
			require.InDelta(t, 0, doc["up"], 0)
			require.Equal(t, string(tt.reason), doc["reason"], text)
			require.Contains(t, doc["error"], tt.error)
		})
	}
}

// shutDoer is a target that the context ended for.
type shutDoer struct{}

func (shutDoer) DoAll(context.Context, ...redisclient.Command) ([]resp.Value, error) {
	return nil, context.DeadlineExceeded
}

func TestStatusOfATargetThatDoesNotAnswerIsATimeout(t *testing.T) {
	t.Parallel()
	got, err := metrictest.Collect(t, Status, shutDoer{})
	require.NoError(t, err)
	require.Equal(t, "timeout", metrictest.Decode(t, got)["reason"])
}
