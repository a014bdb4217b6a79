package metrics

import (
	"slices"
	"strings"

	"redisjobs/metrics/item"
	"redisjobs/metrics/jobs"
)

// ACLRule returns the ACL SETUSER command for a user that can do what the
// metrics need on a server, and nothing more: it reads job records, what job
// systems keep and the server's own figures. AUTH needs no permission; CLIENT SETNAME only gives our
// connections a name; ASKING goes before a command whose key is on its way to
// another node of a cluster, ROLE before those to a master that sentinels named. Redis 7.0 or newer reads it; older servers know neither
// %R~ nor permissions on subcommands.
// Source: https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/
func ACLRule(user string, storm item.StormOptions, o item.JobsOptions) string {
	rule := []string{"ACL", "SETUSER", user, "on", ">PASSWORD", "resetkeys", "resetchannels"}
	for _, pattern := range slices.Concat(stormKeyPatterns(storm), jobs.KeyPatterns((o))) {
		rule = append(rule, quoted("%R~"+pattern))
	}
	rule = append(rule, "-@all", "+select", "+client|setname", "+asking", "+role")
	for _, command := range aclCommands() {
		rule = append(rule, "+"+command)
	}
	return strings.Join(rule, " ")
}

// aclCommands are the commands of all metrics that every Redis 7.0 knows.
func aclCommands() []string {
	var out []string
	for _, m := range All() {
		out = append(out, m.Commands...)
	}
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(c string) bool {
		return slices.Contains(valkeyCommands, c) || slices.Contains(searchCommands, c) || slices.Contains(newerNames(), c)
	})
}

// valkeyCommands are those that Valkey has from 8.1 on, and Redis has not. A
// server refuses a rule with a command that it does not know, all of it.
var valkeyCommands = []string{"commandlog|get", "commandlog|len"}

// ACLRuleValkey returns what a user made by ACLRule needs in addition on Valkey
// 8.1 and newer, as a command of its own.
func ACLRuleValkey(user string) string {
	return "ACL SETUSER " + user + " +" + strings.Join(valkeyCommands, " +")
}

// searchCommands are those of a server that has search indexes.
var searchCommands = []string{"ft._list", "ft.info"}

// ACLRuleSearch returns what a user made by ACLRule needs in addition where there
// are search indexes: Redis 8, RediSearch 2 and valkey-search. RediSearch 1
// knows no FT._LIST; its FT.INFO counts as a write to a key of the index's name.
func ACLRuleSearch(user string) string {
	return "ACL SETUSER " + user + " +" + strings.Join(searchCommands, " +")
}

// stormKeyPatterns are the keys that job records live in, as patterns: without
// those that another one covers.
func stormKeyPatterns(o item.StormOptions) []string {
	records := aclPattern(strings.Replace(o.KeyPattern, "{job}", "*", 1))
	out := []string{records}
	for _, key := range []string{o.IndexKey, o.HeartbeatKey, o.StateKey} {
		if key != "" {
			out = append(out, aclPattern(key))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// aclPattern makes a pattern of a key that matches itself; a star stays one.
func aclPattern(key string) string {
	return strings.NewReplacer(`\`, `\\`, "?", `\?`, "[", `\[`, "]", `\]`).Replace(key)
}

// quoted writes an argument as redis-cli reads it.
func quoted(arg string) string {
	if !strings.ContainsAny(arg, " \t\"'\\") {
		return arg
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(arg) + `"`
}
