package doctor

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
)

const defaultConfig = "/etc/zabbix/zabbix_agent2.conf"

const usage = `Usage:
  zabbix-agent2-plugin-redisjobs doctor [-c <file>] [--user <name>] [--offline]

Reads the agent's configuration as the agent does, looks for what keeps this plugin from working,
connects to the server of each session, and prints what is wrong and how to fix it. Nothing is
changed; it may be run beside a running agent, best as root.

  -c, --config <file>  the agent's configuration (` + defaultConfig + `)
      --user <name>    the user that the agent runs as (zabbix)
      --offline        connect to no server

The exit code is 0 when nothing is wrong (there may be warnings), 1 when something is, and 2 when
the command line is wrong.
`

// level says how bad a finding is.
type level int

const (
	problem level = iota
	warning
	fine
)

func (l level) String() string { return [...]string{"PROBLEM", "warning", "ok"}[l] }

// finding is one line of the report.
type finding struct {
	level   level
	subject string
	text    string
	fix     string // "" when there is nothing to do
}

// doctor is one examination.
type doctor struct {
	config   *config
	user     account
	offline  bool
	findings []finding
}

func (d *doctor) say(l level, subject, text, fix string) {
	d.findings = append(d.findings, finding{l, subject, text, fix})
}

// Main does what the command line behind "doctor" says and returns the exit
// code.
func Main(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("doctor", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	var file, user string
	var offline bool
	flags.StringVar(&file, "c", defaultConfig, "")
	flags.StringVar(&file, "config", defaultConfig, "")
	flags.StringVar(&user, "user", "zabbix", "")
	flags.BoolVar(&offline, "offline", false, "")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return 0
	case err == nil && flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if err != nil {
		fmt.Fprintf(stderr, "doctor: %v\n\n%s", err, usage)
		return 2
	}
	d := &doctor{config: readConfig(file), offline: offline}
	d.user = findAccount(user)
	d.examineSafely()
	return report(d.findings, stdout)
}

// examineSafely turns a panic into a problem: whatever was found before it is
// reported.
func (d *doctor) examineSafely() {
	defer func() {
		if reason := recover(); reason != nil {
			d.say(problem, "doctor", fmt.Sprintf("internal error: %v", reason), "please report it")
		}
	}()
	d.examine()
}

// examine looks at everything. What keeps the agent from reading its
// configuration comes first, for it may be the cause of the rest.
func (d *doctor) examine() {
	d.findings = append(d.findings, d.config.problems...)
	if len(d.config.files) == 0 {
		return
	}
	if len(d.config.problems) == 0 {
		d.say(fine, "configuration", fmt.Sprintf("%s and %d included files are readable", d.config.main, len(d.config.files)-1), "")
	}
	if d.plugin() {
		d.aliases()
		d.keys()
		d.options()
	}
}

// report prints the findings, the worst ones first, and returns the exit code.
func report(findings []finding, out io.Writer) int {
	slices.SortStableFunc(findings, func(a, b finding) int { return cmp.Compare(a.level, b.level) })
	count := map[level]int{}
	for _, f := range findings {
		count[f.level]++
		fmt.Fprintf(out, "%-7s  %-13s  %s\n", f.level, f.subject, f.text)
		for l := range strings.Lines(f.fix) {
			fmt.Fprintf(out, "%-7s  %-13s  -> %s\n", "", "", strings.TrimSuffix(l, "\n"))
		}
	}
	fmt.Fprintf(out, "problems: %d, warnings: %d\n", count[problem], count[warning])
	if count[problem] > 0 {
		return 1
	}
	return 0
}
