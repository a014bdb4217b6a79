package templates

import (
	"fmt"
	"path/filepath"
	"strings"
)

// GuideFile is where the guide stands, seen from the folder of the sources.
const GuideFile = "../../docs/templates.md"

// Guide is docs/templates.md: every macro, item and trigger of the templates
// of a folder, told from their sources.
func Guide(dir string) ([]byte, error) {
	names, err := filepath.Glob(filepath.Join(dir, "source", "*.yaml"))
	if err != nil {
		return nil, err
	}
	g := &guide{}
	g.line("# Templates")
	g.line("")
	g.line("<!-- Written by make generate, from packaging/templates/source. -->")
	g.line("")
	g.b.WriteString(guideHead)
	var sources []*source
	for _, name := range names {
		s, err := readSource(name)
		if err != nil {
			return nil, err
		}
		sources = append(sources, s)
	}
	g.line("| template | macro to set | items, triggers |")
	g.line("|---|---|---|")
	for _, s := range sources {
		items, triggers := len(s.Items), len(s.Triggers)
		count := func(list []sourceItem) {
			for _, i := range list {
				triggers += len(i.Triggers)
			}
		}
		count(s.Items)
		protos := 0
		for _, r := range s.Rules {
			protos += len(r.Items)
			triggers += len(r.Triggers)
			count(r.Items)
		}
		conn := "none"
		for _, m := range s.Macros {
			if m.Ask.Required {
				conn = code(m.Name)
			}
		}
		g.line("| [%s](#%s) | %s | %d and %d of what is discovered, %s |", s.Name, anchor(s.Name), conn, items, protos, counted(triggers, "trigger"))
	}
	for _, s := range sources {
		g.template(s)
	}
	g.handMadeTable()
	return []byte(g.b.String()), nil
}

const guideHead = `Import the files of the newest folder that your Zabbix server reads:

| folder of ` + "`packaging/templates`" + ` | Zabbix server | what it has |
|---|---|---|
| ` + "`6.0`" + ` | 6.0, 6.2, 6.4 | dashboards of graphs and tables |
| ` + "`7.0`" + ` | 7.0, 7.2 | dashboards with honeycombs, gauges and problems; item timeouts by macro |
| ` + "`7.4`" + ` | 7.4, 8.0 | the same, and the Host Wizard offers the templates and asks for their macros |

In the frontend: *Data collection* (*Configuration* in 6.0) → *Templates* → *Import*. ` + "`all_templates.yaml`" + ` has all templates, so
one import is enough. The other files have one template each.

* A file is written as the server itself exports it. Importing it a second time shows no difference, and after an upgrade the
  import dialog shows only what has really changed.
* An older file on a newer server works, but takes away what the newer one has: the file for 6.0 on 7.4 removes the template
  from the Host Wizard. You can change from one folder to the other at any time; all history is kept.
* Each template has two variants, of which a host takes one. With *active* in its name the agent sends the values; without it
  the Zabbix server or proxy polls the agent. Templates that create hosts have no active variant.

**Macros.** Set macros on the host, not in the template, because the next import resets those of the template. Many have a
**context**: a macro with the name of a queue, a replica or a job applies only to that one, for example
` + "`{$JOBS.LATENCY.MAX.WARN:\"sidekiq//mailers\"}`" + ` = ` + "`1h`" + `. The context of ` + "`….PERIOD`" + ` is the kind of problem: ` + "`{$REDIS.PERIOD:\"memory\"}`" + ` is
the time for which memory must be full. A period must be longer than the interval.

**One cause, one problem**, within one template: every trigger depends on "down", and on everything else that would explain it
(*after*, below). Two templates on one host, or two hosts of one agent, each report their own:
[hosts.md](hosts.md#one-alert-for-one-cause) says how to get one alert.

**Silence.** The macro ` + "`….CHECK`" + ` switches problems off. Its context is the queue, node, job or replica, or the name of the problem
without its prefix. ` + "`{$JOBS.CHECK:\"sidekiq//mailers\"}`" + ` = ` + "`0`" + ` is for all problems of that queue, ` + "`{$REDIS.CHECK:\"RDB save failed\"}`" + ` =
` + "`0`" + ` for that one problem. If a managed service does not offer a metric, name it in ` + "`{$REDIS.UNAVAILABLE.NOT_MATCHES}`" + `. A command
that the server does not know raises no problem; a missing permission does.

**How soon.** A server that is down is a problem after two polls in a row (` + "`….DOWN.POLLS`" + ` = ` + "`#2`" + `), within two minutes at the default
interval. A problem that says "for 5m" is raised when it has been so for five minutes of values, and never earlier, for
example just after a queue was discovered.

**Findings, changes, refusals, failures.** Some items are polled less often, each with its own interval
(` + "`….INTERVAL:\"advice\"`" + `, ` + "`\"config\"`" + `, ` + "`\"acl\"`" + `, ` + "`\"slowlog\"`" + `, ` + "`\"failures\"`" + `).

* *Setup has findings of high severity* lists what is wrong with a server. Name rules of [advice.md](advice.md) that you have
  considered in ` + "`{$REDIS.ADVICE.SILENCED}`" + ` on the host, such as ` + "`rdb_save_failed aof_write_failed no_maxmemory`" + `.
* *Configuration was changed* has the old and new values, and ends by itself.
* What changed, was refused, was slow or failed is reported once, to the first poll after it. Do not poll the same key of the
  same server with a second item; change the interval instead.

**Several servers on one agent.** Link *Redis sessions by RedisJobs* to the host of the agent. It finds the sessions in the
configuration of the plugin and watches all their servers on this host, with thresholds by session
(` + "`{$SESSIONS.MEMORY.PUSED.MAX.WARN:\"Prod\"}`" + `). It has those items and problems of *Redis by RedisJobs* that show many servers at a
glance. If a server needs all of them, with its databases, commands and replicas, maintenance and a dashboard of its own, create a
host for it with the same agent interface and the name of its session in ` + "`{$REDIS.CONN}`" + `, and take it out of the first host with
` + "`{$SESSIONS.LLD.FILTER.SESSION.NOT_MATCHES}`" + `.

`

// counted is a number with its noun.
func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

type guide struct{ b strings.Builder }

func (g *guide) line(format string, args ...any) { fmt.Fprintf(&g.b, format+"\n", args...) }

func code(s string) string { return "`" + s + "`" }

// cell is a text in a table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;", "*", `\*`, "_", `\_`, "#", `\#`).Replace(s)
}

// codeCell is code in a table.
func codeCell(s string) string { return code(strings.ReplaceAll(s, "|", `\|`)) }

func anchor(s string) string { return strings.ReplaceAll(strings.ToLower(s), " ", "-") }

func (g *guide) template(s *source) {
	g.line("\n## %s\n", s.Name)
	g.line("%s\n", strings.ReplaceAll(strings.TrimSpace(s.About), "<", "&lt;"))
	if s.Picture != "" {
		g.line("![The dashboard of %s](images/%s)\n", s.Name, s.Picture)
	}
	g.line("### Macros of %s\n", s.Name)
	g.line("| macro | default | meaning |\n|---|---|---|")
	for _, m := range s.Macros {
		value := ""
		if m.Value != "" {
			value = codeCell(m.Value)
		}
		g.line("| %s | %s | %s |", codeCell(m.Name), value, cell(m.About))
	}
	g.line("\n### Triggers of %s\n", s.Name)
	g.line("In expressions %s stands for an item of the host. The template adds the switch %s to each, and the wait to those that say a period.\n",
		code("//key"), code("….CHECK"))
	g.line("| severity | problem | when | until | after | what it means, and what to do |\n|---|---|---|---|---|---|")
	triggers := func(list []sourceTrigger) {
		for _, t := range list {
			severity, _, _ := strings.Cut(t.Is, " ")
			until := ""
			switch {
			case t.Stays:
				until = "closed by hand"
			case t.Until != "":
				until = codeCell(t.Until)
			}
			g.line("| %s | %s | %s | %s | %s | %s |", severity, cell(t.Name), codeCell(t.If), until, cell(strings.Join(t.After, "; ")), cell(t.About))
		}
	}
	for _, i := range s.Items {
		triggers(i.Triggers)
	}
	triggers(s.Triggers)
	for _, r := range s.Rules {
		for _, i := range r.Items {
			triggers(i.Triggers)
		}
		triggers(r.Triggers)
	}
	items := func(list []sourceItem) {
		g.line("| item | key | unit | meaning |\n|---|---|---|---|")
		for _, i := range list {
			g.line("| %s | %s | %s | %s |", cell(i.Name), codeCell(i.Key), cell(strings.TrimPrefix(i.Unit, "!")), cell(i.About))
		}
	}
	g.line("\n### Items of %s\n", s.Name)
	items(s.Items)
	for _, r := range s.Rules {
		g.line("\n**%s** (%s). %s\n", r.Name, code(r.Key), r.About)
		items(r.Items)
	}
}
