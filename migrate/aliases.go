package migrate

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"

	"redisjobs/agentconf"
	"redisjobs/metrics"
)

const (
	prefix        = "Plugins.RedisJobs."
	builtinPrefix = "Plugins.Redis."
	program       = "zabbix-agent2-plugin-redisjobs"

	aliasesName  = "redisjobs-aliases.conf"
	sessionsName = "redisjobs-migrated.conf"
)

// aliasHeader stands in the file of the aliases, whether they are on or off.
const aliasHeader = `# The item keys of agent 2's built-in plugin Redis, answered by RedisJobs from the agent's next restart on: existing
# items and the official template keep their keys and their history. "` + program + ` migrate" wrote this
# file; it switches the lines on (--apply) and off (--back --apply), and says what else a change takes. A # before
# each line leaves the keys to the built-in plugin. RedisJobs' own keys work in any case.
#
# The order matters: a name with [*] does not stand for the bare name, and the agent stops looking at the first [*]
# name that is longer than the item's key, so the shortest come first. No name may be given an alias twice.
# AllowKey and DenyKey see the name behind the colon.

`

// AliasFile is the text of the file with the aliases.
func AliasFile(on bool) string {
	pairs := metrics.BuiltinKeys()
	slices.SortStableFunc(pairs, func(a, b [2]string) int { return cmp.Compare(len(a[0]), len(b[0])) })
	begin := "#Alias="
	if on {
		begin = "Alias="
	}
	var b strings.Builder
	b.WriteString(aliasHeader)
	for _, params := range []string{"", "[*]"} {
		for _, p := range pairs {
			b.WriteString(begin + p[0] + params + ":" + p[1] + params + "\n")
		}
	}
	return b.String()
}

// builtinAliases are the Alias lines for keys of the built-in plugin: those that
// lead here, and others.
func builtinAliases(c *agentconf.Config) (ours, others []agentconf.Alias) {
	for _, l := range c.All("Alias") {
		a, ok := agentconf.ParseAlias(l)
		if !ok {
			continue
		}
		here, builtin := metrics.Builtin(a.Name)
		switch {
		case builtin && here == a.Key():
			ours = append(ours, a)
		case builtin:
			others = append(others, a)
		}
	}
	return ours, others
}

// folder is where the plugin's files are: beside the one with its path, unless that
// is the agent's own.
func folder(c *agentconf.Config) string {
	if l, ok := c.Last(prefix + "System.Path"); ok && l.File != c.Main {
		return filepath.Dir(l.File)
	}
	return filepath.Join(filepath.Dir(c.Main), "zabbix_agent2.d", "plugins.d")
}
