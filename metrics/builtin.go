package metrics

import (
	"maps"
	"slices"
)

// builtin are the keys of agent 2's built-in plugin and those of ours that
// answer them, by the Alias lines of packaging/redisjobs.conf.
var builtin = map[string]string{
	"redis.ping":          "redis.server.ping",
	"redis.info":          "redis.server.info",
	"redis.config":        "redis.server.config",
	"redis.slowlog.count": "redis.server.slowlog.count",
}

// Builtin returns the key that answers one of the built-in plugin.
func Builtin(key string) (ours string, ok bool) {
	ours, ok = builtin[key]
	return ours, ok
}

// BuiltinKeys are the keys of agent 2's built-in plugin, each with the one of
// ours that answers it by an alias; sorted.
func BuiltinKeys() [][2]string {
	var out [][2]string
	for _, name := range slices.Sorted(maps.Keys(builtin)) {
		out = append(out, [2]string{name, builtin[name]})
	}
	return out
}
