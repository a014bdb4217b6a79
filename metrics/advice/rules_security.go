package advice

import (
	"fmt"
	"net"
	"strings"
)

var securityRules = []Rule{
	{
		ID: "open_to_network", Severity: High, Scope: Server,
		Title:  "Anybody on the network can do anything",
		When:   "The user default needs no password, protected-mode is no, bind has an address that is no loopback address, and clients need no certificate (port 0 with tls-auth-clients yes).",
		Why:    "Whoever reaches the port reads, changes and deletes everything, and can make the server write files or run code.",
		Remedy: "Set requirepass or ACL users, and bind to the addresses of a private network. Until then: protected-mode yes.",
		Source: "https://redis.io/docs/latest/operate/oss_and_stack/management/security/",
		judge: func(f *facts) string {
			if !f.defaultIsOpen() || f.setting("protected-mode") != "no" || onLoopback(f.setting("bind")) {
				return ""
			}
			if port, tls := f.setting("port"), f.config["tls-port"]; port == "0" && (tls == "" || tls == "0") {
				return "" // a unix socket alone
			} else if port == "0" && f.setting("tls-auth-clients") == "yes" {
				return "" // who has no certificate of ours is refused
			}
			return fmt.Sprintf("no password, protected-mode is no, bind is %q", f.setting("bind"))
		},
	},
	{
		ID: "no_password", Severity: Info, Scope: Server,
		Title:  "The server needs no password",
		When:   "The user default needs no password, and only the loopback address or protected-mode keeps others out.",
		Why:    "Each process of this machine can do anything. A change of bind or protected-mode opens the server to the network.",
		Remedy: "Set requirepass, or ACL users and ACL SETUSER default off.",
		Source: "https://redis.io/docs/latest/operate/oss_and_stack/management/security/",
		judge: func(f *facts) string {
			if !f.defaultIsOpen() || f.setting("protected-mode") == "no" && !onLoopback(f.setting("bind")) {
				return ""
			}
			return fmt.Sprintf("no password; bind is %q, protected-mode %s", f.setting("bind"), f.setting("protected-mode"))
		},
	},
	{
		ID: "user_without_password", Severity: High, Scope: Users,
		Title:  "A user needs no password",
		When:   "A user other than default is on and has nopass in ACL LIST.",
		Why:    "Whoever knows the user's name has its rights.",
		Remedy: "ACL SETUSER name resetpass >password, then ACL SAVE or CONFIG REWRITE.",
		Source: "https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/",
		judge: func(f *facts) string {
			var open []string
			for _, u := range f.knownUsers() {
				if u.on && u.nopass && u.name != "default" {
					open = append(open, u.name)
				}
			}
			return list(open)
		},
	},
	{
		ID: "many_administrators", Severity: Info, Scope: Users,
		Title:  "Several users may run dangerous commands",
		When:   "At least two users that are on may run FLUSHALL, CONFIG SET, DEBUG or SHUTDOWN by ACL LIST.",
		Why:    "An application that is broken into, or has a bug, can then delete everything, stop the server or change its files. One administrator is enough.",
		Remedy: "Take the commands from the users of applications: ACL SETUSER name -@dangerous, and give back what they need, as +info.",
		Source: "https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/",
		judge: func(f *facts) string {
			var able []string
			for _, u := range f.knownUsers() {
				if u.on && len(u.may) > 0 {
					able = append(able, u.name+" ("+strings.Join(u.may, " ")+")")
				}
			}
			if len(able) < 2 {
				return ""
			}
			return list(able)
		},
	},
	{
		ID: "version_ended", Severity: Warning, Scope: Server,
		Title:  "This version gets no fixes any more",
		When:   "Redis before 6.2, or 7.0: their support had ended by 2024. Not of Amazon's services, which maintain versions longer.",
		Why:    "Known holes stay open, among them some that run code from a script.",
		Remedy: "Upgrade to a supported release. If your distribution maintains its package of this version, install its updates and silence this rule.",
		Source: "https://github.com/redis/redis/security/policy",
		judge: func(f *facts) string {
			var major, minor int
			if f.id.Flavour != "redis" || f.ofAmazon() {
				return ""
			}
			if n, _ := fmt.Sscanf(f.id.Version, "%d.%d", &major, &minor); n != 2 {
				f.lacks("INFO does not tell the version")
				return ""
			}
			if major > 7 || major == 7 && minor > 0 || major == 6 && minor >= 2 {
				return ""
			}
			return "Redis " + f.id.Version
		},
	},
}

// defaultIsOpen reports whether the user default needs no password.
func (f *facts) defaultIsOpen() bool {
	if f.why.users == nil {
		for _, u := range f.users {
			if u.name == "default" {
				return u.on && u.nopass
			}
		}
	}
	if f.loginOK && f.anonymous {
		return true
	}
	if f.setting("requirepass") != "" {
		return false
	}
	if _, acl := f.config["acllog-max-len"]; acl { // Redis 6 and newer: ACL SETUSER may have given it one
		f.lacks("only ACL LIST tells whether the user default has a password: parameter Users")
	}
	return true
}

// onLoopback reports whether addresses, as bind has them, are all of this machine.
func onLoopback(bind string) bool {
	addrs := strings.Fields(bind)
	for _, addr := range addrs {
		ip := net.ParseIP(strings.TrimPrefix(addr, "-"))
		if addr != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return false
		}
	}
	return len(addrs) > 0
}

// user is a line of ACL LIST, as far as the rules need it.
type user struct {
	name       string
	on, nopass bool
	may        []string // which of dangerousCommands it may run
}

func (f *facts) knownUsers() []user {
	if f.why.users != nil {
		f.lacks("ACL LIST: %v", f.why.users)
	}
	return f.users
}

// dangerousCommands are those that many_administrators looks at, with their ACL
// categories. Source: redis src/commands/*.json
var dangerousCommands = []struct {
	name       string
	categories map[string]bool
}{
	{"flushall", setOf("keyspace write slow dangerous")},
	{"config|set", setOf("admin slow dangerous")},
	{"debug", setOf("admin slow dangerous")},
	{"shutdown", setOf("admin slow dangerous")},
}

// parseUser reads a line of ACL LIST:
//
//	user alice on #2bd8… ~* &* -@all +@read (~key +@write)
//
// What stands in parentheses is a set of rights of its own.
// Source: https://redis.io/docs/latest/commands/acl-list/
func parseUser(line string) (user, bool) {
	words := strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ").Replace(line))
	if len(words) < 2 || words[0] != "user" {
		return user{}, false
	}
	u := user{name: words[1]}
	may := make([]bool, len(dangerousCommands))
	own := make([]bool, len(dangerousCommands))
	for _, word := range words[2:] {
		switch word {
		case "on":
			u.on = true
		case "nopass":
			u.nopass = true
		case "(", ")":
			for i := range own {
				may[i] = may[i] || own[i]
			}
			own = make([]bool, len(dangerousCommands))
		default:
			for i, c := range dangerousCommands {
				if allowed, concerns := judgeWord(word, c.name, c.categories); concerns {
					own[i] = allowed
				}
			}
		}
	}
	for i, c := range dangerousCommands {
		if may[i] || own[i] {
			u.may = append(u.may, strings.ReplaceAll(c.name, "|", " "))
		}
	}
	return u, true
}

// judgeWord reads one word of a user's rights.
func judgeWord(word, command string, categories map[string]bool) (allowed, concerns bool) {
	switch word {
	case "allcommands":
		return true, true
	case "nocommands":
		return false, true
	}
	if word[0] != '+' && word[0] != '-' {
		return false, false
	}
	what := strings.ToLower(word[1:])
	container, _, _ := strings.Cut(command, "|")
	category, isCategory := strings.CutPrefix(what, "@")
	switch {
	case isCategory && (category == "all" || categories[category]), what == command, what == container:
		return word[0] == '+', true
	}
	return false, false
}
