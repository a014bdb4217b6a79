package templates

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
)

// revision is the last part of the templates' version, which the frontend shows. It is raised with each release that
// changes a template.
const revision = "1"

// macros are those of the template. A timeout of items exists since Zabbix 7.0.
func (g *generator) macros() (out []macro) {
	priorities := map[int]int{} // by rank: what is required, then other questions, then thresholds
	for _, m := range g.Macros {
		if m.Name == g.timeoutMacro() && !g.format.modern() {
			continue
		}
		made := macro{Macro: m.Name, Value: m.Value, Description: m.About}
		question := m.Ask
		if question.Label == "" && threshold.MatchString(m.Name) {
			question.Label, _, _ = strings.Cut(m.About, ". ")
			question.Label = strings.TrimSuffix(question.Label, ".")
			question.Section = "Thresholds"
		}
		if question.Label != "" && g.format.wizard() {
			rank := 1000
			switch {
			case question.Required:
				rank = 0
			case m.Ask.Label != "":
				rank = 100
			}
			priorities[rank]++
			made.Config = question.config(rank + priorities[rank])
		}
		out = append(out, made)
	}
	return out
}

// threshold are macros that the wizard asks for without being told to; not those with a context.
var threshold = regexp.MustCompile(`\.(MAX|MIN)(\.(WARN|CRIT))?\}$`)

func (g *generator) timeoutMacro() string { return "{$" + g.macroPrefix() + ".TIMEOUT}" }

// timeout is that of an item or rule that asks the plugin.
func (g *generator) timeout() string {
	if g.format.modern() {
		return g.timeoutMacro()
	}
	return ""
}

// config is how the wizard shows a macro; those without one it does not show.
func (a ask) config(priority int) *config {
	c := &config{Type: "TEXT", Priority: strconv.Itoa(priority), Section: a.Section, Label: a.Label, Regex: a.Regex}
	if a.Required {
		c.Required = "YES"
	}
	switch {
	case a.Tick:
		c.Type, c.Options = "CHECKBOX", []configOption{{Checked: "1", Unchecked: "0"}}
	case len(a.Choice) > 0:
		c.Type = "LIST"
		for _, kv := range a.Choice {
			c.Options = append(c.Options, configOption{Value: kv[0], Text: kv[1]})
		}
	}
	return c
}

// readme is what the wizard shows before it asks, in Markdown.
func (g *generator) readme() string {
	var b strings.Builder
	b.WriteString("## Setup\n\n")
	steps := []string{
		"Install the package zabbix-agent2-plugin-redisjobs on the host of Zabbix agent 2. The script that this wizard offers installs the agent alone.",
	}
	conn, sessions := "", ""
	for _, m := range g.Macros {
		if strings.HasSuffix(m.Name, ".CONN}") {
			conn = m.Name
		}
		if strings.HasSuffix(m.Name, ".SESSIONS}") {
			sessions = m.Name
		}
	}
	if conn != "" || g.macroPrefix() == "SESSIONS" || g.macroPrefix() == "HOSTS" {
		steps = append(steps, "Name the server in a session of `/etc/zabbix/zabbix_agent2.d/plugins.d/redisjobs.conf`:\n\n"+
			"    ```\n    Plugins.RedisJobs.Sessions.Main.Uri="+cmp.Or(g.Example, "tcp://localhost:6379")+"\n    Plugins.RedisJobs.Sessions.Main.PasswordFile=/etc/zabbix/main.password\n    ```")
	}
	if sessions != "" {
		steps = append(steps, "Name each server in a session of `/etc/zabbix/zabbix_agent2.d/plugins.d/redisjobs.conf`:\n\n"+
			"    ```\n    Plugins.RedisJobs.Sessions.Primary.Uri=tcp://redis-1:6379\n    Plugins.RedisJobs.Sessions.Replica.Uri=tcp://redis-2:6379\n    ```")
	}
	steps = append(steps, "Restart the agent. `zabbix-agent2-plugin-redisjobs doctor` checks the configuration and says what is missing.")
	if conn != "" {
		steps = append(steps, "In the next step of this wizard, enter the session's name (`Main`) for `"+conn+"`.")
	}
	if sessions != "" {
		steps = append(steps, "In the next step of this wizard, enter the sessions' names (`Primary Replica`) for `"+sessions+"`.")
	}
	for n, step := range steps {
		b.WriteString(strconv.Itoa(n+1) + ". " + step + "\n")
	}
	return strings.TrimSpace(b.String()) // the frontend takes the last line's end off
}
