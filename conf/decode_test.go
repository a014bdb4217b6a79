package conf

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	sdkconf "golang.zabbix.com/sdk/conf"

	"github.com/stretchr/testify/require"
)

// sent makes the tree that agents send of the lines of a configuration file;
// the names in them are those below Plugins.RedisJobs.
func sent(t testing.TB, lines ...string) any {
	t.Helper()
	root := &sdkconf.Node{Name: "RedisJobs"}
	for i, line := range lines {
		name, value, found := strings.Cut(line, "=")
		require.True(t, found, line)
		node := root
		for part := range strings.SplitSeq(name, ".") {
			var next *sdkconf.Node
			for _, n := range node.Nodes {
				if c, ok := n.(*sdkconf.Node); ok && c.Name == part {
					next = c
				}
			}
			if next == nil {
				next = &sdkconf.Node{Name: part, Line: i + 1}
				node.Nodes = append(node.Nodes, next)
			}
			node = next
		}
		node.Nodes = append(node.Nodes, &sdkconf.Value{Value: []byte(value), Line: i + 1})
	}
	text, err := json.Marshal(root)
	require.NoError(t, err)
	var out any
	require.NoError(t, json.Unmarshal(text, &out))
	return out
}

func mustDecode(t testing.TB, lines ...string) *Options {
	t.Helper()
	o, err := Decode(sent(t, lines...), Global{Timeout: 3})
	require.NoError(t, err)
	return o
}

// firstBroken is why a session, or Default, cannot be used; nil when all can.
func firstBroken(o *Options) error {
	if broken := o.Broken(); len(broken) > 0 {
		return broken[0].Err
	}
	return nil
}

// decodeWhole is Decode, with an error for options that contradict each other as
// well.
func decodeWhole(t testing.TB, lines ...string) (*Options, error) {
	t.Helper()
	o, err := Decode(sent(t, lines...), Global{})
	if err == nil && len(o.contradictory) > 0 {
		err = o.contradictory[0].Err
	}
	return o, err
}

func TestDecodeWithoutOptionsGivesTheDefaults(t *testing.T) {
	t.Parallel()
	for name, tree := range map[string]any{"no tree": nil, "an empty tree": sent(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, err := Decode(tree, Global{Timeout: 7})
			require.NoError(t, err)
			require.Equal(t, 7*time.Second, o.Timeout)
			require.Equal(t, 300*time.Second, o.KeepAlive)
			require.Equal(t, 2, o.MaxConnections)
			require.Equal(t, 20000, o.MaxConnectionsTotal)
			require.Equal(t, time.Hour, o.MaxLifetime)
			require.Equal(t, 1<<20, o.MaxAnswer)
			require.False(t, o.SessionsOnly)
			require.False(t, o.UnmaskSecrets)
			require.Equal(t, Storm{
				KeyPattern: "storm:job:{job}", IndexKey: "storm:jobs",
				HeartbeatKey: "storm:jobs:heartbeat", StateKey: "storm:jobs:state",
				StaleAfter: 5 * time.Minute, ScanBudget: 10000,
			}, o.Storm)
			require.Empty(t, o.Sessions())
			require.Empty(t, o.Warnings())
			require.NoError(t, firstBroken(o))
		})
	}
}

func TestDecodeTakesWhatIsSet(t *testing.T) {
	t.Parallel()
	o := mustDecode(t,
		"System.Path=/usr/sbin/x", "System.Capacity=10", "System.ForceActiveChecksOnStart=1", "Capacity=5",
		"Timeout=10", "KeepAlive=5m", "MaxConnections=4", "MaxConnectionsTotal=100", "MaxLifetime=1d",
		"MaxAnswer=2M", "SessionsOnly=yes", "UnmaskSecrets=true",
		"Storm.KeyPattern=j:{job}:s", "Storm.IndexKey=i", "Storm.HeartbeatKey=h", "Storm.StateKey=st",
		"Storm.StaleAfter=2m", "Storm.ScanBudget=5", "Storm.StatusMap=draining:3, Asleep:2,",
		"Storm.Jobs=b, a,,b",
		"Jobs.Prefixes=sidekiq:a, sidekiq:b:", "Jobs.Queues=sidekiq:q:1,sidekiq:q:1", "Jobs.ScanBudget=0", "Jobs.SearchInterval=1h", "Jobs.CeleryVisibilityTimeout=12h",
		"Sessions.Prod.Uri=tcp://10.0.0.1/2", "Sessions.2nd.Uri=unix:/run/redis.sock",
	)
	require.Equal(t, 10*time.Second, o.Timeout)
	require.Equal(t, 5*time.Minute, o.KeepAlive)
	require.Equal(t, 4, o.MaxConnections)
	require.Equal(t, 100, o.MaxConnectionsTotal)
	require.Equal(t, 24*time.Hour, o.MaxLifetime)
	require.Equal(t, 2<<20, o.MaxAnswer)
	require.True(t, o.SessionsOnly)
	require.True(t, o.UnmaskSecrets)
	require.Equal(t, Storm{
		KeyPattern: "j:{job}:s", IndexKey: "i", HeartbeatKey: "h", StateKey: "st",
		StaleAfter: 2 * time.Minute, ScanBudget: 5,
		StatusMap: map[string]int{"DRAINING": 3, "ASLEEP": 2}, Jobs: []string{"a", "b"},
	}, o.Storm)
	require.Equal(t, Jobs{
		Prefixes: map[string][]string{"sidekiq": {"a", "b:"}}, Queues: map[string][]string{"sidekiq": {"q:1"}},
		Interval: time.Hour, CeleryVisibility: 12 * time.Hour,
	}, o.Jobs)
	require.Equal(t, []SessionInfo{
		{Name: "2nd", URI: "unix:///run/redis.sock"},
		{Name: "Prod", URI: "tcp://10.0.0.1:6379/2"},
	}, o.Sessions())
}

func TestDecodeEmptyAndRepeatedOptions(t *testing.T) {
	t.Parallel()
	o := mustDecode(t, "KeepAlive=100", "KeepAlive=200", "MaxConnections=5", "MaxConnections=", "Timeout=",
		"Sessions.A.Uri=", "Sessions=", "Default=")
	require.Equal(t, 200*time.Second, o.KeepAlive, "the last value counts")
	require.Equal(t, 2, o.MaxConnections, "an empty value is no value")
	require.Equal(t, 3*time.Second, o.Timeout)
	require.Equal(t, []SessionInfo{{Name: "A", URI: "tcp://localhost:6379"}}, o.Sessions(), "a session that is named exists")

	var tree any // as agent 6.0 sends an empty option
	require.NoError(t, json.Unmarshal([]byte(`{"Name":"RedisJobs","Line":1,"Nodes":[
		{"Name":"KeepAlive","Line":2,"Nodes":[{"Value":null,"Line":2}]}]}`), &tree))
	o, err := Decode(tree, Global{})
	require.NoError(t, err)
	require.Equal(t, 300*time.Second, o.KeepAlive)
	require.Equal(t, 3*time.Second, o.Timeout, "an agent that does not tell its Timeout has the default")
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	const p = "Plugins.RedisJobs."
	tests := []struct {
		name  string
		lines []string
		want  string
	}{
		{"an option that does not exist", []string{"Bogus=1"}, "Bogus (line 1): unknown option"},
		{"a mistyped option", []string{"Timeout=3", "Timout=3"}, "Timout (line 2): unknown option; did you mean Timeout?"},
		{"an option in the wrong case", []string{"timeout=3"}, "timeout (line 1): unknown option; did you mean Timeout?"},
		{
			"a mistyped option of a session",
			[]string{"Sessions.Prod.Uri=h", "Sessions.Prod.Urii=h"},
			"Sessions.Prod.Urii (line 2): unknown option; did you mean Uri?",
		},
		{"a mistyped option of Default", []string{"Default.Usre=x"}, "Default.Usre (line 1): unknown option; did you mean User?"},
		{"a mistyped option of Storm", []string{"Storm.Index=x"}, "Storm.Index (line 1): unknown option"},
		{"a mistyped group", []string{"Session.A.Uri=x"}, "Session (line 1): unknown option; did you mean Sessions?"},
		{"something below an option", []string{"Timeout.X=3"}, "Timeout.X (line 1): unknown option"},
		{"a value for a group", []string{"Sessions=x"}, "Sessions (line 1): is not an option itself, only the first part of some"},
		{"a value for a session", []string{"Sessions.A=x"}, "Sessions.A (line 1): is not an option itself, only the first part of some"},
		{"the first of several by line", []string{"KeepAlive=1", "Bogus=1", "Timeout=31"}, "KeepAlive (line 1): is out of range 60-900"},

		{"a Timeout above the range", []string{"Timeout=31"}, "Timeout (line 1): is out of range 1-30"},
		{"a Timeout of 0", []string{"Timeout=0"}, "Timeout (line 1): is out of range 1-30"},
		{"a Timeout above it with a suffix", []string{"Timeout=1m"}, "Timeout (line 1): is out of range 1-30"},
		{"a time that overflows", []string{"Timeout=9223372036854775807w"}, "Timeout (line 1): is out of range 1-30"},
		{
			"a time that is none", []string{"Timeout=3x"},
			"Timeout (line 1): is not a whole number of the range 1-30, with s, m, h, d, w or nothing behind it",
		},
		{
			"a suffix alone", []string{"Timeout=s"},
			"Timeout (line 1): is not a whole number of the range 1-30, with s, m, h, d, w or nothing behind it",
		},
		{"a negative number", []string{"MaxConnections=-1"}, "MaxConnections (line 1): is not a whole number of the range 1-64"},
		{"a number with a suffix", []string{"MaxConnections=2K"}, "MaxConnections (line 1): is not a whole number of the range 1-64"},
		{"too many connections", []string{"MaxConnections=65"}, "MaxConnections (line 1): is out of range 1-64"},
		{"a MaxLifetime between 0 and its minimum", []string{"MaxLifetime=59"}, "MaxLifetime (line 1): is out of range 0, 60-604800"},
		{"a small MaxAnswer", []string{"MaxAnswer=63K"}, "MaxAnswer (line 1): is out of range 64K-16M"},
		{
			"a MaxAnswer in unknown units", []string{"MaxAnswer=1T"},
			"MaxAnswer (line 1): is not a whole number of the range 64K-16M, with K, M, G or nothing behind it",
		},
		{"a switch that is neither", []string{"SessionsOnly=2"}, "SessionsOnly (line 1): is neither 0 nor 1"},
		{"a pattern without {job}", []string{"Storm.KeyPattern=x"}, "Storm.KeyPattern (line 1): must hold {job} exactly once"},
		{"a state without a number", []string{"Storm.StatusMap=A"}, "Storm.StatusMap (line 1): entry 1 is not WORD:NUMBER"},
		{"a prefix of no system", []string{"Jobs.Prefixes=cron:a"}, "Jobs.Prefixes (line 1): entry 1 is of no job system; there are " + strings.Join(jobSystems, ", ")},
		{"a queue without a system", []string{"Jobs.Queues=a"}, "Jobs.Queues (line 1): entry 1 is not SYSTEM:TEXT"},
		{"a state above 9", []string{"Storm.StatusMap=A:10"}, "Storm.StatusMap (line 1): the number of entry 1 must be 0-9"},
		{"a state with two numbers", []string{"Storm.StatusMap=a:1,A:2"}, "Storm.StatusMap (line 1): entry 2 gives a word a second number"},

		{
			"a Uri in quotes", []string{`Sessions.A.Uri="tcp://` + marker + `:6379"`},
			"Sessions.A.Uri (line 1): stands in quotes, which the agent takes for a part of the value: remove them",
		},
		{
			"a password in a Uri", []string{"Sessions.A.Uri=redis://u:" + marker + "@h"},
			"Sessions.A.Uri (line 1): " + errPasswordInUri.Error(),
		},
		{
			"a database out of range", []string{"Default.Database=1000001"},
			"Default.Database (line 1): is out of range 0-1000000",
		},
		{
			"a relative file", []string{"Default.PasswordFile=pw"},
			`Default.PasswordFile (line 1): is not the absolute path of a file`,
		},
		{"a user with a space", []string{"Default.User=a b"}, "Default.User (line 1): holds a space"},
		{
			"a password that is too long", []string{"Default.Password=" + strings.Repeat(marker, 400)},
			"Default.Password (line 1): is longer than 4096 bytes",
		},
		{
			"two passwords", []string{"Sessions.A.Password=" + marker, "Sessions.A.PasswordFile=/f"},
			"Sessions.A.PasswordFile (line 2): is set together with Password: keep one of the two",
		},
		{
			"two passwords in Default", []string{"Default.PasswordFile=/f", "Default.Password=" + marker},
			"Default.PasswordFile (line 1): is set together with Password: keep one of the two",
		},

		{
			"an unknown TLSConnect", []string{"Default.TLSConnect=verify"},
			`Default.TLSConnect (line 1): is none of disabled, required, verify_ca and verify_full`,
		},
		{
			"verify_ca without TLSCAFile", []string{"Sessions.A.TLSConnect=verify_ca"},
			"Sessions.A.TLSConnect (line 1): verify_ca needs TLSCAFile",
		},
		{
			"TLSCAFile with required", []string{"Sessions.A.TLSConnect=required", "Sessions.A.TLSCAFile=/ca"},
			"Sessions.A.TLSCAFile (line 2): is not used with TLSConnect=required: choose verify_ca or verify_full",
		},
		{
			"TLSCAFile with disabled", []string{"Sessions.A.TLSConnect=disabled", "Sessions.A.TLSCAFile=/ca"},
			"Sessions.A.TLSCAFile (line 2): is set while TLS is off: set TLSConnect to required, verify_ca or verify_full",
		},
		{
			"TLS files without TLSConnect", []string{"Default.TLSCAFile=/ca"},
			"Default.TLSCAFile (line 1): is set while TLS is off: set TLSConnect to required, verify_ca or verify_full",
		},
		{
			"a certificate without a key", []string{"Default.TLSConnect=required", "Default.TLSCertFile=/c"},
			"Default.TLSCertFile (line 2): TLSKeyFile must be set as well, in the same place",
		},
		{
			"a key whose certificate is elsewhere",
			[]string{
				"Default.TLSConnect=required", "Default.TLSCertFile=/c", "Default.TLSKeyFile=/k",
				"Sessions.A.TLSKeyFile=/k2",
			},
			"Sessions.A.TLSKeyFile (line 4): TLSCertFile must be set as well, in the same place",
		},
		{
			"TLS over a unix socket", []string{"Sessions.A.Uri=/s", "Sessions.A.TLSConnect=required"},
			"Sessions.A.TLSConnect (line 2): TLS over a unix socket is not supported",
		},
		{
			"rediss without TLS", []string{"Sessions.A.Uri=rediss://h", "Sessions.A.TLSConnect=disabled"},
			"Sessions.A.TLSConnect (line 2): disabled contradicts the rediss:// of the Uri",
		},
		{
			"rediss in Default without TLS in a session", []string{"Default.Uri=rediss://h", "Sessions.A.TLSConnect=disabled"},
			"Sessions.A.TLSConnect (line 2): disabled contradicts the rediss:// of the Uri",
		},
		{
			"an address as TLSServerName", []string{"Default.TLSConnect=verify_full", "Default.TLSServerName=a b"},
			`Default.TLSServerName (line 2): is not a valid host name`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := decodeWhole(t, tt.lines...)
			require.EqualError(t, err, p+tt.want)
			requireNoSecret(t, err)
		})
	}
}

func TestDecodeRefusesWhatNoAgentSends(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, json, want string }{
		{"a text", `"x"`, "Plugins.RedisJobs: the agent sent string, not a node of options"},
		{"a list", `[]`, "Plugins.RedisJobs: the agent sent []interface {}, not a node of options"},
		{"no line", `{"Name":"R","Nodes":[]}`, "Plugins.RedisJobs: the agent sent an option without a line number"},
		{"no name", `{"Line":1,"Nodes":[]}`, "Plugins.RedisJobs (line 1): the agent sent an option without a name"},
		{"nodes that are no list", `{"Name":"R","Line":1,"Nodes":{}}`, "Plugins.RedisJobs (line 1): the agent sent map[string]interface {}, not a list"},
		{
			"a child that is null", `{"Name":"R","Line":1,"Nodes":[null]}`,
			"Plugins.RedisJobs: the agent sent <nil>, not a node of options",
		},
		{
			"a value that is a number", `{"Name":"R","Line":1,"Nodes":[{"Name":"Timeout","Line":2,"Nodes":[{"Value":3,"Line":2}]}]}`,
			"Plugins.RedisJobs.Timeout (line 2): the agent sent float64, not a text",
		},
		{
			"a value that is not in base64", `{"Name":"R","Line":1,"Nodes":[{"Name":"Timeout","Line":2,"Nodes":[{"Value":"%","Line":2}]}]}`,
			"Plugins.RedisJobs.Timeout (line 2): the agent sent a value that is not in base64",
		},
		{
			"a name with a line end", `{"Name":"R","Line":1,"Nodes":[{"Name":"a\nb","Line":2,"Nodes":[]}]}`,
			`Plugins.RedisJobs (line 2): "a\nb" is not a valid name`,
		},
		{
			"a session without a name",
			`{"Name":"R","Line":1,"Nodes":[{"Name":"Sessions","Line":2,"Nodes":[{"Name":"","Line":3,"Nodes":[]}]}]}`,
			`Plugins.RedisJobs.Sessions (line 3): "" is not a valid name: the name of a session takes letters, digits and underscores`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var tree any
			require.NoError(t, json.Unmarshal([]byte(tt.json), &tree))
			_, err := Decode(tree, Global{})
			require.EqualError(t, err, tt.want)
		})
	}
}

func TestGlobalTimeoutIsBroughtIntoRange(t *testing.T) {
	t.Parallel()
	for seconds, want := range map[int]time.Duration{0: 3, 1: 1, 30: 30, 31: 30, -5: 1} {
		o, err := Decode(nil, Global{Timeout: seconds})
		require.NoError(t, err)
		require.Equal(t, want*time.Second, o.Timeout)
	}
}

func FuzzDecode(f *testing.F) {
	add := func(lines ...string) {
		text, err := json.Marshal(sent(f, lines...))
		require.NoError(f, err)
		f.Add(string(text))
	}
	add()
	add("Timeout=3", "Sessions.A.Uri=tcp://u@h:1/2", "Sessions.A.Password="+marker)
	add("Default.TLSConnect=verify_ca", "Default.TLSCAFile=/x", "Default.PasswordFile=/p", "Sessions.A.Uri=rediss://h")
	add("Storm.StatusMap=A:1", "System.Path=/x", "Sessions=x", "Sessions.A=")
	f.Add(`{"Name":"R","Line":1,"Nodes":[{"Value":null,"Line":1}]}`)
	f.Add(`{"Name":"R","Line":1e300,"Nodes":[[]]}`)
	f.Add(`[null]`)
	f.Fuzz(func(t *testing.T, text string) {
		var tree any
		if json.Unmarshal([]byte(text), &tree) != nil {
			return
		}
		o, err := Decode(tree, Global{Timeout: 3})
		if err != nil {
			require.Nil(t, o)
			require.NotContains(t, err.Error(), "\n", "one line")
			require.True(t, strings.HasPrefix(err.Error(), "Plugins.RedisJobs"), err.Error())
			return
		}
		require.LessOrEqual(t, o.Timeout, 30*time.Second)
		for _, s := range o.Sessions() {
			target, err := o.Resolve(Ref{Conn: s.Name})
			require.NoError(t, err)
			require.Equal(t, s.URI, target.URI())
		}
	})
}
