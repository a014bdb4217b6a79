// Command zabbix-agent2-plugin-redisjobs is a loadable plugin for Zabbix
// agent 2 that reads Redis servers, and the jobs that keep their state in
// them, through one connection pool.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"

	"golang.zabbix.com/sdk/plugin/comms"

	"redisjobs/agentconf"
	"redisjobs/completion"
	"redisjobs/conf"
	"redisjobs/doctor"
	"redisjobs/migrate"
	"redisjobs/nearest"
	"redisjobs/plugin"
	"redisjobs/record"
)

// version is set by the linker.
var version = "0.0.0-dev"

const usage = `Usage:
  zabbix-agent2-plugin-redisjobs -t <item key> [-c <file>]   run one check and print its value
  zabbix-agent2-plugin-redisjobs -acl [purpose ...] [-c <file>]
                                                             print the rights that the Redis user needs
  zabbix-agent2-plugin-redisjobs record <job> ...            write the record of a job, or run a command
                                                             and record how it goes; see record -h
  zabbix-agent2-plugin-redisjobs doctor [-c <file>]          say what is wrong with the configuration and
                                                             the servers, and how to fix it; see doctor -h
  zabbix-agent2-plugin-redisjobs migrate [-c <file>] [--apply]
                                                             change over from the agent's built-in plugin
                                                             Redis, and back; see migrate -h
  zabbix-agent2-plugin-redisjobs completion bash|zsh|fish    print a script by which the shell completes
                                                             this command line
  zabbix-agent2-plugin-redisjobs -V | -h                     print version | this help
  zabbix-agent2-plugin-redisjobs <socket> <true|false>       as agent 2 starts it

Options:
  -t, --test <key>     item key, as 'redis.server.info[tcp://localhost:6379]'
  -c, --config <file>  the agent's or the plugin's configuration file; without it, the
                       agent's in its usual place, ` + agentconf.Default + `
      --acl            print the ACL SETUSER command for a user with just enough rights,
                       and what it needs besides on some servers. Purposes: server (its own
                       figures, no key), storm, jobs [system ...], keys <pattern> ...;
                       without one: server storm jobs
  -V, --version        print the version
  -h, --help           print this help

The exit code of -t is 0 when the check gave a value, 1 when it gave an error
and 2 when the command line is wrong.
`

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	if len(args) == 2 && isSocket(args[0]) {
		return serve(args[0], args[1] == "true")
	}
	if len(args) > 0 {
		switch args[0] {
		case "record":
			return record.Main(args[1:], stdout, stderr)
		case "doctor":
			return doctor.Main(args[1:], stdout, stderr)
		case "migrate":
			return migrate.Main(args[1:], stdout, stderr)
		case "completion":
			return completion.Main(help(), args[1:], stdout, stderr)
		}
	}
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	var key, file string
	var showVersion, showACL bool
	for _, name := range []string{"t", "test"} {
		flags.StringVar(&key, name, "", "")
	}
	for _, name := range []string{"c", "config"} {
		flags.StringVar(&file, name, "", "")
	}
	for _, name := range []string{"V", "version"} {
		flags.BoolVar(&showVersion, name, false, "")
	}
	flags.BoolVar(&showACL, "acl", false, "")
	words, err := parseFlags(flags, args)
	switch {
	case len(args) == 0 || err == flag.ErrHelp:
		fmt.Fprint(stdout, usage)
		return 0
	case err != nil:
		return misused(stderr, err.Error())
	case len(words) > 0 && !showACL:
		return misused(stderr, fmt.Sprintf("unexpected argument %q%s", words[0], nearest.Question(words[0], commands)))
	case showVersion:
		fmt.Fprintf(stdout, "Zabbix %s plugin\nVersion %s, built with %s\nProtocol version %s, others are accepted\n\nMIT licence\n",
			conf.PluginName, version, runtime.Version(), comms.ProtocolVersion)
		return 0
	case key == "" && !showACL:
		return misused(stderr, "-c is of use only with -t and -acl")
	}
	if file == "" {
		var note string
		if file, note = agentconf.Usual(); note != "" {
			fmt.Fprintln(stderr, note)
		}
	}
	var value string
	if showACL {
		value, err = plugin.ACL(file, words...)
	} else {
		value, err = plugin.Check(key, file, version)
	}
	if err != nil {
		fmt.Fprintf(stderr, "%v\n", err)
		return 1
	}
	fmt.Fprintln(stdout, value)
	return 0
}

// commands are the words that may stand first on the command line.
var commands = []string{"record", "doctor", "migrate", "completion"}

// misused reports a command line that is wrong and returns the exit code.
func misused(stderr io.Writer, why string) int {
	fmt.Fprintf(stderr, "%s\n(-h shows how it is used)\n", why)
	return 2
}

// help is the help text of the program and of each of its commands.
func help() completion.Help {
	out := completion.Help{"": usage}
	for name, main := range map[string]func([]string, io.Writer, io.Writer) int{
		"doctor": doctor.Main, "migrate": migrate.Main, "record": record.Main,
	} {
		var text strings.Builder
		main([]string{"-h"}, &text, io.Discard)
		out[name] = text.String()
	}
	return out
}

// parseFlags reads flags and the words between and behind them.
func parseFlags(flags *flag.FlagSet, args []string) (words []string, err error) {
	for err = flags.Parse(args); err == nil && flags.NArg() > 0; err = flags.Parse(args) {
		words = append(words, flags.Arg(0))
		args = flags.Args()[1:]
	}
	return words, err
}

// isSocket tells the agent's way of starting the process: the path of a unix
// socket or of a named pipe.
func isSocket(arg string) bool {
	return filepath.IsAbs(arg) || strings.HasPrefix(arg, `\\.\pipe\`)
}

// serve answers the agent. A service manager's stop signal goes to the whole
// process group; we wait for the agent's own word, because an agent dies with
// a plugin that ends before it.
func serve(socket string, registering bool) int {
	// They are caught and not ignored: a program of PasswordCommand would inherit that
	// a signal is ignored, and then nothing but SIGKILL ends what it starts.
	signal.Notify(make(chan os.Signal, 1), ignored...)
	// One processor serves tens of thousands of checks a second: checks wait for
	// servers. More of them would wake each other for every short piece of work,
	// which costs a third more, and a monitored host has better use for them.
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(1)
	}
	conn, err := plugin.Connect(socket)
	if err != nil {
		return 1
	}
	return plugin.Server{Registering: registering, Version: version}.Serve(conn)
}
