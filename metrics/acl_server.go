package metrics

import (
	"slices"
	"strings"

	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
)

// Server is what a server says of itself, as far as it decides which commands the
// plugin sends to it, and how a right is written there.
type Server struct {
	id      info.Identity
	cluster bool
	modules []string
}

// ReadServer reads the sections Server, Cluster and Modules of INFO. Of a text that is
// none nothing is known: such a server has what every Redis 7.0 has.
func ReadServer(text []byte) *Server {
	s := &Server{}
	x, err := info.Scan(text, nil, nil)
	if err != nil {
		return s
	}
	s.id = info.Identify(&x)
	enabled, _ := x.Field("cluster", "cluster_enabled")
	s.cluster = string(enabled) == "1"
	for line := range strings.Lines(string(text)) {
		if module, ok := strings.CutPrefix(line, "module:name="); ok {
			name, _, _ := strings.Cut(module, ",")
			s.modules = append(s.modules, strings.ToLower(name))
		}
	}
	return s
}

// IsSentinel reports whether it is a sentinel.
func (s *Server) IsSentinel() bool { return s.id.Mode == "sentinel" }

// DryRun reports whether the server can be asked what a user may do, with no trace in
// its log of refusals.
// Source: https://redis.io/docs/latest/commands/acl-dryrun/
func (s *Server) DryRun() bool { return s.atLeast7() && s.id.Flavour != "" }

// atLeast7 reports whether it is Redis 7.0 or newer, or takes after it.
func (s *Server) atLeast7() bool {
	switch s.id.Flavour {
	case "redis":
		return s.id.AtLeast("redis", 7, 0)
	case "keydb": // of Redis 6
		return false
	}
	return true
}

func (s *Server) hasModule(name string) bool { return slices.Contains(s.modules, name) }

// sometimes are the commands that the plugin sends to some servers alone, with what
// such a server is. A server refuses what is not permitted before it says that there is
// no such subcommand, so that a refusal does not tell whether the right is of any use.
var sometimes = map[string]func(s *Server) bool{
	"latency|histogram":         (*Server).atLeast7,
	"pubsub|shardnumsub":        (*Server).atLeast7,
	"commandlog|get":            func(s *Server) bool { return s.id.AtLeast("valkey", 8, 1) },
	"commandlog|len":            func(s *Server) bool { return s.id.AtLeast("valkey", 8, 1) },
	"cluster|getslotmigrations": func(s *Server) bool { return s.cluster && s.id.AtLeast("valkey", 9, 0) },
	"cluster|migration":         func(s *Server) bool { return s.cluster && s.id.AtLeast("redis", 8, 4) },
	"cluster|slot-stats": func(s *Server) bool {
		return s.cluster && (s.id.AtLeast("redis", 8, 2) || s.id.AtLeast("valkey", 8, 0))
	},
	"hotkeys|get": func(s *Server) bool { return s.id.AtLeast("redis", 8, 6) },
	// RediSearch 1 is called ft, and the right that it wants is another one.
	"ft._list": func(s *Server) bool { return s.hasModule("search") },
	"ft.info":  func(s *Server) bool { return s.hasModule("search") },
	"vcard":    func(s *Server) bool { return s.hasModule("vectorset") },
	"arcount":  func(s *Server) bool { return s.id.AtLeast("redis", 8, 8) },
}

// byType are the commands that are sent only for a key of a type that few have.
var byType = []string{"vcard", "arcount"}

// sends reports whether the plugin sends a command to the server, if an item asks for
// what it tells.
func (s *Server) sends(command string) bool {
	if on, known := sometimes[command]; known {
		return on(s)
	}
	return s.cluster || !strings.HasPrefix(command, "cluster|")
}

// Needs are the commands that the plugin sends to the server: for figures of its own,
// for what is in keys, and those that it sends for keys of rare types alone. A command
// is in one of them.
func (s *Server) Needs() (server, keyed, rare []string) {
	if s.IsSentinel() {
		return []string{"info", "ping", "sentinel|masters"}, nil, nil
	}
	of := func(is func(m *item.Metric) bool) []string {
		var out []string
		for _, m := range table {
			if is(m) {
				out = append(out, m.Commands...)
			}
		}
		slices.Sort(out)
		return slices.DeleteFunc(slices.Compact(out), func(c string) bool { return OnRequest(c) || !s.sends(c) })
	}
	server = of(func(m *item.Metric) bool { return aclPurpose(m) == "server" })
	server = without(server, []string{"scan"}) // see ACL.commands
	keyed = without(of(func(m *item.Metric) bool { return aclPurpose(m) != "server" }), server)
	for _, c := range byType {
		if slices.Contains(keyed, c) {
			rare = append(rare, c)
		}
	}
	return server, without(keyed, rare), rare
}

// Grant is the command that gives the user these rights on the server, in addition to
// those that it has.
func (s *Server) Grant(user string, commands, patterns []string) string {
	read := "%R~"
	if !s.atLeast7() {
		read = "~" // Redis 6 knows no keys that may only be read
	}
	rule := []string{"ACL", "SETUSER", quoted(user)}
	for _, pattern := range patterns {
		rule = append(rule, quoted(read+pattern))
	}
	for _, c := range commands {
		rule = append(rule, "+"+c)
	}
	return strings.Join(rule, " ")
}

// MayLack reports whether the documents say how to take a right from the user, and what
// becomes of its items then.
func MayLack(command string) bool { return command == "config|get" }
