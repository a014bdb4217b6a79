package doctor

import (
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"redisjobs/agentconf"
)

const usage = `Usage:
  zabbix-agent2-plugin-redisjobs doctor [-c <file>] [--user <name>] [--agent <file>] [--offline] [--json]

Reads the agent's configuration as the agent does, looks for what keeps this plugin from working,
connects to the server of each session, and prints what is wrong and how to fix it. Nothing is
changed; it may be run beside a running agent, best as root. The last line says whether the agent
starts with this configuration, as far as this plugin is concerned: yes, no or not known.

  -c, --config <file>  the agent's configuration (` + agentconf.Default + `)
      --user <name>    the user that the agent runs as (zabbix)
      --agent <file>   the agent's program, which is asked for its version (in the usual places)
      --offline        connect to no server
      --json           print one JSON object: problems, warnings, starts (yes, no, not known), and
                       findings with level, subject, text, fix and affects: agent when it does not
                       start, server when one does not answer now, else nothing

The exit code is 0 when nothing is wrong (there may be warnings), 3 when nothing is but servers that
do not answer now, 1 when anything else is, and 2 when the command line is wrong.
`

// level says how bad a finding is.
type level int

const (
	problem level = iota
	warning
	fine
)

func (l level) String() string { return [...]string{"PROBLEM", "warning", "ok"}[l] }

// effect is what a problem affects beyond the items concerned.
type effect string

const (
	someItems effect = ""
	theAgent  effect = "agent"  // it does not start
	theServer effect = "server" // it does not answer now, which has nothing to do with the configuration
)

// finding is one line of the report.
type finding struct {
	level   level
	subject string
	text    string
	fix     string // "" when there is nothing to do
	affects effect
}

// MarshalJSON is the form for machines.
func (f finding) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Level   string `json:"level"`
		Subject string `json:"subject"`
		Text    string `json:"text"`
		Fix     string `json:"fix"`
		Affects effect `json:"affects"`
	}{strings.ToLower(f.level.String()), f.subject, f.text, f.fix, f.affects})
}

// doctor is one examination.
type doctor struct {
	config  *agentconf.Config
	version agentconf.Version // of the agent; the zero value when it is not known
	agent   string            // its program; "" when it is not known
	// versionErr is why the version is not known.
	versionErr error
	user       account
	userGiven  bool // on the command line
	offline    bool
	selinux    selinux
	findings   []finding
}

func (d *doctor) say(l level, subject, text, fix string) {
	d.findings = append(d.findings, finding{level: l, subject: subject, text: text, fix: fix})
}

// stops reports what keeps the agent from starting.
func (d *doctor) stops(subject, text, fix string) {
	d.findings = append(d.findings, finding{problem, subject, text, fix, theAgent})
}

// Main does what the command line behind "doctor" says and returns the exit
// code.
func Main(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("doctor", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	var file, user, agent string
	var offline, asJSON bool
	flags.StringVar(&file, "c", agentconf.Default, "")
	flags.StringVar(&file, "config", agentconf.Default, "")
	flags.StringVar(&user, "user", "zabbix", "")
	flags.StringVar(&agent, "agent", "", "")
	flags.BoolVar(&offline, "offline", false, "")
	flags.BoolVar(&asJSON, "json", false, "")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return 0
	case err == nil && flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if err != nil {
		fmt.Fprintf(stderr, "doctor: %v\n(doctor -h shows how it is used)\n", err)
		return 2
	}
	d := &doctor{agent: cmp.Or(agent, agentconf.FindAgent()), offline: offline, selinux: systemSELinux}
	d.user = findAccount(user)
	flags.Visit(func(f *flag.Flag) { d.userGiven = d.userGiven || f.Name == "user" })
	d.read(file)
	d.examineSafely()
	if asJSON {
		return d.reportJSON(stdout)
	}
	return d.report(stdout)
}

// read reads the configuration as the agent of that version does.
func (d *doctor) read(file string) {
	d.version, d.versionErr = agentconf.VersionOf(d.agent)
	if d.config = agentconf.Read(file, nil); len(d.config.Variables) > 0 && d.version.ReplacesVariables() {
		d.config = agentconf.Read(file, os.LookupEnv)
	}
}

// age looks whether the agent is new enough to load plugins.
func (d *doctor) age() {
	switch {
	case d.versionErr != nil && d.agent != "":
		d.say(warning, "agent", "its version is not known: "+d.versionErr.Error(), "name the agent's program: doctor --agent <file>")
	case !d.version.Known():
		d.say(fine, "agent", "there is none in the usual places, so that its version is not known", "")
	case !d.version.LoadsPlugins():
		d.say(problem, "agent", fmt.Sprintf("%s has version %s, and agents load plugins from 6.0 on", d.agent, d.version),
			"install a newer zabbix-agent2")
	default:
		d.say(fine, "agent", fmt.Sprintf("%s has version %s", d.agent, d.version), "")
	}
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
	for _, p := range d.config.Problems {
		if errors.Is(p.Err, fs.ErrPermission) { // of who runs this, and not of the agent
			d.say(problem, "configuration", p.Text, p.Fix)
			continue
		}
		d.stops("configuration", p.Text, p.Fix)
	}
	if len(d.config.Files) == 0 {
		return
	}
	if len(d.config.Problems) == 0 {
		d.say(fine, "configuration", d.filesRead(), "")
	}
	d.account()
	d.age()
	d.variables()
	d.misspelt()
	d.plugin()
	d.aliases()
	d.builtin()
	d.keys()
	d.denials()
	d.options()
}

// filesRead says which files were read.
func (d *doctor) filesRead() string {
	switch included := len(d.config.Files) - 1; included {
	case 0:
		return d.config.Main + " was read; it includes no other file"
	case 1:
		return d.config.Main + " and the 1 file that it includes were read"
	default:
		return fmt.Sprintf("%s and the %d files that it includes were read", d.config.Main, included)
	}
}

// account reports that nothing is known of the user whose rights to files count.
func (d *doctor) account() {
	if d.user.unknown == "" {
		return
	}
	l := warning // it may be the agent's, on another machine
	if d.userGiven {
		l = problem
	}
	d.say(l, "user", d.user.unknown+": what the agent may read and run was not judged", "name the user that the agent runs as: doctor --user <name>")
}

// starts says whether the agent starts, as far as is known.
func (d *doctor) starts() string {
	for _, f := range d.findings {
		if f.affects == theAgent {
			return "no"
		}
	}
	if d.config.Unreadable() || d.user.unknown != "" {
		return "not known"
	}
	return "yes"
}

// weigh sorts the findings, the worst ones first, counts them and says how the
// command ends.
func weigh(findings []finding) (problems, warnings, code int) {
	const wrong, down = 1, 3
	slices.SortStableFunc(findings, func(a, b finding) int { return cmp.Compare(a.level, b.level) })
	for _, f := range findings {
		switch {
		case f.level == problem && f.affects != theServer:
			problems++
			code = wrong
		case f.level == problem:
			problems++
			code = cmp.Or(code, down)
		case f.level == warning:
			warnings++
		}
	}
	return problems, warnings, code
}

// reportJSON prints the findings for machines and returns the exit code.
func (d *doctor) reportJSON(out io.Writer) int {
	problems, warnings, code := weigh(d.findings)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(struct { // who reads the pipe no more wants nothing
		Problems int       `json:"problems"`
		Warnings int       `json:"warnings"`
		Starts   string    `json:"starts"`
		Findings []finding `json:"findings"`
	}{problems, warnings, d.starts(), d.findings})
	return code
}

// report prints the findings for people and returns the exit code.
func (d *doctor) report(out io.Writer) int {
	problems, warnings, code := weigh(d.findings)
	for _, f := range d.findings {
		fmt.Fprintf(out, "%-7s  %-13s  %s\n", f.level, f.subject, f.text)
		for l := range strings.Lines(f.fix) {
			fmt.Fprintf(out, "%-7s  %-13s  -> %s\n", "", "", strings.TrimSuffix(l, "\n"))
		}
	}
	fmt.Fprintf(out, "problems: %d, warnings: %d\nthe agent starts with this configuration: %s\n", problems, warnings, d.starts())
	return code
}
