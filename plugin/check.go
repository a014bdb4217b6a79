package plugin

import (
	"context"
	"fmt"
	"time"

	"redisjobs/agentconf"
	"redisjobs/conf"

	"redisjobs/metrics"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/targets"
)

// Check runs one check without an agent, with the options of a configuration
// file or, when file is "", the defaults. It is what -t prints.
func Check(key, file, version string) (string, error) {
	return withoutTrace(func() (string, error) { return check(key, file, version) })
}

// withoutTrace makes an error of a panic: a person at a terminal has no use for
// a Go trace.
func withoutTrace(do func() (string, error)) (value string, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			value, err = "", fmt.Errorf("internal error: %v (please report it, with the item key)", reason)
		}
	}()
	return do()
}

// load reads the options of a configuration as this machine's agent does, or
// gives the defaults when file is "".
func load(file string) (*conf.Options, error) {
	if file == "" {
		return conf.Load(nil)
	}
	return conf.Load(agentconf.ReadHere(file))
}

func check(key, file, version string) (string, error) {
	options, err := load(file)
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
		return "", metrics.UnknownKey(name)
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

// ACL returns the ACL SETUSER commands for a Redis user with just the rights that
// the plugin needs for some purposes, or all, with the options of a configuration
// file, or the defaults. [metrics.ACL.Text] says what stands in which line.
func ACL(file string, purposes ...string) (string, error) {
	options, err := load(file)
	if err != nil {
		return "", err
	}
	p, err := metrics.ParseACLPurposes(purposes)
	if err != nil {
		return "", err
	}
	acl := metrics.ACL{User: "zabbix", Purposes: p, Storm: item.StormOptions(options.Storm), Jobs: item.JobsOptions(options.Jobs)}
	return acl.Text(), nil
}
