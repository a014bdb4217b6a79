package doctor

import (
	"strings"

	"redisjobs/redisclient"
)

// probe is a command sent to see whether it is permitted.
type probe struct {
	command string // as ACL SETUSER has it
	pattern string // of the keys, when this is about reading them
	family  string // how the item keys that read them begin
	send    redisclient.Command
}

// own are the words that keep a command's probe from reading much, behind the
// command's own; K stands for a key that does not exist. A server judges the
// number of words before the permission, so that they must be right.
var own = map[string]string{
	"client|id":         "",
	"client|list":       "ID 0",
	"cluster|info":      "",
	"cluster|myid":      "",
	"cluster|nodes":     "",
	"commandlog|get":    "0 slow",
	"commandlog|len":    "slow",
	"config|get":        "maxmemory",
	"dbsize":            "",
	"ft._list":          "",
	"getrange":          "K 0 0",
	"hexists":           "K f",
	"hget":              "K f",
	"info":              "server",
	"latency|histogram": "ping",
	"latency|latest":    "",
	"lindex":            "K 0",
	"lrange":            "K 0 0",
	"ping":              "",
	"scan":              "0 COUNT 1",
	"sismember":         "K m",
	"slowlog|get":       "0",
	"slowlog|len":       "",
	"time":              "",
	"xinfo|consumers":   "K g",
	"xpending":          "K g",
	"xrange":            "K - + COUNT 1",
	"xrevrange":         "K + - COUNT 1",
	"zrange":            "K 0 0",
	"zscore":            "K m",
	"hmget":             "K f",
	"hstrlen":           "K f",
	"mget":              "K",
	"zcount":            "K 0 0",
	"zrangebyscore":     "K 0 0",
	"hscan":             "K 0",
	"sscan":             "K 0",
	"zscan":             "K 0",
	"module|list":       "",
	"command|info":      "get",
	"sentinel|masters":  "",

	"acl|log":                   "0",
	"cluster|getslotmigrations": "",
	"cluster|migration":         "STATUS ALL",
	"cluster|slot-stats":        "SLOTSRANGE 0 0",
	"hotkeys|get":               "",
	"pubsub|channels":           "K",
	"pubsub|numsub":             "",
	"pubsub|shardnumsub":        "",
}

// commandProbe tries a command out, on a key that does not exist where it takes one.
func commandProbe(command, key string) probe {
	rest, known := own[command]
	if !known {
		rest = "K"
	}
	send := redisclient.Command(strings.Split(command, "|"))
	for word := range strings.FieldsSeq(rest) {
		if word == "K" {
			word = key
		}
		send = append(send, word)
	}
	return probe{command: command, send: send}
}

func commandProbes(commands []string, key string) []probe {
	out := make([]probe, len(commands))
	for i, command := range commands {
		out[i] = commandProbe(command, key)
	}
	return out
}

// keyProbe asks for a key that a pattern matches; family is how the item keys
// that read such keys begin.
func keyProbe(family, pattern string) probe {
	key := strings.NewReplacer(`\\`, `\`, `\*`, "*", `\?`, "?", `\[`, "[", `\]`, "]", "[0-9]", "0", "[A-Z]", "A", "[0-9a-f]", "0", "*", "redisjobs-doctor", `\`, "").Replace(pattern)
	return probe{command: "type", pattern: pattern, family: family, send: redisclient.Command{"TYPE", key}}
}
