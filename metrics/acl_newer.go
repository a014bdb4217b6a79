package metrics

// newerCommands are those that only newer servers know, and where they are for.
// An older server refuses a rule that names one.
var newerCommands = []struct{ where, command string }{
	{"on the nodes of a cluster of Valkey 9 and newer", "cluster|getslotmigrations"},
	{"on the nodes of a cluster of Redis 8.4 and newer", "cluster|migration"},
	{"for the length of vector sets, on Redis 8 and newer", "vcard"},
	{"for the length of arrays, on Redis 8.8 and newer", "arcount"},
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

// ACLAdditions are those for commands that only newer servers know.
func ACLAdditions(user string) []ACLAddition {
	var out []ACLAddition
	for _, c := range newerCommands {
		out = append(out, ACLAddition{c.where, "ACL SETUSER " + user + " +" + c.command})
	}
	return out
}
