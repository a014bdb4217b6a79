package info

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/metrics/ask"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

func TestAskReadsInfo(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, reply, os, err string }{
		{"INFO", metrictest.Bulk("# Server\r\nos:Linux\r\n"), "Linux", ""},
		{"no INFO's text", metrictest.Bulk("hello"), "", "INFO: the reply to INFO has no sections"},
		{"another kind of reply", ":1\r\n", "", ""},
		{"not permitted", "-NOPERM no INFO\r\n", "", ""},
		{"not ready", "-LOADING Redis is loading\r\n", "", "LOADING Redis is loading"},
	} {
		x, err := Ask(t.Context(), metrictest.NewTarget(&metrictest.ScriptDoer{Replies: map[string]string{"INFO": tt.reply}}))
		if tt.err != "" {
			require.EqualError(t, err, tt.err, tt.name)
			continue
		}
		require.NoError(t, err, tt.name)
		if tt.os == "" {
			require.Nil(t, x, tt.name)
			continue
		}
		os, _ := x.Field("server", "os")
		require.Equal(t, tt.os, string(os), tt.name)
	}
	broken := errors.New("broken off")
	_, err := Ask(t.Context(), metrictest.NewTarget(&metrictest.ScriptDoer{Err: broken}))
	require.ErrorIs(t, err, broken)
}

func TestAskWaitsNoLongerThanItsLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := Ask(t.Context(), metrictest.NewTarget(metrictest.StalledDoer{}))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 3*time.Second, time.Since(began))
	})
}

func TestServerField(t *testing.T) {
	t.Parallel()
	text := func(s string) resp.Value { return resp.Value{Kind: resp.BulkString, Str: []byte(s)} }
	for _, tt := range []struct {
		name string
		part ask.Part
		want string
	}{
		{"there", ask.Part{Value: text("# Server\nrun_id:abc\n")}, "abc"},
		{"not there", ask.Part{Value: text("# Server\nos:Linux\n")}, ""},
		{"in another section", ask.Part{Value: text("# Clients\nrun_id:abc\n")}, ""},
		{"refused", ask.Part{Value: text("# Server\nrun_id:abc\n"), Err: errors.New("NOPERM")}, ""},
		{"of another kind", ask.Part{Value: resp.Value{Kind: resp.Integer}}, ""},
		{"unreadable", ask.Part{Value: text("run_id:abc\n")}, ""},
	} {
		require.Equal(t, tt.want, ServerField(&tt.part, "run_id"), tt.name)
	}
}

func TestPingProblem(t *testing.T) {
	t.Parallel()
	refused := func(text string) error { return resp.Value{Kind: resp.Error, Str: []byte(text)}.Err() }
	pong := resp.Value{Kind: resp.SimpleString, Str: []byte("PONG")}
	told, untold := &ask.Part{}, &ask.Part{Err: refused("NOPERM no INFO")}
	for _, tt := range []struct {
		name     string
		ping     ask.Part
		sections []*ask.Part
		want     string
	}{
		{"PONG", ask.Part{Value: pong}, nil, ""},
		{"another text", ask.Part{Value: resp.Value{Kind: resp.SimpleString, Str: []byte("hello")}}, []*ask.Part{told}, `PING was answered with "hello"`},
		{"a long text", ask.Part{Value: resp.Value{Kind: resp.BulkString, Str: []byte(strings.Repeat("x", 99))}}, nil,
			`PING was answered with "` + strings.Repeat("x", 40) + `"`},
		{"a state", ask.Part{Err: refused("LOADING Redis is loading")}, []*ask.Part{told}, "LOADING Redis is loading"},
		{"not permitted, and INFO neither", ask.Part{Err: refused("NOPERM no PING")}, []*ask.Part{untold, untold}, "NOPERM no PING"},
		{"not permitted, but a part of INFO", ask.Part{Err: refused("NOPERM no PING")}, []*ask.Part{untold, told}, ""},
		{"not known, but INFO", ask.Part{Err: refused("ERR unknown command 'PING'")}, []*ask.Part{told}, ""},
	} {
		err := PingProblem(&tt.ping, tt.sections)
		if tt.want == "" {
			require.NoError(t, err, tt.name)
		} else {
			require.EqualError(t, err, tt.want, tt.name)
		}
	}
	require.Error(t, PingProblem(&ask.Part{Value: resp.Value{Kind: resp.Integer, Int: 1}}, []*ask.Part{told}), "a reply that is no text")
}

func TestAConditionTellsWhereItsAnswersCameFrom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		target := metrictest.NewTarget(redisclient.DoerFunc(func(context.Context, ...redisclient.Command) ([]resp.Value, error) {
			time.Sleep(3500 * time.Millisecond)
			return []resp.Value{{Kind: resp.SimpleString, Str: []byte("PONG")}}, nil
		}))
		c, err := AskCondition(t.Context(), target, &ask.Part{Name: "ping", Cmd: redisclient.Command{"PING"}})
		require.NoError(t, err)
		write := func(problem error, x *Text, id *Identity) string {
			return written(func(w *jsondoc.Writer) { c.Write(w, problem, x, id) })
		}
		const up = `{"schema_version":1,"up":1,"reason":"","error":"","target":"tcp://127.0.0.1:6379"`
		require.Equal(t, up+`,"time":{"round_trip":3.5}}`, write(nil, nil, nil), "no connection is known")

		x := scanned(t, "# Server\nredis_version:7.0.15\nredis_mode:standalone\n# Replication\nrole:slave\n# Persistence\nloading:0\n")
		id := Identify(x)
		info := redisclient.ConnInfo{Addr: "10.0.0.1:6379", At: c.began, Connect: time.Second, TLS: 500 * time.Millisecond, Auth: 250 * time.Millisecond,
			CertNotAfter: time.Now().Add(36*time.Hour + 10*time.Second)}
		target.ConnInfo = func() (redisclient.ConnInfo, bool) { return info, true }
		require.JSONEq(t, up+`,"address":"10.0.0.1:6379","role":"replica","flavour":"redis","version":"7.0.15","mode":"standalone","loading":0,`+
			`"time":{"connect":1,"tls":0.5,"auth":0.25,"round_trip":2},"tls":{"cert_not_after":`+
			jsonOf(info.CertNotAfter.Unix())+`,"cert_days_left":1.5}}`, write(nil, x, &id))

		info = redisclient.ConnInfo{At: c.began.Add(-1), Connect: time.Second}
		require.Equal(t, up+`,"time":{"connect":1,"round_trip":3.5}}`, write(nil, nil, nil), "it was connected before; no address is known")
		info = redisclient.ConnInfo{At: c.began.Add(1), Connect: 3500 * time.Millisecond}
		require.Equal(t, up+`,"time":{"connect":3.5,"round_trip":3.5}}`, write(nil, nil, nil), "a connect as long as the request itself is none of its time")
		info = redisclient.ConnInfo{At: c.began.Add(1), CertNotAfter: time.Now().Add(-12 * time.Hour)}
		require.Contains(t, write(nil, nil, nil), `"cert_days_left":-0.5`)

		require.Contains(t, write(errors.New("LOADING Redis is loading"), x, &id),
			`"error":"Cannot query tcp://127.0.0.1:6379: LOADING Redis is loading"`)

		target.ConnInfo = func() (redisclient.ConnInfo, bool) {
			return redisclient.ConnInfo{Addr: "10.0.0.1:6379", Connect: time.Second}, false
		}
		require.Equal(t, up+`,"time":{"round_trip":3.5}}`, write(nil, nil, nil), "what is not known is not written")
	})
}

func jsonOf(n int64) string {
	w := jsondoc.New(0)
	w.Int(n)
	return w.Document()
}

func TestAConditionOfAServerThatCannotBeAsked(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken off")
	_, err := AskCondition(t.Context(), metrictest.NewTarget(&metrictest.ScriptDoer{Err: broken}), &ask.Part{Cmd: redisclient.Command{"PING"}})
	require.ErrorIs(t, err, broken)
}

func TestWhatAServerDoesNotSayOfItselfIsLeftOut(t *testing.T) {
	t.Parallel()
	c := Condition{Target: metrictest.NewTarget(nil)}
	for text, want := range map[string]string{
		"":                                ``,
		"# Server\nos:x\n":                ``,
		"# Server\nredis_mode:cluster\n":  `"mode":"cluster",`,
		"# Server\nredis_version:7.0.0\n": `"flavour":"redis","version":"7.0.0",`,
		"# Server\nfoo_version:\n":        `"flavour":"foo",`,
		"# Replication\nrole:master\n":    `"role":"master",`,
		"# Persistence\nloading:1\n":      `"loading":1,`,
		"# Persistence\nloading:yes\n":    ``,
		"# Server\nredis_mode:sentinel\n": `"role":"sentinel","flavour":"sentinel","mode":"sentinel",`,
		"# Server\nserver_mode:a\nredis_mode:b\n# Clients\nredis_version:1\nloading:1\n": `"mode":"b",`,
		"# Server\nredis_mode:b\nserver_mode:a\n":                                        `"mode":"b",`,
	} {
		x := scanned(t, text)
		id := Identify(x)
		got := written(func(w *jsondoc.Writer) { c.Write(w, nil, x, &id) })
		require.Equal(t, `{"schema_version":1,"up":1,"reason":"","error":"","target":"tcp://127.0.0.1:6379",`+want+`"time":{"round_trip":0}}`, got, text)
	}
}

func TestIdentityOfOddServers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, flavour, version string }{
		{"redis_version:7.2.4\nvalkey_version:\n", "valkey", "7.2.4"},
		{"redis_version:6.2.0\nexecutable:/opt/keydb/keydb-server\nvalkey_version:8.0.0\n", "valkey", "8.0.0"},
		{"redis_version:df-v0.9.1\nexecutable:/usr/bin/keydb\n", "dragonfly", "0.9.1"},
		{"aa_version:1.0\nbb_version:2.0\nredis_version:7.0.0\n", "aa", "1.0"},
		{"redis_version:7.0.0\nmodule_version:3\nlua_version:5\nopenssl_version:1\n", "redis", "7.0.0"},
		{"pika_version:3.5.0\n", "pika", "3.5.0"},
		{"dragonfly_version:1.2.3\n", "dragonfly", "1.2.3"},
	} {
		x := scanned(t, "# Server\n"+tt.text)
		id := Identify(x)
		require.Equal(t, []string{tt.flavour, tt.version}, []string{id.Flavour, id.Version}, tt.text)
	}
	// What names a library or a protocol never names the server.
	for _, name := range []string{
		"api", "build", "clang", "compiler", "config", "dotnet", "engine", "gcc", "git", "go", "java", "jemalloc", "jvm", "kernel", "leveldb", "lmdb",
		"lua", "module", "msvc", "openssl", "os", "protocol", "proxy", "rdb", "rocksdb", "rust", "tls",
	} {
		id := Identify(scanned(t, "# Server\n"+name+"_version:9.9\nredis_version:7.0.0\n"))
		require.Equal(t, []string{"redis", "7.0.0"}, []string{id.Flavour, id.Version}, name)
	}
}
