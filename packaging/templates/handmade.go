package templates

import "strings"

// handMade are the item keys that no template has, and why: make items of them by hand
// where they are needed. A test holds that each key is here or in a template.
var handMade = []struct{ key, why string }{
	{"redis.server.info", "the answer of the built-in redis.info; redis.get has the same figures for all items at once"},
	{"redis.server.config", "one parameter; redis.get has those that matter, and redis.config.get says what changed"},
	{"redis.server.slowlog.count", "a number; redis.get has it"},
	{"redis.status", "the reason alone, for a host that needs no figures; redis.get has it"},
	{"redis.instances.get", "for people: what could not be seen of the servers on a machine"},
	{"redis.clients.get", "who is connected, by name, user, network and library; a question of one moment"},
	{"redis.key.get", "one key; the template of keys and streams watches those of a pattern"},
	{"redis.key.length", "one key"},
	{"redis.key.ttl", "one key"},
	{"redis.key.value", "one key, of which only you know what its value means"},
	{"redis.keys.count", "keys of a pattern, counted at each poll"},
	{"redis.keyspace.sample", "all keys by type, time to live and group; a pass over all keys is nothing to start unasked"},
	{"redis.stream.get", "one stream; the template of keys and streams watches those of a pattern"},
	{"redis.search.get", "indexes of modules that few servers have"},
	{"redis.command", "a command of your own; off unless CustomCommands=1"},
	{"storm.job.status", "one job; storm.jobs.get has all"},
	{"storm.job.get", "one job; storm.jobs.get has all"},
	{"storm.job.discovery", "storm.jobs.get discovers the same jobs without another poll"},
	{"storm.cluster.get", "the cluster of a Storm UI, which has one address and no Redis"},
	{"job.queue.get", "one queue; job.get has all"},
}

// handMadeTable is the list in the guide.
func (g *guide) handMadeTable() {
	g.line("\n## Item keys without a template")
	g.line("%s", "")
	g.line("Make items of these by hand where you need them; [keys.md](keys.md) has their parameters and answers.")
	g.line("%s", "")
	g.line("| key | why no template has it |")
	g.line("|---|---|")
	for _, k := range handMade {
		g.line("| [%s](keys.md#%s) | %s |", code(k.key), strings.ReplaceAll(k.key, ".", ""), k.why)
	}
	g.line("%s", "")
}
