package server

// forkCases are fields that forks print, and do not mean as Redis does.
var forkCases = []fieldCase{
	{
		name:   "Dragonfly: a number of clients below zero, wrapped around at 32 bits",
		origin: "dragonfly#4693",
		text: "# Server\nredis_version:6.2.11\ndragonfly_version:df-v1.21.2\n# Clients\nconnected_clients:4294964742\nmax_clients:64000\nblocked_clients:2\n" +
			"# Stats\ntotal_net_input_bytes:4294964742\n",
		doc: map[string]any{
			"clients": map[string]any{"max_clients": 64000.0, "blocked_clients": 2.0}, "stats": map[string]any{"total_net_input_bytes": 4294964742.0},
		},
		absent: []string{"derived clients_used_percent"},
	},
	{
		name:   "Kvrocks before 2.8 that never counted its keys",
		origin: "kvrocks 2.0, src/server/server.cc, GetInfo; the time is asctime of 0 in local time",
		text: "# Server\nkvrocks_version:2.7.0\nredis_version:4.0.0\n# Keyspace\n# Last scan db time: Thu Jan  1 08:00:00 1970\n" +
			"db0:keys=0,expires=0,avg_ttl=0,expired=0\nsequence:0\nused_db_size:0\n",
		doc:    map[string]any{"keyspace": []any{map[string]any{"db": "db0", "index": 0.0}}},
		absent: []string{"derived keys", "derived keys_expiring"},
	},
	{
		name:   "Garnet: an empty Keyspace does not say that there are no keys",
		origin: "garnet libs/server/Metrics/Info/GarnetInfoMetrics.cs, PopulateKeyspaceInfo",
		text:   "# Server\ngarnet_version:1.0.84\nredis_version:7.4.3\n\n# Clients\nconnected_clients:2\n\n# Keyspace\n\n",
		doc:    map[string]any{"clients": map[string]any{"connected_clients": 2.0}, "keyspace": nil},
		absent: []string{"derived keys", "derived keys_expiring"},
	},
	{
		name:   "Garnet without its monitor: zeros stand for what it does not count",
		origin: "garnet libs/server/Metrics/Info/GarnetInfoMetrics.cs, metricsDisabled",
		text: "# Server\ngarnet_version:1.0.84\nredis_version:7.4.3\nmonitor_task:disabled\n# Cluster\ncluster_enabled:0\n# Replication\nrole:master\nconnected_slaves:0\n" +
			"# Stats\ntotal_connections_active:0\ntotal_commands_processed:0\ninstantaneous_ops_per_sec:0\ntotal_net_input_bytes:0\ngarnet_hit_rate:0.00\n" +
			"# Clients\nconnected_clients:0\n",
		doc: map[string]any{
			"stats": map[string]any{}, "clients": map[string]any{}, "cluster": map[string]any{"cluster_enabled": 0.0},
			"unavailable": map[string]any{
				"slowlog": "ERR unknown command", "config": "ERR unknown command", "latency_events": "ERR unknown command",
				"stats": "the server does not count (monitor_task:disabled); start it with --metrics-sampling-freq 5",
			},
		},
		derived: map[string]any{"replicas_online": 0.0},
		absent:  []string{"derived clients_used_percent"},
	},
	{
		name:   "Garnet with its monitor: a 0 is a reading",
		origin: "garnet libs/server/Metrics/Info/GarnetInfoMetrics.cs",
		text:   "# Server\ngarnet_version:1.0.84\nredis_version:7.4.3\nmonitor_task:enabled\n# Stats\ntotal_commands_processed:0\ngarnet_hit_rate:0.00\n# Clients\nconnected_clients:0\n",
		doc: map[string]any{
			"stats": map[string]any{"total_commands_processed": 0.0, "garnet_hit_rate": 0.0}, "clients": map[string]any{"connected_clients": 0.0},
			"unavailable": map[string]any{"slowlog": "ERR unknown command", "config": "ERR unknown command", "latency_events": "ERR unknown command"},
		},
	},
	{
		name:   "Garnet: lag is a difference of offsets",
		origin: "garnet libs/common/Metrics/ReplicaInfo.cs",
		text: "# Server\ngarnet_version:2.2.0\nredis_version:7.4.3\n# Replication\nrole:master\nconnected_slaves:1\nmaster_repl_offset:5000\n" +
			"slave0:ip=10.0.0.2,port=6379,state=online,offset=4000,lag=1000\n",
		replicas: []map[string]any{
			{"ip": "10.0.0.2", "port": 6379.0, "state": "online", "offset": 4000.0, "lag_bytes": 1000.0, "count": 1.0, "in_sync": 1.0},
		},
		derived: map[string]any{"replicas_online": 1.0, "replica_lag_bytes_max": 1000.0},
		absent:  []string{"derived replica_lag_seconds_max"},
	},
}
