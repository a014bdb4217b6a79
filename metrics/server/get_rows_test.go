package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/metrics/ask"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient/resp"
)

// memberOf is one member of the document of a Redis with that INFO, as the text that
// it is written as; "" when there is none.
func memberOf(t testing.TB, text string, path ...string) string {
	t.Helper()
	raw := json.RawMessage(getDocument([]byte("# Server\nredis_version:7.4.0\n" + text)))
	for _, name := range path {
		var members map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(raw, &members))
		raw = members[name]
	}
	return string(raw)
}

func TestRowsOfLists(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, list, lines, want string }{
		{"databases by their numbers", "keyspace", "# Keyspace\ndb10:keys=1\ndb9:keys=2\ndb0:keys=3,expires=1\n",
			`[{"db":"db0","index":0,"expires":1,"keys":3},{"db":"db9","index":9,"keys":2},{"db":"db10","index":10,"keys":1}]`},
		{"what is no database", "keyspace", "# Keyspace\nsequence:5\ndb:keys=1\ndbx:keys=1\ndb-1:keys=1\ndb1:5\ndb2:keys=1\n", `[{"db":"db2","index":2,"keys":1}]`},
		{"the last of two lines of one database", "keyspace", "# Keyspace\ndb0:keys=1\ndb0:keys=2\ndb1:keys=3\n",
			`[{"db":"db0","index":0,"keys":2},{"db":"db1","index":1,"keys":3}]`},
		{"its own members stay its own", "keyspace", "# Keyspace\ndb0:keys=1,keys=2,db=x,index=9,part,aa=5\n", `[{"db":"db0","index":0,"aa":5,"keys":2}]`},
		{"an impossible count", "keyspace", "# Keyspace\ndb0:keys=-1,expires=0\n", `[{"db":"db0","index":0,"expires":0}]`},
		{"a zero of a server that counts by itself", "keyspace", "# Keyspace\nlast_dbsize_scan_timestamp:0\ndb0:keys=0\n", `[{"db":"db0","index":0,"keys":0}]`},
		{"zeros of one that has never counted", "keyspace", "# Server\nkvrocks_version:2\n# Keyspace\nlast_dbsize_scan_timestamp:0\ndb0:keys=0,expires=3\n",
			`[{"db":"db0","index":0,"expires":3}]`},
		{"an error with the commands that met it", "errorstats", "# Errorstats\nerrorstat_WRONGTYPE:count=3(HSET=2,ZDIFF=1)\nerrorstat_X(y):count=4\nerrorstat_Z:count=many\n",
			`[{"error":"WRONGTYPE","count":3},{"error":"X(y)","count":4},{"error":"Z"}]`},
		{"commands", "commandstats", "# Commandstats\ncmdstat_get:calls=5,usec=9,usec_per_call=1.80\ncmdstat_config|get:calls=1\nnothing:1\n",
			`[{"command":"config|get","calls":1},{"command":"get","calls":5,"usec":9,"usec_per_call":1.80}]`},
		{"a command with a colon", "commandstats", "# Commandstats\ncmdstat_host::calls=1\ncmdstat_a:b:calls=2,x=c:d\n",
			`[{"command":"a:b","calls":2,"x":"c:d"},{"command":"host:","calls":1}]`},
		{"a figure that has the name's name", "commandstats", "# Commandstats\ncmdstat_get:calls=1,command=x\n", `[{"command":"get","calls":1}]`},
		{"errors", "errorstats", "# Errorstats\nerrorstat_NOPERM:count=1\nOOM:5\n", `[{"error":"NOPERM","count":1}]`},
		{"Dragonfly's errors", "errorstats", "# Server\ndragonfly_version:df-v1.2.3\n# Errorstats\nwrongtype:5\n-OOM out of: memory:1\nx:y\nz:-1\n",
			`[{"error":"OOM out of: memory","count":1},{"error":"wrongtype","count":5}]`},
		{"percentiles", "latencystats", "# Latencystats\nlatency_percentiles_usec_get:p50=1.003,p99=4.015,p99.9=4,p100=1e3,p5=1E3,p6=x\n",
			`[{"command":"get","p50":0.000001003,"p99":0.000004015,"p99_9":0.000004}]`},
		{"modules", "modules", "# Modules\nmodule:name=search,ver=20000,api=1,filters=0\nmodule:api=1\nother:name=x,ver=1\nmodule:x\nmodule:ver=3\n",
			`[{"name":"search","ver":20000},{"ver":3}]`},
	} {
		require.Equal(t, tt.want, memberOf(t, tt.lines, tt.list), tt.name)
	}
	require.Empty(t, memberOf(t, "# Errorstats\nerrorstat_A:count=1\nerrorstat_ERRORSTATS_DISABLED:count=1\n", "errorstats"))
	require.Contains(t, memberOf(t, "# Errorstats\nerrorstat_A:count=1\nerrorstat_ERRORSTATS_DISABLED:count=1\n", "unavailable", "errorstats"), "until CONFIG RESETSTAT")
}

func TestRowsOfReplicasAndMasters(t *testing.T) {
	t.Parallel()
	require.Equal(t, `[{"ip":"a","offset":90,"port":1,"state":"online","lag":3,"lag_bytes":10,"count":1,"in_sync":1}]`,
		memberOf(t, "# Replication\nmaster_repl_offset:100\nslave0:ip=a,port=1,state=online,offset=90,lag=3,lag_bytes=77,lag_writes=78,count=79,in_sync=80\n",
			"replication", "replicas"))
	require.Equal(t, `[{"ip":"a","port":1,"count":1}]`, memberOf(t, "# Replication\nslave0:ip=a,port=1\n", "replication", "replicas"))
	require.Equal(t, `[]`, memberOf(t, "# Replication\nrole:master\n", "replication", "replicas"))
	require.Empty(t, memberOf(t, "# Replication\nrole:master\n", "replication", "masters"))
	require.Equal(t, `[{"host":"a","port":1,"link_up":1}]`,
		memberOf(t, "# Replication\nmaster_host:a\nmaster_port:1\nmaster_link_status:up\nmasters:5\nMaster 0:\n", "replication", "masters"))

	const a, b, c = "master_host:a\nmaster_link_status:up\n", "master_host:b\nmaster_link_status:down\n", "master_host:c\nmaster_link_status:up\n"
	for lines, want := range map[string]string{a + b + c: `"b"`, b + a: `"b"`, a + c: `"c"`, a: `"a"`} {
		require.Equal(t, want, memberOf(t, "# Replication\n"+lines, "replication", "master_host"), lines)
	}
	require.Equal(t, "2", memberOf(t, "# Replication\n"+a+c+"some_field:1\nsome_field:2\n", "replication", "some_field"), "of others the last counts")
	require.Equal(t, "7", memberOf(t, "# Replication\nMaster x:7\n", "replication", "Master x"), "only what has no value is a header of KeyDB's")
}

// TestNoListTakesMoreThanItsShare: of rows that are long there are fewer than
// MaxRows, and those that are left out are counted.
func TestNoListTakesMoreThanItsShare(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 240)
	const rows = ask.MaxRows + 100
	for _, tt := range []struct {
		list []string
		line string
	}{
		{[]string{"keyspace"}, "# Keyspace\ndb%d:keys=1,text=" + long},
		{[]string{"commandstats"}, "# Commandstats\ncmdstat_%d" + long + ":calls=1"},
		{[]string{"errorstats"}, "# Errorstats\nerrorstat_%d" + long + ":count=1"},
		{[]string{"latencystats"}, "# Latencystats\nlatency_percentiles_usec_%d" + long + ":p50=1"},
		{[]string{"modules"}, "# Modules\nmodule:name=%d" + long},
		{[]string{"replication", "replicas"}, "# Replication\nslave%[1]d:ip=%[1]d,port=1,text=" + long},
	} {
		name := tt.list[len(tt.list)-1]
		header, line, _ := strings.Cut(tt.line, "\n")
		text := header + "\n"
		for i := range rows {
			text += fmt.Sprintf(line, i) + "\n"
		}
		list := memberOf(t, text, tt.list...)
		var got []any
		require.NoError(t, json.Unmarshal([]byte(list), &got))
		require.Less(t, len(got), ask.MaxRows, name)
		require.GreaterOrEqual(t, len(list), maxSection, name)
		require.Less(t, len(list), maxSection+1000, name+": its last row may stand beyond its share")
		require.Equal(t, fmt.Sprint(rows-len(got)), memberOf(t, text, "truncated", name), name)
	}
}

func TestASectionOfAModuleIsBounded(t *testing.T) {
	t.Parallel()
	lines := func(n int, value string) (text string) {
		for i := range n {
			text += fmt.Sprintf("field_%05d:%s\n", i, value)
		}
		return text
	}
	fields := func(text, section string) int {
		var members map[string]any
		require.NoError(t, json.Unmarshal([]byte(memberOf(t, text, section)), &members))
		return len(members)
	}
	require.Equal(t, ask.MaxRows, fields("# My-Own\n"+lines(ask.MaxRows, "1"), "my_own"))
	require.Equal(t, `{}`, memberOf(t, "# My-Own\n"+lines(ask.MaxRows, "1"), "truncated"))
	require.Equal(t, ask.MaxRows, fields("# My-Own\n"+lines(ask.MaxRows+7, "1"), "my_own"))
	require.Equal(t, "7", memberOf(t, "# My-Own\n"+lines(ask.MaxRows+7, "1"), "truncated", "my_own"))

	for _, n := range []int{maxName, maxName + 1} {
		name := strings.Repeat("n", n)
		text := "# My\n" + name + ":1\n" + "other:2\n"
		require.Equal(t, map[bool]string{true: "1", false: ""}[n == maxName], memberOf(t, text, "my", name))
		require.Equal(t, map[bool]string{true: "", false: "1"}[n == maxName], memberOf(t, text, "truncated", "my"))
		require.Equal(t, "2", memberOf(t, text, "my", "other"))

		text = "# " + name + "\na:1\n"
		require.Equal(t, map[bool]string{true: `{"a":1}`, false: ""}[n == maxName], memberOf(t, text, name))
		require.Equal(t, map[bool]string{true: "", false: "1"}[n == maxName], memberOf(t, text, "truncated", "sections"))

		text = "# Keyspace\ndb0:keys=1," + name + "=2\n"
		require.Equal(t, n == maxName, strings.Contains(memberOf(t, text, "keyspace"), name))
	}

	text := "# Stats\n" + lines(500, strings.Repeat("v", 100))
	stats := memberOf(t, text, "stats")
	require.Less(t, len(stats), maxStandard+200)
	require.GreaterOrEqual(t, len(stats), maxStandard-200)
	require.Equal(t, fmt.Sprint(500-fields(text, "stats")), memberOf(t, text, "truncated", "stats"))
}

func TestLongTextsAreClipped(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "abcd": "abcd", "abcde": "abcd…", "abcé": "abc…", "abcdé": "abcd…", "ab€": "ab…", "é€": "é…", "éé": "éé", "\x80\x80\x80\x80\x80": "…",
	} {
		require.Equal(t, want, string(clipped([]byte(text), 4)), "%q", text)
	}
	require.Equal(t, `"`+strings.Repeat("v", maxValue)+`"`, memberOf(t, "# My\na:"+strings.Repeat("v", maxValue), "my", "a"))
	require.Equal(t, `"`+strings.Repeat("v", maxValue)+`…"`, memberOf(t, "# My\na:"+strings.Repeat("v", maxValue+1), "my", "a"))
}

func TestSectionsNamedAsMembersGetAPrefix(t *testing.T) {
	t.Parallel()
	for section, want := range map[string]string{"Up": "info_up", "Slowlog": "info_slowlog", "Info_up": "info_info_up", "Info": "info", "Memory": "memory"} {
		require.Equal(t, `{"a":1}`, memberOf(t, "# "+section+"\na:1\n", want), section)
	}
}

func TestWhatASectionHas(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"# Cluster\r\ncluster_enabled:1\r\n": true, "# Cluster\ncluster_enabled:0\n": false, "# Cluster\nx:1\n# Other\ncluster_enabled:1\n": false,
		"# Cluster\nx:1\n# Other\n": false, "# Other\ncluster_enabled:1\n# Cluster\n": false, "\ncluster_enabled:1\n": true, "": false,
		"# Cluster\ncluster_enabled:1\n# Other\nx:1\n": true,
	} {
		require.Equal(t, want, sectionHas([]byte(text), "# Cluster", "\ncluster_enabled:1"), "%q", text)
	}
}

func TestSectionsOfStatusThatCannotBeRead(t *testing.T) {
	t.Parallel()
	target := metrictest.NewTarget(&metrictest.ScriptDoer{Replies: map[string]string{
		"PING": "+PONG\r\n", "INFO server": metrictest.Bulk("hello"), "INFO replication": metrictest.Bulk("hello"), "INFO persistence": "-NOPERM no INFO\r\n",
	}})
	answer, err := metrictest.CollectFrom(t, Status, target)
	require.NoError(t, err)
	doc := metrictest.Decode(t, answer)
	require.InDelta(t, 1, doc["up"], 0)
	require.Equal(t, map[string]any{"info": "the reply to INFO has no sections"}, doc["unavailable"])
	require.NotContains(t, doc, "role")
}

// TestAReplicaOfAServerWithoutDBSIZEServes: what a server does not have it need not
// permit.
func TestAReplicaOfAServerWithoutDBSIZEServes(t *testing.T) {
	t.Parallel()
	replication := "# Replication\r\nrole:slave\r\nmaster_host:a\r\nmaster_link_status:down\r\n"
	for dbsize, want := range map[string]map[string]any{
		"-ERR unknown command 'DBSIZE'\r\n": {}, ":5\r\n": {},
		"-NOPERM User x has no permissions to run the 'dbsize' command\r\n": {"read": "NOPERM User x has no permissions to run the 'dbsize' command"},
	} {
		doer := &metrictest.ScriptDoer{Replies: map[string]string{
			"PING": "+PONG\r\n", "INFO server": metrictest.Bulk("# Server\r\nredis_version:6.2.0\r\n"), "INFO replication": metrictest.Bulk(replication),
			"INFO persistence": metrictest.Bulk("# Persistence\r\nloading:0\r\n"), "DBSIZE": dbsize,
		}}
		answer, err := metrictest.CollectFrom(t, Status, metrictest.NewTarget(doer))
		require.NoError(t, err)
		doc := metrictest.Decode(t, answer)
		require.InDelta(t, 1, doc["up"], 0, dbsize)
		require.Equal(t, "replica", doc["role"])
		require.Equal(t, want, doc["unavailable"], dbsize)
	}
}

func TestAServerThatCannotBeAskedIsAnError(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken off")
	_, err := metrictest.Collect(t, Info, &metrictest.ScriptDoer{Err: broken}, "")
	require.ErrorIs(t, err, broken)
	_, err = metrictest.Collect(t, Config, &metrictest.ScriptDoer{Err: broken}, "")
	require.ErrorIs(t, err, broken)
	_, err = metrictest.Collect(t, Info, &metrictest.ScriptDoer{Replies: map[string]string{"INFO default": "-NOPERM no INFO\r\n"}}, "")
	require.EqualError(t, err, "INFO default: NOPERM no INFO")
}

func TestOtherAnswersOfGetThatCannotBeRead(t *testing.T) {
	t.Parallel()
	part := func(v resp.Value, err error) ask.Part { return ask.Part{Value: v, Err: err} }
	number, text, null := resp.Value{Kind: resp.Integer, Int: 5}, resp.Value{Kind: resp.SimpleString, Str: []byte("x")}, resp.Value{Kind: resp.Null}
	refused := errors.New("NOPERM")
	for _, tt := range []struct {
		name                   string
		length, newest, dbsize ask.Part
		want                   string
		failed                 [3]bool
	}{
		{"all", part(number, nil), part(resp.Value{Kind: resp.Array}, nil), part(number, nil), `{"slowlog":{"length":5},"dbsize":5}`, [3]bool{}},
		{"no number", part(text, nil), part(text, nil), part(text, nil), `{}`, [3]bool{true, true, true}},
		{"a length alone", part(number, nil), part(null, refused), part(null, nil), `{"slowlog":{"length":5}}`, [3]bool{false, true, false}},
		{"neither", part(null, refused), part(null, refused), part(number, refused), `{}`, [3]bool{true, true, true}},
		{"no length", part(null, refused), part(resp.Value{Kind: resp.Array}, nil), part(null, nil), `{"slowlog":{}}`, [3]bool{true, false, false}},
	} {
		p := &getParts{length: tt.length, newest: tt.newest, dbsize: tt.dbsize}
		w := jsondoc.New(0)
		w.BeginObject()
		p.writeSlowlog(w, false)
		p.writeSize(w)
		w.EndObject()
		require.Equal(t, tt.want, w.Document(), tt.name)
		require.Equal(t, tt.failed, [3]bool{p.length.Err != nil, p.newest.Err != nil, p.dbsize.Err != nil}, tt.name)
	}
}

// TestASectionOfSeveralServersIsNotTheLastOfThem: a section that repeats its fields with
// other values is left out, with the reason.
// Source: predixy src/Handler.cpp, Handler::infoRequest
func TestASectionOfSeveralServersIsNotTheLastOfThem(t *testing.T) {
	t.Parallel()
	const predixy = "# Proxy\nVersion:1.0.5\nName:P\n\n# Servers\nServer:10.0.0.1:6379\nRole:master\nCurrentIsFail:1\nConnections:1\n\n" +
		"Server:10.0.0.2:6379\nRole:slave\nCurrentIsFail:0\nConnections:9\n\n# Same\na:1\na:1\n"
	require.Equal(t, "", memberOf(t, predixy, "servers"))
	require.Equal(t, `{"Name":"P","Version":"1.0.5"}`, memberOf(t, predixy, "proxy"))
	require.Equal(t, `{"a":1}`, memberOf(t, predixy, "same"))
	require.Equal(t, `"section servers repeats its field Connections, so that nobody tells whose its values are"`, memberOf(t, predixy, "unavailable", "sections"))
	require.Equal(t, `{"sections":1}`, memberOf(t, predixy+"# More\na:1\na:2\n", "truncated"))
}
