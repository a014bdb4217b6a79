package info

// Unit is what a number counts.
type Unit int

// The units of fields that servers use differently.
const (
	UnitUnknown Unit = iota
	UnitSeconds
	UnitBytes
	// UnitWrites counts records of a log of writes.
	UnitWrites
)

// Meaning is what a server means by the fields that go by one name in all of
// them. The zero value knows nothing.
type Meaning struct {
	// Lag is the unit of lag in a replica's row.
	Lag Unit
	// Offset is the unit of master_repl_offset and of a replica's offset.
	Offset Unit
	// InSync are the words of state of a replica that is in sync; all others are
	// of one that is not.
	InSync []string
	// Listed: a replica's row has no state, and stands there while the replica is
	// in sync.
	Listed bool
	// ErrorPrefix stands before each kind of error in the section Errorstats.
	ErrorPrefix string
	// KeysByScan: the keys of a database are those of the last DBSIZE SCAN, and 0
	// before the first.
	KeysByScan bool
	// ListsAll: the section Keyspace has a line for each database with keys, so that
	// one with nothing in it says that there are none.
	ListsAll bool
	// Monitored: without its monitor the server prints 0 for all that it would count
	// of clients and commands.
	Monitored bool
	// IDsByThread: each thread counts the ids of its own slow log, so that a newer
	// entry may have a lower one.
	IDsByThread bool
	// Clients are the letters of flags in CLIENT LIST.
	Clients ClientFlags
}

// ClientFlags are the letters by which CLIENT LIST tells kinds of clients; 0 for a kind
// that it does not tell.
type ClientFlags struct{ Blocked, Subscriber, Replica, Monitor byte }

// Untold names the kinds that CLIENT LIST does not tell.
func (f ClientFlags) Untold() (kinds []string) {
	for _, kind := range []struct {
		flag byte
		name string
	}{{f.Blocked, "blocked clients"}, {f.Subscriber, "subscribers"}, {f.Replica, "replicas"}, {f.Monitor, "monitors"}} {
		if kind.flag == 0 {
			kinds = append(kinds, kind.name)
		}
	}
	return kinds
}

// meanings are those of each flavour. Any other server's fields are not
// understood, and what they count is unknown.
//
// Sources: redis and valkey src/server.c, genRedisInfoString; KeyDB
// src/server.cpp; dragonfly src/server/server_family.cc (lag is lsn_lag, in
// journal records; the states are SyncStateName's, or those of Redis; SlowLogGet) and
// src/server/error.cc; kvrocks src/server/server.cc, GetReplicationInfo (lag and
// offset are sequences of writes, and a row has no state); Garnet
// libs/common/Metrics/ReplicaInfo.cs (lag is a difference of AOF addresses) and
// libs/server/Metrics/Info/GarnetInfoMetrics.cs (Keyspace is always empty; metricsDisabled);
// pika src/pika_admin.cc (its offsets are pairs of a file and a place in it). The flags of
// clients: redis src/networking.c, catClientInfoString; dragonfly src/facade/dragonfly_connection.cc,
// ContextInfo::Format; kvrocks src/server/redis_connection.cc, Connection::GetFlags (M is a
// monitor there, and a master in Redis); Garnet libs/server/Resp/ClientCommands.cs; Pika prints none.
var meanings = map[string]Meaning{
	"redis":            redisMeaning,
	"redis-enterprise": redisMeaning,
	"redict":           redisMeaning,
	"valkey":           redisMeaning,
	"keydb":            redisMeaning,
	"dragonfly": {
		Lag: UnitWrites, Offset: UnitWrites, InSync: []string{"online", "stable_sync"}, ListsAll: true, IDsByThread: true,
		Clients: ClientFlags{Blocked: 'b', Subscriber: 'P'},
	},
	"kvrocks": {
		Lag: UnitWrites, Offset: UnitWrites, InSync: []string{"online"}, Listed: true, ErrorPrefix: "errorstat_", KeysByScan: true,
		Clients: ClientFlags{Subscriber: 'P', Replica: 'S', Monitor: 'M'},
	},
	"garnet": {
		Lag: UnitBytes, Offset: UnitBytes, InSync: []string{"online"}, ErrorPrefix: "errorstat_", Monitored: true,
		Clients: ClientFlags{Subscriber: 'P', Replica: 'S'},
	},
	"pika": {InSync: []string{"online"}, ErrorPrefix: "errorstat_"},
}

var redisMeaning = Meaning{
	Lag: UnitSeconds, Offset: UnitBytes, InSync: []string{"online"}, ErrorPrefix: "errorstat_", ListsAll: true,
	Clients: ClientFlags{Blocked: 'b', Subscriber: 'P', Replica: 'S', Monitor: 'O'},
}
