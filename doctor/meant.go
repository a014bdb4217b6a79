package doctor

import (
	"fmt"
	"strings"

	"redisjobs/agentconf"
	"redisjobs/conf"
	"redisjobs/metrics"
	"redisjobs/nearest"
)

// builtinPrefix is what the options of the agent's built-in plugin begin with.
const builtinPrefix = "Plugins.Redis."

// misspelt finds lines whose names come close to those of this plugin. The agent
// takes them for those of a plugin that it does not know, and says nothing.
func (d *doctor) misspelt() {
	type group struct {
		first agentconf.Line
		count int
	}
	groups := map[string]*group{}
	var order []string
	for _, l := range d.config.Lines {
		begin, rest, ok := nearly(l.Name)
		if !ok {
			continue
		}
		g := groups[begin]
		if g == nil {
			l.Name = rest
			g = &group{first: l}
			groups[begin] = g
			order = append(order, begin)
		}
		g.count++
	}
	for _, begin := range order {
		g := groups[begin]
		d.say(problem, "options", fmt.Sprintf("%s: no plugin is called %s, so that its %s no effect: did you mean %s?",
			g.first.At(), strings.TrimSuffix(begin, "."), counted(g.count, "line has", "lines have"), strings.TrimSuffix(prefix, ".")), prefix+g.first.Name+"=...")
	}
}

// counted is a number with its noun.
func counted(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// nearly splits a name that begins nearly as the plugin's options do.
func nearly(name string) (begin, rest string, ok bool) {
	first, after, dot := strings.Cut(name, ".")
	second, rest, dot2 := strings.Cut(after, ".")
	if !dot || !dot2 {
		return "", "", false
	}
	begin = first + "." + second + "."
	near := nearest.Of(first, []string{"Plugins"}) != "" && nearest.Of(second, []string{conf.PluginName}) != ""
	return begin, rest, near && begin != prefix
}

// variables reports what becomes of ${NAME}.
func (d *doctor) variables() {
	if !d.version.ReplacesVariables() {
		for _, l := range d.config.Variables {
			if strings.HasPrefix(l.Name, prefix) {
				d.say(warning, "variables", fmt.Sprintf("%s: %s: agents before 7.2 do not replace environment variables, and this one has version %s: "+
					"the text itself is the value", l.At(), l.Name, d.version), "write the value, or use an option that names a file")
			}
		}
		return
	}
	for _, l := range d.config.Unset {
		if l.Name == "Include" || strings.HasPrefix(l.Name, prefix) {
			d.say(warning, "variables", fmt.Sprintf("%s: %s: the environment variable %s is not set here; where it is not set for the agent, the agent drops the line",
				l.At(), l.Name, l.Variable), "run this with the agent's environment, or set the variable: systemctl edit zabbix-agent2, Environment="+l.Variable+"=...")
		}
	}
}

// builtinSessions are the sessions of the built-in plugin, each with its first
// line.
func (d *doctor) builtinSessions() (names []string, first map[string]agentconf.Line) {
	first = map[string]agentconf.Line{}
	for _, l := range d.config.Below(builtinPrefix + "Sessions.") {
		name, _, _ := strings.Cut(strings.TrimPrefix(l.Name, builtinPrefix+"Sessions."), ".")
		if _, seen := first[name]; !seen {
			first[name] = l
			names = append(names, name)
		}
	}
	return names, first
}

// builtin reports that the built-in plugin answers its keys for sessions of its
// own, as long as it does.
func (d *doctor) builtin() {
	names, _ := d.builtinSessions()
	if len(names) > 0 && !d.aliased() {
		d.say(fine, "built-in", fmt.Sprintf("the built-in plugin answers redis.ping and the like for its %s; "+
			"zabbix-agent2-plugin-redisjobs migrate shows how this plugin does", counted(len(names), "session", "sessions")), "")
	}
}

// hidden finds sessions of the built-in plugin that the aliases keep it from
// answering for, and that this plugin does not have.
func (d *doctor) hidden(options *conf.Options) {
	if !d.aliased() {
		return
	}
	ours := map[string]bool{}
	for _, s := range options.Sessions() {
		ours[s.Name] = true
	}
	names, first := d.builtinSessions()
	for _, name := range names {
		if !ours[name] {
			d.say(problem, "built-in", fmt.Sprintf("%s: the session %s is the built-in plugin's, and the aliases send redis.ping[%s] and the like to this plugin, "+
				"which has no such session", first[name].At(), name, name), "zabbix-agent2-plugin-redisjobs migrate --apply, which copies it; or switch the aliases off: migrate --back --apply")
		}
	}
}

// aliased reports whether an Alias leads from a key of the built-in plugin to this
// one.
func (d *doctor) aliased() bool {
	for _, l := range d.config.All("Alias") {
		if a, ok := agentconf.ParseAlias(l); ok {
			if ours, builtin := metrics.Builtin(a.Name); builtin && ours == a.Key() {
				return true
			}
		}
	}
	return false
}
