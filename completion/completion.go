// Package completion writes the scripts by which shells complete the command line
// of this program.
package completion

import (
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"redisjobs/metrics"
	"redisjobs/metrics/jobs"
)

const (
	program = "zabbix-agent2-plugin-redisjobs"
	usage   = "Usage: " + program + " completion bash|zsh|fish\n\nPrints a script for the shell: source <(" + program + " completion bash)\n"
)

// Help is the help text of the program, under "", and of each of its commands. The
// words that a shell offers are those in it.
type Help map[string]string

// flagRE finds a flag in a help text.
var flagRE = regexp.MustCompile(`(?m)(?:^|[\s\[(|])(-{1,2}[A-Za-z][A-Za-z-]*)`)

// words are the flags of a command, sorted.
func (h Help) words(command string) string {
	var out []string
	for _, m := range flagRE.FindAllStringSubmatch(h[command], -1) {
		out = append(out, m[1])
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), " ")
}

// names are the commands, sorted.
func (h Help) names() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(h)), func(name string) bool { return name == "" })
}

// purposes are what -acl takes.
const purposes = "server storm jobs keys"

// shells are what completion itself takes.
const shells = "bash zsh fish"

// Main does what the command line behind "completion" says and returns the exit
// code.
func Main(help Help, args []string, stdout, stderr io.Writer) int {
	shell := ""
	if len(args) == 1 {
		shell = args[0]
	}
	switch shell {
	case "bash":
		fmt.Fprint(stdout, Bash(help))
	case "zsh":
		fmt.Fprint(stdout, "autoload -U +X bashcompinit && bashcompinit\n"+Bash(help))
	case "fish":
		fmt.Fprint(stdout, fish(help))
	case "-h", "--help":
		fmt.Fprint(stdout, usage)
	default:
		fmt.Fprint(stderr, usage)
		return 2
	}
	return 0
}

// keys are the item keys, with a bracket where there are parameters.
func keys() string {
	var out []string
	for _, m := range metrics.All() {
		key := m.Key
		if len(m.Params) > 0 {
			key += "["
		}
		out = append(out, key)
	}
	return strings.Join(out, " ")
}

// Bash is the script for bash, which zsh can read as well.
func Bash(help Help) string {
	var b strings.Builder
	b.WriteString(`# Completion of the command line of ` + program + `, for bash.
_redisjobs() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words
	case $prev in
	-c | --config | --agent | --password-file) COMPREPLY=($(compgen -f -- "$cur")) && return ;;
	--user) COMPREPLY=($(compgen -u -- "$cur")) && return ;;
	-t | --test) COMPREPLY=($(compgen -W "` + keys() + `" -- "$cur")) && return ;;
	jobs) COMPREPLY=($(compgen -W "` + strings.Join(jobs.Names(), " ") + `" -- "$cur")) && return ;;
	esac
	case ${COMP_WORDS[1]} in
`)
	for _, name := range help.names() {
		fmt.Fprintf(&b, "\t%s) words=%q ;;\n", name, help.words(name))
	}
	fmt.Fprintf(&b, "\tcompletion) words=%q ;;\n\t-acl | --acl) words=%q ;;\n\t*) words=%q ;;\n\tesac\n",
		shells, purposes+" -c --config", help.words("")+" "+strings.Join(help.names(), " ")+" completion")
	b.WriteString(`	if [ "$COMP_CWORD" = 1 ]; then words="` + help.words("") + " " + strings.Join(help.names(), " ") + ` completion"; fi
	COMPREPLY=($(compgen -W "$words" -- "$cur"))
	case ${COMPREPLY[0]} in *\[) compopt -o nospace 2>/dev/null ;; esac
}
complete -F _redisjobs ` + program + "\n")
	return b.String()
}

// fish is the script for fish.
func fish(help Help) string {
	var b strings.Builder
	b.WriteString("# Completion of the command line of " + program + ", for fish.\n")
	line := func(condition, words string) {
		fmt.Fprintf(&b, "complete -c %s -f -n '%s' -a '%s'\n", program, condition, words)
	}
	line("__fish_use_subcommand", help.words("")+" "+strings.Join(help.names(), " ")+" completion")
	for _, name := range help.names() {
		line("__fish_seen_subcommand_from "+name, help.words(name))
	}
	line("__fish_seen_subcommand_from completion", shells)
	line("__fish_prev_arg_in -t --test", keys())
	return b.String()
}
