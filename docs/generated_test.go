package docs_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template"

	"github.com/stretchr/testify/require"

	"redisjobs/conf"
	"redisjobs/metrics/advice"
	"redisjobs/metrics/jobs"
	"redisjobs/migrate"
	"redisjobs/plugin"
)

// generated are the files that follow from the code in whole or in part, but for
// docs/keys.md, which takes servers (keyReference), and for what
// packaging/templates and test/jobs write. write makes the new text of the old.
var generated = []struct {
	file  string
	write func(t *testing.T, old string) string
}{
	{"docs/configuration.md", writeConfiguration},
	{"docs/security.md", writeRights},
	{"docs/advice.md", writeAdvice},
	{shippedFile, writeShipped},
	{aliasesFile, func(*testing.T, string) string { return migrate.AliasFile(true) }},
	{"conf/option.go", writeJobSystems},
}

// TestGenerated is not parallel: other tests read what it writes.
func TestGenerated(t *testing.T) {
	for _, g := range generated {
		t.Run(g.file, func(t *testing.T) { current(t, g.file, g.write(t, readFile(t, g.file))) })
	}
}

// current holds a file to its text, or with -update writes it.
func current(t *testing.T, file, want string) {
	t.Helper()
	got := readFile(t, file)
	if got == want {
		return
	}
	if *update {
		require.NoError(t, os.WriteFile(top(file), []byte(want), 0o644))
		return
	}
	line := 1
	for i := 0; i < min(len(got), len(want)) && got[i] == want[i]; i++ {
		if got[i] == '\n' {
			line++
		}
	}
	t.Errorf("run make generate: %s is stale (line %d)", file, line)
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

// replaced puts a text between the two groups of the one match of part.
func replaced(t *testing.T, file, text string, part *regexp.Regexp, new string) string {
	t.Helper()
	at := part.FindAllStringSubmatchIndex(text, -1)
	if len(at) != 1 {
		t.Fatalf("%s needs one place for what is generated, and has %d: %s", file, len(at), part)
	}
	return text[:at[0][3]] + new + text[at[0][4]:]
}

// rights are the ACL rules for a server, for what Valkey has more, and for search
// indexes, as -acl prints them among others.
func rights(t *testing.T) (rules [3]string) {
	t.Helper()
	text, err := plugin.ACL("")
	require.NoError(t, err)
	lines := strings.Split(text, "\n")
	rules[0] = lines[0]
	for i, comment := range []string{"# in addition, on Valkey", "# in addition, where there are search indexes"} {
		at := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, comment) })
		if at < 0 || at+1 == len(lines) {
			t.Fatalf("docs/generated_test.go looks for a rule under %q, and -acl prints none", comment)
		}
		rules[i+1] = lines[at+1]
	}
	return rules
}

// writeRights writes the rules of docs/security.md.
func writeRights(t *testing.T, text string) string {
	t.Helper()
	rules := rights(t)
	server, err := plugin.ACL("", "server")
	require.NoError(t, err)
	first, _, _ := strings.Cut(server, "\n")
	all := append(rules[:], strings.Replace(first, " zabbix ", " monitor ", 1))
	for i, begin := range []string{"```redis\nACL SETUSER zabbix ", "```valkey\n", "```search\n", "```redis\nACL SETUSER monitor"} {
		fence, _, _ := strings.Cut(begin, "\n")
		part := regexp.MustCompile(`(?s)(` + fence + `\n)` + strings.TrimPrefix(begin, fence+"\n") + `[^\n]*(\n` + "```" + `\n)`)
		text = replaced(t, "docs/security.md", text, part, all[i])
	}
	return text
}

// writeAdvice writes docs/advice.md.
func writeAdvice(*testing.T, string) string {
	var b strings.Builder
	b.WriteString(adviceIntro)
	for _, scope := range []struct {
		of          advice.Scope
		title, note string
	}{
		{advice.Server, "Servers", ""},
		{advice.Users, "Users", "Only with `Users=yes`, which reads ACL LIST."},
		{advice.Cluster, "Clusters", "Of a node of a cluster."},
		{advice.Sentinel, "Sentinels", "Of a sentinel, and of the sentinels of a `sentinel://` target."},
	} {
		fmt.Fprintf(&b, "\n## %s\n", scope.title)
		if scope.note != "" {
			fmt.Fprintf(&b, "\n%s\n", scope.note)
		}
		for _, r := range advice.Rules() {
			if r.Scope == scope.of {
				fmt.Fprintf(&b, "\n### %s\n\n%s (%s). When: %s\n\n%s\n\nRemedy: %s\n\nSource: %s\n",
					r.ID, r.Title, r.Severity, plain(r.When), plain(r.Why), plain(r.Remedy), linked(r.Source))
			}
		}
	}
	return b.String()
}

// plain is a text without what Markdown takes for emphasis.
func plain(text string) string { return strings.ReplaceAll(text, "*", `\*`) }

// linked makes links of the addresses in a text.
func linked(text string) string {
	return regexp.MustCompile(`https://[^ ;]+`).ReplaceAllString(text, "<$0>")
}

const adviceIntro = `# Advice

<!-- Written by make generate, from the rules in metrics/advice. -->

` + "`redis.advice.get`" + ` judges a server by these rules. A finding has the name of the rule, severity, title, reason and remedy,
and the values by which it was found. If a fact is missing, because the server is too old or the user may not read it, the
rule is not judged, and is listed under ` + "`unjudged`" + `.

Severities: **high**: data or service is at risk now. **warning**: it will fail under load, at the next restart or failover.
**info**: worth knowing.

To silence rules that you have considered, name them in the fourth parameter:
` + "`redis.advice.get[Prod,,,no_maxmemory slow_log_blind]`" + `. Their findings are then listed only by name, under ` + "`silenced`" + `.
`

// writeJobSystems writes conf's list of the job systems: it may not import them.
func writeJobSystems(t *testing.T, old string) string {
	t.Helper()
	names := "\t\"" + strings.Join(jobs.Names(), "\", \"") + "\",\n"
	return replaced(t, "conf/option.go", old, regexp.MustCompile(`(?s)(\nvar jobSystems = \[\]string\{\n)[^}]*(\}\n)`), names)
}

// shippedFile is the configuration that the packages install, and shippedTemplate
// all of it but what follows from the options and the rights.
const shippedFile, shippedTemplate = "packaging/redisjobs.conf", "packaging/redisjobs.conf.tmpl"

// aliasesFile is what "migrate" writes, for who installs without it.
const aliasesFile = "packaging/redisjobs-aliases.conf"

// writeShipped writes the shipped configuration, in the layout of Zabbix' own.
func writeShipped(t *testing.T, _ string) string {
	t.Helper()
	shown := map[string]bool{}
	tmpl, err := template.New(shippedTemplate).Funcs(template.FuncMap{
		"options": func(group string) string {
			var b strings.Builder
			for _, o := range conf.Table() {
				if before, _, below := strings.Cut(o.Name, "."); group == before+"." && below || group == "" && !below {
					shown[o.Name] = true
					b.WriteString(shippedOption(o))
				}
			}
			return strings.TrimSuffix(b.String(), "\n")
		},
		"acl": func() [3]string { return rights(t) },
	}).ParseFiles(top(shippedTemplate))
	require.NoError(t, err)
	var b strings.Builder
	require.NoError(t, tmpl.ExecuteTemplate(&b, "redisjobs.conf.tmpl", nil))
	for _, o := range conf.Table() {
		if !shown[o.Name] {
			t.Errorf("%s lacks a line {{options %q}}, for the option %s", shippedTemplate, o.Name[:strings.Index(o.Name, ".")+1], o.Name)
		}
	}
	return b.String()
}

func shippedOption(o conf.Option) string {
	var b strings.Builder
	name, value := "Plugins.RedisJobs."+o.Name, o.Default
	if o.DefaultNote != "" {
		value = "<" + o.DefaultNote + ">"
	}
	fmt.Fprintf(&b, "### Option: %s\n%s#\n# Mandatory: no\n", name, wrapped(o.Doc, "#\t", 98))
	if o.Range != "" {
		fmt.Fprintf(&b, "# Range: %s\n", o.Range)
	}
	fmt.Fprintf(&b, "# Default:\n# %s=%s\n\n", name, value)
	return b.String()
}

// wrapped breaks a text into lines of at most width characters, each behind begin.
func wrapped(text, begin string, width int) string {
	var b strings.Builder
	line := begin
	for _, word := range strings.Fields(text) {
		switch {
		case line == begin:
			line += word
		case len(line)+1+len(word) > width:
			b.WriteString(line + "\n")
			line = begin + word
		default:
			line += " " + word
		}
	}
	return b.String() + line + "\n"
}

// writeConfiguration writes docs/configuration.md.
func writeConfiguration(*testing.T, string) string {
	var b strings.Builder
	b.WriteString(configurationIntro)
	for _, o := range conf.Table() {
		if strings.HasPrefix(o.Name, "Default.") {
			continue // as in a session
		}
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n", strings.ReplaceAll(o.Name, "*", "&lt;name&gt;"), o.Doc)
		def := o.DefaultNote
		if def == "" && o.Default != "" {
			def = "`" + o.Default + "`"
		}
		if def == "" {
			def = "nothing"
		}
		fmt.Fprintf(&b, "Default: %s.", def)
		if o.Range != "" {
			fmt.Fprintf(&b, " Range: %s.", o.Range)
		}
		fmt.Fprintf(&b, "\n\n```conf\nPlugins.RedisJobs.%s=%s\n```\n", strings.ReplaceAll(o.Name, "*", "Prod"), o.Example)
	}
	return b.String()
}

const configurationIntro = `# Configuration

<!-- Written by make generate, from the option rows in conf/. -->

Put options into the agent's configuration, by default
` + "`/etc/zabbix/zabbix_agent2.d/plugins.d/redisjobs.conf`" + `, one in a line: ` + "`Plugins.RedisJobs.<option>=<value>`" + `.
Most installations need only sessions. Check the file with ` + "`zabbix-agent2-plugin-redisjobs doctor`" + `, then restart the
agent: it reads the options only when it starts, and not at ` + "`zabbix_agent2 -R userparameter_reload`" + `.

* The name of a session takes letters, digits and underscores: ` + "`Shop_1`" + `, not ` + "`shop-1`" + `.
* An unknown option or a value out of range keeps the agent from starting, with a message that names the line.
* A file that cannot be read, and options of a session that contradict each other, are errors of the items of that session,
  and warnings in the agent's log as soon as an item is polled: [the log](troubleshooting.md#the-agents-log) says more.
* Each field of a connection is taken from the first of these that has it: item key, session, ` + "`Default.…`" + `, built-in
  default. ` + "`Default.`" + ` has every field of a session.
* Times are seconds, or have a unit: ` + "`90`, `90s`, `5m`, `1h`" + `. Sizes are bytes, or have a unit: ` + "`64K`, `1M`" + `.

### System.Path

Where the program is: this line makes the agent load the plugin. The file that the packages install has it. Write it yourself
if you have copied the program alone, with the absolute path, in a file that the agent's configuration includes. Options that begin
with ` + "`System.`" + ` are the agent's own, not the plugin's.

Default: nothing.

` + "```conf" + `
Plugins.RedisJobs.System.Path=/usr/sbin/zabbix-agent2-plugin/zabbix-agent2-plugin-redisjobs
` + "```" + `
`
