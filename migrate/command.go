package migrate

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"redisjobs/agentconf"
)

const usage = `Usage:
  ` + program + ` migrate [-c <file>] [--agent <file>] [--back] [--allow-down] [--offline] [--apply]

Shows what it takes to have this plugin answer the item keys of agent 2's built-in plugin Redis
(redis.ping, redis.info, redis.config, redis.slowlog.count): its sessions are copied, and Alias
lines switched on. Each session is asked, and AllowKey and DenyKey rules that would lose their
effect are named. Nothing is changed without --apply; a restart of the agent makes it effective.

  -c, --config <file>  the agent's configuration (` + agentconf.Default + `)
      --agent <file>   the agent's program, which is asked for its version (in the usual places)
      --back           show the way back: the built-in plugin answers its keys again
      --allow-down     servers that do not answer now do not stand in the way; all others are asked
      --offline        do not ask the sessions
      --apply          do it; not while something stands in the way
      --on-install     for packages: switch the aliases on where nothing of the built-in plugin is
                       configured, else say what to do next

The exit code is 0 when nothing stands in the way, 1 when something does, and 2 when the command
line is wrong.
`

// Main does what the command line behind "migrate" says and returns the exit code.
func Main(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("migrate", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	var file, agent string
	var toBuiltin, apply, onInstall bool
	var asking asking
	flags.StringVar(&file, "c", agentconf.Default, "")
	flags.StringVar(&file, "config", agentconf.Default, "")
	flags.BoolVar(&toBuiltin, "back", false, "")
	flags.StringVar(&agent, "agent", "", "")
	flags.BoolVar(&asking.off, "offline", false, "")
	flags.BoolVar(&asking.allowDown, "allow-down", false, "")
	flags.BoolVar(&apply, "apply", false, "")
	flags.BoolVar(&onInstall, "on-install", false, "")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return 0
	case err == nil && flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case err == nil && onInstall && (toBuiltin || apply):
		err = errors.New("--on-install goes with none of --back and --apply")
	}
	if err != nil {
		fmt.Fprintf(stderr, "migrate: %v\n(migrate -h shows how it is used)\n", err)
		return 2
	}
	s := readSettings(file, cmp.Or(agent, agentconf.FindAgent()))
	if onInstall {
		return install(s, stdout, stderr)
	}
	p := forth(s)
	if toBuiltin {
		p = back(s)
	}
	return p.run(s, stdout, stderr, asking, apply)
}

// run shows a plan, and makes the change when it is told to.
func (p *plan) run(s settings, stdout, stderr io.Writer, asking asking, apply bool) int {
	for _, f := range p.files {
		fmt.Fprintf(stdout, "%s: %s\n", f.path, f.what)
		if f.closed {
			fmt.Fprintf(stdout, "    (mode 0640, for the group of the agent's user alone: it may hold passwords)\n")
		}
		for _, l := range f.show {
			fmt.Fprintf(stdout, "    %s\n", l)
		}
	}
	if !asking.off && p.options != nil {
		p.askAll(stdout, asking.allowDown)
	}
	for _, n := range p.notes {
		fmt.Fprintf(stdout, "note     %s\n", n)
	}
	for _, o := range p.obstacles {
		fmt.Fprintf(stdout, "PROBLEM  %s\n", o)
	}
	switch {
	case len(p.obstacles) > 0:
		fmt.Fprintf(stdout, "Nothing was changed. Problems in the way: %d.\n", len(p.obstacles))
		return 1
	case len(p.files) == 0:
		fmt.Fprintln(stdout, "There is nothing to change.")
		return 0
	case !apply:
		fmt.Fprintln(stdout, "Nothing was changed. The same command with --apply does it.")
		return 0
	}
	if err := p.apply(s.live.Main); err != nil {
		fmt.Fprintf(stderr, "migrate: %v\n", err)
		return 1
	}
	fmt.Fprintln(stdout, "Done. Restart the agent: systemctl restart zabbix-agent2")
	return 0
}

// asking is how the sessions are looked at.
type asking struct {
	off       bool // they are not
	allowDown bool // one whose server does not answer now is left out
}

// askAll asks each session and prints how it answered.
func (p *plan) askAll(stdout io.Writer, allowDown bool) {
	if len(p.sessions) == 0 {
		return
	}
	outcomes, err := ask(p.options, p.sessions)
	if err != nil {
		p.stop("%v", err)
		return
	}
	var down []string
	for _, o := range outcomes {
		name := cmp.Or(o.target, o.session, "Default")
		switch {
		case o.err == nil:
			fmt.Fprintf(stdout, "ok       %s answers\n", name)
		case !o.down():
			p.stop("the session %s does not work: %v; correct it, or leave out the check of all sessions with --offline", name, o.err)
		case allowDown:
			fmt.Fprintf(stdout, "down     %s: %v\n", name, o.err)
			down = append(down, cmp.Or(o.session, "Default"))
		default:
			p.stop("the session %s does not answer now: %v; correct it, or go on without its check with --allow-down", name, o.err)
		}
	}
	if len(down) > 0 {
		p.note("not checked, because the server does not answer now: %s", strings.Join(down, ", "))
	}
}

// install writes the file of the aliases when a package is installed: on, unless
// that would change the answer of an item, or let it be asked for what a rule
// forbids.
func install(s settings, stdout, stderr io.Writer) int {
	path := filepath.Join(folder(s.live), aliasesName)
	why := keepOff(s)
	if err := write(path, AliasFile(why == ""), "", false); err != nil {
		fmt.Fprintf(stderr, "%s: the aliases of redis.ping and the like are not switched on: %v\n", program, err)
		return 1
	}
	if why != "" {
		fmt.Fprintf(stdout, "%s: %s. The built-in plugin Redis goes on answering redis.ping, redis.info, redis.config and redis.slowlog.count.\n"+
			"To have this plugin answer them: %s migrate\n", program, why, program)
		return 0
	}
	fmt.Fprintf(stdout, "%s: from the agent's next restart on, this plugin answers redis.ping, redis.info, redis.config and redis.slowlog.count as well (%s).\n",
		program, path)
	return 0
}

func counted(lines int) string {
	if lines == 1 {
		return "1 line"
	}
	return fmt.Sprintf("%d lines", lines)
}

// keepOff says why the aliases must stay off; "" when they need not.
func keepOff(s settings) string {
	if len(s.live.Problems) > 0 {
		return s.live.Problems[0].Text
	}
	if lines := s.raw.Below(builtinPrefix); len(lines) > 0 {
		return fmt.Sprintf("%s: the built-in plugin Redis is configured (%s)", lines[0].At(), counted(len(lines)))
	}
	if ours, others := builtinAliases(s.live); len(ours)+len(others) > 0 {
		first := append(ours, others...)[0]
		return first.At() + ": there is an alias of " + first.Name
	}
	if g := gaps(s.live, false); len(g) > 0 {
		return fmt.Sprintf("%s: %s=%s is about a key of the built-in plugin", g[0].rule.At(), g[0].rule.Name, g[0].rule.Value)
	}
	return ""
}
