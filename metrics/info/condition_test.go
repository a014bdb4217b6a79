package info

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
)

func TestStatusTakesTheConnectOffTheRoundTrip(t *testing.T) {
	t.Parallel()
	w := jsondoc.New(0)
	began := time.Now()
	writeConnection(w, redisclient.ConnInfo{At: began.Add(time.Millisecond), Connect: 2 * time.Second, TLS: time.Second},
		began, 3500*time.Millisecond)
	require.Equal(t, `"time":{"connect":2,"tls":1,"round_trip":0.5}`, w.Document())

	w = jsondoc.New(0)
	writeConnection(w, redisclient.ConnInfo{At: began.Add(-time.Minute), Connect: 2 * time.Second}, began, 3500*time.Millisecond)
	require.Equal(t, `"time":{"connect":2,"round_trip":3.5}`, w.Document())
}

func TestServerFlavours(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, flavour, version, mode, role string }{
		{"# Server\nredis_version:7.0.15\nredis_mode:cluster\nexecutable:/usr/bin/redis-server\n# Replication\nrole:slave\n",
			"redis", "7.0.15", "cluster", "replica"},
		{"# Server\nredis_version:7.2.4\nserver_name:valkey\nvalkey_version:9.1.2\nserver_mode:standalone\n", "valkey", "9.1.2", "standalone", ""},
		{"# Server\nredis_version:6.3.4\nredis_mode:standalone\nexecutable:/opt/keydb/bin/keydb-server\n", "keydb", "6.3.4", "standalone", ""},
		{"# Server\nredis_version:6.3.4\nredis_mode:standalone\nexecutable:\nfeatures:cluster_mget\n# Replication\nrole:active-replica\n",
			"keydb", "6.3.4", "standalone", "active-replica"},
		{"# Server\nredis_version:7.4.0\ndragonfly_version:df-v1.38.1\nredis_mode:standalone\n", "dragonfly", "1.38.1", "standalone", ""},
		{"# Server\nversion:2.17.0\nkvrocks_version:2.17.0\nredis_version:7.0.0\nredis_mode:standalone\n", "kvrocks", "2.17.0", "standalone", ""},
		{"# Server\ngarnet_version:2.2.0\nserver_name:garnet\nredis_version:7.4.3\n", "garnet", "2.2.0", "", ""},
		{"# Server\nredis_version:7.4.0\nrlec_version:-\nredis_mode:standalone\n", "redis-enterprise", "7.4.0", "standalone", ""},
		{"# Server\npika_version:3.0.16\npika_git_sha:2c12\n# Replication(MASTER)\nrole:master\n", "pika", "3.0.16", "", "master"},
		{"# Server\nredis_version:df-v0.9.1\n", "dragonfly", "0.9.1", "", ""},
		{"# Server\nredis_version:2.8.9\nardb_version:0.9.3\nrocksdb_version:5.1\ngcc_version:9\n", "ardb", "0.9.3", "", ""},
		{"# Server\nredis_version:7.0.15\nredis_mode:sentinel\n", "sentinel", "7.0.15", "sentinel", "sentinel"},
		{"# Server\nos:Plan 9\n", "", "", "", ""},
	} {
		x, err := Scan([]byte(tt.text), nil, nil)
		require.NoError(t, err)
		id := Identify(&x)
		require.Equal(t, []string{tt.flavour, tt.version, tt.mode, tt.role},
			[]string{id.Flavour, id.Version, id.Mode, id.Role}, tt.text)
	}
}
