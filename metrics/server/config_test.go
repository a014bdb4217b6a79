package server

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/redisclient"
)

// configReply is the answer to CONFIG GET as RESP2 has it.
func configReply(pairs ...string) string {
	out := fmt.Sprintf("*%d\r\n", len(pairs))
	for _, p := range pairs {
		out += metrictest.Bulk(p)
	}
	return out
}

func TestConfig(t *testing.T) {
	t.Parallel()
	d := &metrictest.ScriptDoer{Replies: map[string]string{
		"CONFIG GET maxclients":  configReply("maxclients", "10000"),
		"CONFIG GET MAXCLIENTS":  configReply("MAXCLIENTS", "10000"),
		"CONFIG GET MaxClients":  configReply("maxclients", "10000"),
		"CONFIG GET save":        configReply("save", ""),
		"CONFIG GET max*":        configReply("maxmemory-policy", "noeviction", "maxmemory", "1", "maxmemory", "<2>"),
		"CONFIG GET map":         "%1\r\n$3\r\nmap\r\n$1\r\n1\r\n",
		"CONFIG GET nosuch":      "*0\r\n",
		"CONFIG GET nosuch*":     "*0\r\n",
		"CONFIG GET other":       configReply("another", "1"),
		"CONFIG GET odd":         configReply("odd"),
		"CONFIG GET null":        "*2\r\n$4\r\nnull\r\n$-1\r\n",
		"CONFIG GET requirepass": configReply("requirepass", "s3cret"),
		"CONFIG GET *auth": configReply("masterauth", "s3cret", "primaryauth", "", "PrimaryAuth", "s3cret",
			"masteruser", "app", "aclfile", "/etc/acl", "search-global-password", "s3cret"),
		"CONFIG GET *": "-NOPERM no CONFIG for you\r\n",
	}}
	for _, tt := range []struct{ name, pattern, want, wantErr string }{
		{name: "a name gives the bare value", pattern: "maxclients", want: "10000"},
		{name: "a name in capitals gives the value", pattern: "MAXCLIENTS", want: "10000"},
		{name: "the server's own spelling is found", pattern: "MaxClients", want: "10000"},
		{name: "an empty value is a value", pattern: "save", want: ""},
		{name: "a pattern gives sorted JSON, the last of two equal names counts", pattern: "max*",
			want: `{"maxmemory":"\u003c2\u003e","maxmemory-policy":"noeviction"}`},
		{name: "a RESP3 map is read", pattern: "map", want: "1"},
		{name: "no match for a name", pattern: "nosuch", wantErr: `no configuration parameter matches "nosuch"`},
		{name: "no match for a pattern", pattern: "nosuch*", wantErr: `no configuration parameter matches "nosuch*"`},
		{name: "an answer to another question is no match", pattern: "other", wantErr: `no configuration parameter matches "other"`},
		{name: "half a pair", pattern: "odd", wantErr: "CONFIG GET odd: expected pairs, got 1 members"},
		{name: "a null value", pattern: "null", wantErr: "CONFIG GET null: value of null: the reply is null"},
		{name: "a secret is masked", pattern: "requirepass", want: "***"},
		{name: "secrets in a list are masked, empty ones and names are shown", pattern: "*auth",
			want: `{"PrimaryAuth":"***","aclfile":"/etc/acl","masterauth":"***","masteruser":"app",` +
				`"primaryauth":"","search-global-password":"***"}`},
		{name: "the default pattern is all", pattern: "", wantErr: "CONFIG GET *: NOPERM no CONFIG for you"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := metrictest.Collect(t, Config, d, "", "", tt.pattern)
			if tt.wantErr != "" {
				require.EqualError(t, err, tt.wantErr)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
	t.Run("secrets are shown when the configuration says so", func(t *testing.T) {
		t.Parallel()
		target := metrictest.NewTarget(d)
		target.UnmaskSecrets = true
		got, err := metrictest.CollectFrom(t, Config, target, "", "", "requirepass")
		require.NoError(t, err)
		require.Equal(t, "s3cret", got)
	})
}

func TestConfigOfTheGoldenServerIsAllItsParameters(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/golden/redis7.0.15_config_all.raw.txt")
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	d := &metrictest.ScriptDoer{Replies: map[string]string{"CONFIG GET *": configReply(lines...)}}
	got, err := metrictest.Collect(t, Config, d)
	require.NoError(t, err)
	doc := metrictest.Decode(t, got)
	require.Len(t, doc, len(lines)/2)
	require.Equal(t, "10000", doc["maxclients"])
}

func TestConfigOfARealServer(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Password: "s3cret"})
	target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr, Password: "s3cret"})
	for pattern, want := range map[string]string{
		"MaxClients": "10000", "requirepass": "***", "masterauth": "", "save": "", "tcp-keepalive": "300",
		"requirepas[s]": `{"requirepass":"***"}`,
	} {
		got, err := metrictest.CollectFrom(t, Config, target, "", "", pattern)
		require.NoError(t, err, pattern)
		require.Equal(t, want, got, pattern)
	}
	got, err := metrictest.CollectFrom(t, Config, target)
	require.NoError(t, err)
	require.NotContains(t, got, "s3cret")
	require.Greater(t, len(metrictest.Decode(t, got)), 150)
}
