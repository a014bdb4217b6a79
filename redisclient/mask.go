package redisclient

import "strings"

// maskedSecret is what is masked in the errors of a server: its password, "" for none.
//
// Any error may repeat the password, so it is masked wherever it stands, also within
// another word. There is one exception: a password that is a part of what servers say of
// themselves, as "user" or "p", or of the name of the user. Everybody knows these
// sentences, so that "NOPERM this *** has no permissions" would show it, and what is to
// be done would be lost as well. No server repeats such a password but behind AUTH,
// where opening.redact drops all arguments. Masking whole words only would not help:
// "user" is one, and what is repeated need not be.
func maskedSecret(cfg Config) string {
	secret := strings.ToLower(cfg.Password)
	if strings.Contains(ownWords, secret) || strings.Contains(strings.ToLower(cfg.User), secret) {
		return ""
	}
	return cfg.Password
}

// ownWords are the errors that commands of the plugin are answered with, and the names of
// commands in them, in lower case.
// Sources: redis and valkey src/server.c (createSharedObjects, processCommand), src/acl.c
// (getAclErrorMessage, ACLAddCommandLogEntry), src/networking.c, src/db.c, src/object.c,
// src/sentinel.c of Redis 2.8 to 8.6 and Valkey 9.1
var ownWords = strings.ToLower(strings.Join([]string{
	"NOPERM this user has no permissions to run the '' command or its subcommand",
	"NOPERM this user has no permissions to access one of the keys used as arguments",
	"NOPERM this user has no permissions to access one of the channels used as arguments",
	"NOPERM this user has no permissions to access the '' key",
	"NOPERM this user has no permissions to access the '' channel",
	"NOPERM User default has no permissions to run the '' command",
	"NOPERM User default has no permissions to access the '' key",
	"NOPERM User default has no permissions to access database",
	"NOPERM No permissions to access a key",
	"NOPERM No permissions to access a channel",
	"NOPERM No permissions to access database",
	"NOAUTH Authentication required.",
	"NOAUTH HELLO must be called with the client already authenticated",
	"WRONGPASS invalid username-password pair or user is disabled.",
	"ERR invalid password",
	"ERR Client sent AUTH, but no password is set",
	"ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
	"ERR operation not permitted",
	"DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the default user. " +
		"In this mode connections are only accepted from the loopback interface. If you want to connect from external computers",
	"ERR max number of clients reached",
	"ERR max number of clients + cluster connections reached",
	"ERR unknown command '', with args beginning with:",
	"ERR unknown command ``, with args beginning with:",
	"ERR Unknown subcommand or wrong number of arguments for ''. Try HELP.",
	"ERR unknown subcommand ''. Try HELP.",
	"ERR Unknown sentinel subcommand ''",
	"ERR wrong number of arguments for '' command",
	"ERR syntax error",
	"ERR no such key",
	"ERR index out of range",
	"ERR value is not an integer or out of range",
	"ERR DB index is out of range",
	"ERR invalid DB index",
	"ERR SELECT is not allowed in cluster mode",
	"ERR This instance has cluster support disabled",
	"ERR No such master with that name",
	"ERR command not allowed when used memory > 'maxmemory'",
	"WRONGTYPE Operation against a key holding the wrong kind of value",
	"LOADING Redis is loading the dataset in memory",
	"LOADING Valkey is loading the dataset in memory",
	"BUSY Redis is busy running a script. You can only call SCRIPT KILL or FUNCTION KILL or SHUTDOWN NOSAVE.",
	"BUSY Valkey is busy running a module command.",
	"MASTERDOWN Link with MASTER is down and slave-serve-stale-data is set to 'no'.",
	"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
	"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify the data set " +
		"are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails " +
		"(stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.",
	"MISCONF Errors writing to the AOF file: No space left on device",
	"READONLY You can't write against a read only replica.",
	"NOREPLICAS Not enough good replicas to write.",
	"OOM command not allowed when used memory > 'maxmemory'.",
	"CLUSTERDOWN The cluster is down and only accepts read commands",
	"CLUSTERDOWN Hash slot not served",
	"CROSSSLOT Keys in request don't hash to the same slot",
	"TRYAGAIN Multiple keys request during rehashing of slot",
	"NOGOODSLAVE No suitable replica to promote",
	"MOVED", "ASK", "EXECABORT", "NOSCRIPT", "NOGROUP No such key or consumer group",
	// Commands, as they are named in these.
	"acl|getuser", "acl|list", "acl|log", "acl|users", "acl|whoami", "acl|dryrun", "client|id", "client|info", "client|list", "client|setname",
	"cluster|info", "cluster|links", "cluster|nodes", "cluster|shards", "cluster|slots", "command|docs", "command|count", "config|get", "dbsize",
	"exists", "function|stats", "hello", "hget", "hgetall", "hlen", "hmget", "hotkeys|get", "info", "latency|histogram", "latency|history", "latency|latest",
	"lindex", "llen", "lrange", "memory|doctor", "memory|stats", "memory|usage", "mget", "module|list", "object|encoding", "object|freq", "object|idletime",
	"ping", "pttl", "pubsub|channels", "pubsub|numpat", "pubsub|numsub", "pubsub|shardchannels", "role", "scan", "scard", "select",
	"sentinel|masters", "sentinel|myid", "sentinel|replicas", "sentinel|sentinels", "sentinel|slaves", "slowlog|get", "slowlog|len",
	"smembers", "srandmember", "sscan", "strlen", "time", "type", "xinfo|consumers", "xinfo|groups", "xinfo|stream", "xlen", "xpending", "xrange",
	"zcard", "zcount", "zrange", "zrangebyscore", "zscan", "zscore",
}, "\n"))
