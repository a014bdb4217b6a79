package plugin

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"redisjobs/conf"

	"redisjobs/metrics"
	"redisjobs/metrics/item"
	"redisjobs/targets"
)

// Check runs one check without an agent, with the options of a configuration
// file or, when file is "", the defaults. It is what -t prints.
func Check(key, file, version string) (string, error) {
	options, err := LoadOptions(file)
	if err != nil {
		return "", err
	}
	name, params, err := ParseItemKey(key)
	if err != nil {
		return "", err
	}
	metric, ok := metrics.Lookup(name)
	if !ok {
		if target, ok := aliases[name]; ok {
			return "", fmt.Errorf("%s is an alias that only the agent resolves: ask for %s", name, target)
		}
		return "", fmt.Errorf("unknown item key %q", name)
	}
	rt, err := targets.New(options)
	if err != nil {
		return "", err
	}
	defer rt.Close(targets.CloseGrace)
	rt.Env.Version, rt.Env.Started = version, time.Now()
	rt.Env.Background = nil // the process ends with the check
	ctx, cancel := context.WithTimeout(context.Background(), rt.Allowed(0))
	defer cancel()
	return rt.Collect(ctx, metric, params)
}

// ACL returns the ACL SETUSER command for a Redis user with just the rights
// that checks need with the options of a configuration file, or the defaults;
// and behind it, each under a line that says where, those for what only some
// servers know: a server refuses a rule with a command that is none of its own.
func ACL(file string) (string, error) {
	options, err := LoadOptions(file)
	if err != nil {
		return "", err
	}
	return metrics.ACLRule("zabbix", item.StormOptions(options.Storm), item.JobsOptions(options.Jobs)) +
		"\n# in addition, on Valkey 8.1 and newer:\n" + metrics.ACLRuleValkey("zabbix") +
		"\n# in addition, where there are search indexes (Redis 8, RediSearch 2, valkey-search):\n" + metrics.ACLRuleSearch("zabbix"), nil
}

// aliases are the built-in plugin's keys, which packaging/redisjobs.conf sends
// to ours.
var aliases = map[string]string{
	"redis.ping":          "redis.server.ping",
	"redis.info":          "redis.server.info",
	"redis.config":        "redis.server.config",
	"redis.slowlog.count": "redis.server.slowlog.count",
}

// BuiltinKeys are the keys of agent 2's built-in plugin, each with the one of
// ours that answers it by an alias; sorted.
func BuiltinKeys() [][2]string {
	var out [][2]string
	for _, name := range slices.Sorted(maps.Keys(aliases)) {
		out = append(out, [2]string{name, aliases[name]})
	}
	return out
}

// LoadOptions reads the options of a configuration file, see [conf.LoadFile]; the
// defaults when file is "".
func LoadOptions(file string) (*conf.Options, error) {
	if file == "" {
		return conf.Decode(nil, conf.Global{})
	}
	return conf.LoadFile(file)
}
