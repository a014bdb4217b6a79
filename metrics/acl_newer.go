package metrics

// newerCommands are those that only newer servers know, what they are for, and
// the purpose that needs them. An older server refuses a rule that names one.
var newerCommands = []struct{ where, command, purpose string }{
	{"on the nodes of a cluster of Valkey 9 and newer", "cluster|getslotmigrations", "server"},
	{"on the nodes of a cluster of Redis 8.4 and newer", "cluster|migration", "server"},
	{"on the nodes of a cluster of Valkey 8.0, Redis 8.2 and newer", "cluster|slot-stats", "server"},
	{"for hot keys, on Redis 8.6 and newer", "hotkeys|get", "server"},
	{"for the length of vector sets, on Redis 8 and newer", "vcard", "keys"},
	{"for the length of arrays, on Redis 8.8 and newer", "arcount", "keys"},
}

func newerNames() []string {
	var out []string
	for _, c := range newerCommands {
		out = append(out, c.command)
	}
	return out
}

// ACLAddition is what a user needs in addition to the rule, as a command of its
// own, and where.
type ACLAddition struct{ Where, Rule string }

// RulesNewer are the additions for commands that only newer servers know.
func (a ACL) RulesNewer() []ACLAddition {
	var out []ACLAddition
	for _, c := range newerCommands {
		if c.purpose == "server" && a.Purposes.Server || c.purpose == "keys" && (len(a.Purposes.Keys) > 0 || a.Purposes.everythingElse()) {
			out = append(out, ACLAddition{"in addition, " + c.where + ":", "ACL SETUSER " + a.User + " +" + c.command})
		}
	}
	return out
}
