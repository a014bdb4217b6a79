package metrics

import (
	"fmt"
	"slices"
	"strings"

	"redisjobs/metrics/item"
	"redisjobs/metrics/jobs"
	"redisjobs/metrics/storm"
	"redisjobs/nearest"
)

// ACL is a user in Redis that can do what the plugin needs for its purposes, and
// nothing more.
// Source: https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/
type ACL struct {
	User     string
	Purposes ACLPurposes
	Storm    item.StormOptions
	Jobs     item.JobsOptions
}

// ACLPurposes say what a user is for.
type ACLPurposes struct {
	// Server: the server's own figures, without any key.
	Server bool
	// Storm: the records of jobs, storm.*.
	Storm bool
	// Systems are the job systems, by name.
	Systems []string
	// Keys are patterns of keys that redis.key.*, redis.keys.*, redis.stream.get,
	// redis.streams.get and redis.keyspace.sample may read.
	Keys []string
}

// AllACLPurposes are all that need no pattern.
func AllACLPurposes() ACLPurposes {
	return ACLPurposes{Server: true, Storm: true, Systems: jobs.Names()}
}

// ParseACLPurposes reads purposes as the command line has them: server, storm,
// jobs with the names of systems behind it or all of them, and keys with patterns
// behind it. No words are all purposes but keys.
func ParseACLPurposes(words []string) (ACLPurposes, error) {
	if len(words) == 0 {
		return AllACLPurposes(), nil
	}
	var p ACLPurposes
	for i := 0; i < len(words); i++ {
		// What follows, up to the next purpose.
		rest := words[i+1:]
		if end := slices.IndexFunc(rest, isACLPurpose); end >= 0 {
			rest = rest[:end]
		}
		switch words[i] {
		case "server":
			p.Server = true
		case "storm":
			p.Storm = true
		case "jobs":
			for _, name := range rest {
				if !slices.Contains(jobs.Names(), name) {
					return p, fmt.Errorf("no job system is called %q%s; there are: %s", name, nearest.Question(name, jobs.Names()), strings.Join(jobs.Names(), ", "))
				}
			}
			if p.Systems = append(p.Systems, rest...); len(rest) == 0 {
				p.Systems = jobs.Names()
			}
			i += len(rest)
		case "keys":
			if len(rest) == 0 {
				return p, fmt.Errorf("keys needs at least one pattern, as keys 'cache:*'")
			}
			p.Keys = append(p.Keys, rest...)
			i += len(rest)
		default:
			return p, fmt.Errorf("unknown purpose %q%s; there are: server; storm; jobs [SYSTEM ...]; keys PATTERN ... (any number)",
				words[i], nearest.Question(words[i], aclPurposeWords))
		}
	}
	return p, nil
}

var aclPurposeWords = []string{"server", "storm", "jobs", "keys"}

func isACLPurpose(word string) bool {
	return slices.Contains(aclPurposeWords, word)
}

// basics are commands that every purpose needs. AUTH needs no permission; CLIENT
// SETNAME only gives our connections a name; ASKING goes before a command whose
// key is on its way to another node of a cluster, ROLE before those to a master
// that sentinels named.
var basics = []string{"select", "client|setname", "asking", "role"}

// Rule returns the ACL SETUSER command for Redis 7.0 and newer, and Valkey.
func (a ACL) Rule() string {
	return a.rule([]string{"resetkeys", "resetchannels"}, "%R~")
}

// RuleRedis6 returns it for Redis 6, which knows no keys that may only be read:
// that nothing is written is due to the commands alone.
func (a ACL) RuleRedis6() string {
	return a.rule([]string{"resetkeys"}, "~")
}

func (a ACL) rule(resets []string, read string) string {
	rule := append([]string{"ACL", "SETUSER", a.User, "on", ">PASSWORD"}, resets...)
	for _, pattern := range a.patterns() {
		rule = append(rule, quoted(read+pattern))
	}
	rule = append(rule, "-@all")
	for _, command := range slices.Concat(basics, a.commands()) {
		rule = append(rule, "+"+command)
	}
	return strings.Join(rule, " ")
}

// patterns are the keys that may be read.
func (a ACL) patterns() []string {
	var out []string
	if a.Purposes.Storm {
		out = append(out, storm.KeyPatterns(a.Storm)...)
	}
	for _, pattern := range slices.Concat(jobs.KeyPatterns(a.Jobs, a.Purposes.Systems), a.Purposes.Keys) {
		if !slices.Contains(out, pattern) {
			out = append(out, pattern)
		}
	}
	return out
}

// commands are those that every Redis 7.0 knows.
func (a ACL) commands() []string {
	var out []string
	for _, m := range All() {
		switch aclPurpose(m) {
		case "server":
			if a.Purposes.Server {
				// Only RediSearch 1, which has no list of its indexes, needs SCAN for them.
				out = append(out, without(m.Commands, []string{"scan"})...)
			}
		case "storm":
			if a.Purposes.Storm {
				out = append(out, m.Commands...)
			}
		case "keys":
			if len(a.Purposes.Keys) > 0 || a.Purposes.everythingElse() {
				out = append(out, m.Commands...)
			}
		case "jobs":
			if len(a.Purposes.Systems) > 0 {
				out = append(out, jobs.Commands(a.Purposes.Systems)...)
				out = append(out, without(m.Commands, jobs.Commands(jobs.Names()))...)
			}
		}
	}
	slices.Sort(out)
	return without(slices.Compact(out), slices.Concat(valkeyCommands, searchCommands, userCommands, newerNames()))
}

// everythingElse: the rule without purposes has the commands for keys as well,
// which then reads those that the others may.
func (p ACLPurposes) everythingElse() bool {
	return p.Server && p.Storm && len(p.Systems) == len(jobs.Names())
}

func without(all, some []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(c string) bool { return slices.Contains(some, c) })
}

// aclPurpose is what a user needs a metric's commands for.
func aclPurpose(m *item.Metric) string {
	switch {
	case strings.HasPrefix(m.Key, "storm."):
		return "storm"
	case strings.HasPrefix(m.Key, "job."):
		return "jobs"
	case strings.HasPrefix(m.Key, "redis.key"), strings.HasPrefix(m.Key, "redis.stream"):
		return "keys" // redis.keys.* and redis.keyspace.sample too
	}
	return "server"
}

// valkeyCommands are those that Valkey has from 8.1 on, and Redis has not. A
// server refuses a rule with a command that it does not know, all of it.
var valkeyCommands = []string{"commandlog|get", "commandlog|len"}

// RuleValkey returns what the user needs in addition on Valkey 8.1 and newer, as
// a command of its own; "" when it needs nothing.
func (a ACL) RuleValkey() string { return a.addition(valkeyCommands) }

// searchCommands are those of a server that has search indexes.
var searchCommands = []string{"ft._list", "ft.info"}

// RuleSearch returns what the user needs in addition where there are search
// indexes: Redis 8, RediSearch 2 and valkey-search. RediSearch 1 knows no
// FT._LIST; its FT.INFO counts as a write to a key of the index's name.
func (a ACL) RuleSearch() string { return a.addition(searchCommands) }

// userCommands show the hashes of all users' passwords. They are sent on request
// alone, so that no user has to have them.
var userCommands = []string{"acl|list"}

// OnRequest reports whether a metric sends the command only where a parameter of
// the item says so.
func OnRequest(command string) bool { return slices.Contains(userCommands, command) }

// RuleUsers returns what the user needs in addition for redis.advice.get with
// Users=yes.
func (a ACL) RuleUsers() string { return a.addition(userCommands) }

func (a ACL) addition(commands []string) string {
	if !a.Purposes.Server {
		return ""
	}
	return "ACL SETUSER " + a.User + " +" + strings.Join(commands, " +")
}

// RuleNoConfig returns what takes CONFIG GET from the user, which shows it the
// passwords in requirepass and masterauth; "" when it has it not. Redis 6 takes a
// subcommand only with its command.
func (a ACL) RuleNoConfig() string {
	if !a.Purposes.Server {
		return ""
	}
	return "ACL SETUSER " + a.User + " -config"
}

// Text returns all rules: the first line is the one for Redis 7.0 and newer, and
// each of the others stands under a comment that says which servers it is for.
func (a ACL) Text() string {
	lines := []string{
		a.Rule(),
		"# The line above is for Redis 7.0 and newer, and for Valkey. Run it, then each line below whose comment names your server:",
		"# instead, on Redis 6, where keys cannot be read-only:", a.RuleRedis6(),
	}
	additions := []ACLAddition{
		{"in addition, on Valkey 8.1 and newer:", a.RuleValkey()},
		{"in addition, where there are search indexes (Redis 8, RediSearch 2, valkey-search):", a.RuleSearch()},
	}
	for _, more := range slices.Concat(additions, a.RulesNewer(), []ACLAddition{{
		"not needed, only for redis.advice.get with the parameter Users=yes, on Redis 6 and newer; it shows this user the hashes of all users' passwords:", a.RuleUsers(),
	}, {
		"not needed, takes CONFIG GET away, which shows this user the passwords in requirepass and masterauth. Without it redis.server.config is an error, " +
			"redis.get has limits only as far as INFO has them, redis.config.get has nothing to compare, and a part of the rules of redis.advice.get is not judged:", a.RuleNoConfig(),
	}}) {
		if more.Rule != "" {
			lines = append(lines, "# "+more.Where, more.Rule)
		}
	}
	return strings.Join(lines, "\n")
}

// quoted writes an argument as redis-cli reads it.
func quoted(arg string) string {
	if !strings.ContainsAny(arg, " \t\r\n\"'\\") {
		return arg
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`).Replace(arg) + `"`
}
