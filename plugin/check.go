package plugin

import (
	"context"
	"fmt"
	"time"

	"redisjobs/conf"

	"redisjobs/metrics"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/targets"
)

// Check runs one check without an agent, with the options of a configuration
// file or, when file is "", the defaults. It is what -t prints.
func Check(key, file, version string) (string, error) {
	options, err := conf.Load(file)
	if err != nil {
		return "", err
	}
	name, params, err := ParseItemKey(key)
	if err != nil {
		return "", err
	}
	metric, ok := metrics.Lookup(name)
	if !ok {
		if target, ok := metrics.Builtin(name); ok {
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
	w := jsondoc.New(0)
	if err := rt.Collect(ctx, metric, params, w); err != nil {
		return "", err
	}
	return w.Document(), nil
}

// ACL returns the ACL SETUSER command for a Redis user with just the rights
// that checks need with the options of a configuration file, or the defaults;
// and behind it, each under a line that says where, those for what only some
// servers know: a server refuses a rule with a command that is none of its own.
func ACL(file string) (string, error) {
	options, err := conf.Load(file)
	if err != nil {
		return "", err
	}
	return metrics.ACLRule("zabbix", item.StormOptions(options.Storm), item.JobsOptions(options.Jobs)) +
		"\n# in addition, on Valkey 8.1 and newer:\n" + metrics.ACLRuleValkey("zabbix") +
		"\n# in addition, where there are search indexes (Redis 8, RediSearch 2, valkey-search):\n" + metrics.ACLRuleSearch("zabbix"), nil
}
