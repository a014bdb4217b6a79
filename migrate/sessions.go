package migrate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"redisjobs/agentconf"
	"redisjobs/conf"
)

// copied are the fields of a session, or of Default, that both plugins have, with
// the same meaning.
var copied = []string{"Uri", "User", "Password", "TLSConnect", "TLSCAFile", "TLSCertFile", "TLSKeyFile"}

// copies is what is to be copied of the built-in plugin's settings.
type copies struct {
	lines []agentconf.Line // with the names of this plugin, in the order of the file
	left  []string         // what is not copied, and why
	there []string         // sessions that this plugin has already, to the same address
	clash []string         // sessions that this plugin has, to another address
}

// copySettings finds what is to be copied. raw has the values as they are written,
// ${NAME} included.
func copySettings(raw *agentconf.Config) copies {
	var c copies
	own := map[string]bool{} // groups that this plugin has, and its options
	for _, l := range raw.Below(prefix) {
		own[groupOf(strings.TrimPrefix(l.Name, prefix))] = true
	}
	seen := map[string]bool{}
	for _, l := range raw.Below(builtinPrefix) {
		name := strings.TrimPrefix(l.Name, builtinPrefix)
		group := groupOf(name)
		switch {
		case !copiedName(name):
			c.left = append(c.left, fmt.Sprintf("%s: %s is not copied: this plugin has no such setting", l.At(), l.Name))
		case own[group]:
			if !seen[group] {
				seen[group] = true
				c.compare(raw, group, l)
			}
		default:
			l.Name = prefix + name
			c.lines = append(c.lines, l)
		}
	}
	return c
}

// defaultTimeout is the agent's own Timeout where its configuration has none, in
// seconds.
const defaultTimeout = 3

// dropTimeout leaves out a timeout that an agent before 7.0 does not wait for: a plugin
// that is not built in has the time of the agent's own Timeout there.
func (c *copies) dropTimeout(s settings) {
	agent := defaultTimeout
	if l, ok := s.live.Last("Timeout"); ok && l.Value != "" {
		agent, _ = strconv.Atoi(l.Value) // what is no number is reported as such
	}
	c.lines = slices.DeleteFunc(c.lines, func(l agentconf.Line) bool {
		seconds, err := strconv.Atoi(l.Value)
		if l.Name != prefix+"Timeout" || err != nil || seconds <= agent || s.version.Known() && !s.version.Before(7, 0) {
			return false
		}
		if !s.version.Known() {
			c.left = append(c.left, fmt.Sprintf("%s: should this agent be older than 7.0, it waits no longer for this plugin than its own Timeout of %d s: set Timeout=%d in %s then",
				l.At(), agent, seconds, s.live.Main))
			return false
		}
		c.left = append(c.left, fmt.Sprintf("%s: %sTimeout=%d is not copied: this agent, which has version %s, waits no longer for this plugin than its own Timeout of %d s: "+
			"to allow %d s, set Timeout=%d in %s", l.At(), builtinPrefix, seconds, s.version, agent, seconds, seconds, s.live.Main))
		return true
	})
}

// groupOf is Sessions.X or Default of one of their fields, and else the option.
func groupOf(name string) string {
	parts := strings.Split(name, ".")
	if parts[0] == "Sessions" && len(parts) > 2 {
		return parts[0] + "." + parts[1]
	}
	return parts[0]
}

func copiedName(name string) bool {
	parts := strings.Split(name, ".")
	switch {
	case name == "Timeout", name == "KeepAlive":
		return true
	case parts[0] == "Default" && len(parts) == 2:
		return slices.Contains(copied, parts[1])
	case parts[0] == "Sessions" && len(parts) == 3:
		return slices.Contains(copied, parts[2])
	}
	return false
}

// compare looks whether a group that both plugins have leads to the same server.
func (c *copies) compare(raw *agentconf.Config, group string, at agentconf.Line) {
	ours, theirs := address(raw, prefix, group), address(raw, builtinPrefix, group)
	switch {
	case group != "Default" && !strings.HasPrefix(group, "Sessions."):
		c.left = append(c.left, fmt.Sprintf("%s: %s is not copied: %s is set", at.At(), at.Name, prefix+group))
	case ours == theirs:
		c.there = append(c.there, group)
	default:
		c.clash = append(c.clash, fmt.Sprintf("%s: %s leads to %s, and %s to %s: make them lead to the same server, or remove one",
			at.At(), builtinPrefix+group, theirs, prefix+group, ours))
	}
}

// address is where a session, or Default, leads to; it has no secret.
func address(raw *agentconf.Config, from, group string) string {
	only := &agentconf.Config{}
	for _, l := range slices.Concat(raw.Below(from+group+"."), raw.Below(from+"Default.Uri")) {
		l.Name = prefix + strings.TrimPrefix(l.Name, from)
		if strings.HasSuffix(l.Name, ".Uri") || strings.HasSuffix(l.Name, ".Database") {
			only.Lines = append(only.Lines, l)
		}
	}
	options, err := conf.Load(only)
	if err != nil {
		return "no valid address"
	}
	target, err := options.Resolve(conf.Ref{Conn: strings.TrimPrefix(strings.TrimPrefix(group, "Sessions."), "Default")})
	if err != nil {
		return "no valid address"
	}
	return target.URI()
}

// source is the file that the copies come from; that of a password, if there is
// one, which must stay as closed as it is.
func (c copies) source() string {
	for _, l := range c.lines {
		if strings.HasSuffix(l.Name, "Password") {
			return l.File
		}
	}
	return c.lines[0].File
}

// text is the file with the copies.
func (c copies) text() string {
	var b strings.Builder
	b.WriteString("# The sessions of agent 2's built-in plugin Redis, copied for RedisJobs by \"" + program + " migrate\".\n" +
		"# Change them here; remove this file to be without them.\n\n")
	for _, l := range c.lines {
		b.WriteString(l.Name + "=" + l.Value + "\n")
	}
	return b.String()
}

// shown is a line as it may be printed.
func shown(l agentconf.Line) string {
	if strings.HasSuffix(l.Name, "Password") && l.Variable == "" {
		return l.Name + "=***"
	}
	if strings.HasSuffix(l.Name, "Uri") && strings.Contains(l.Value, "@") {
		return l.Name + "=***" // a password may stand in it
	}
	return l.Name + "=" + l.Value
}
