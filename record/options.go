package record

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"redisjobs/metrics/storm"
)

// PasswordVariable is the environment variable with the password for Redis.
const PasswordVariable = "REDISJOBS_PASSWORD"

const usage = `Usage:
  zabbix-agent2-plugin-redisjobs record <job> --status <word> [option...]
      writes the job's record: for a job that tells its state itself
  zabbix-agent2-plugin-redisjobs record <job> [option...] -- <command> [argument...]
      runs the command and records its start, its end and its exit code

Where to:
      --redis <target>         URI or, with -c, a session; without it Default.Uri of the
                               file, else tcp://localhost:6379
  -c, --config <file>          configuration with sessions, Default and Storm options, as the
                               agent's or the plugin's own
      --user <name>            ACL user
      --password-file <file>   file that holds nothing but the password; it may also
                               be in the environment, as REDISJOBS_PASSWORD

What the record says:
      --status <word>          RUNNING, SUCCESS, FAILED, ... (see storm.job.status)
      --started                the job begins just now: sets started_at
      --processed <n> --failed <n> --emitted <n> --lag <n>
                               counters since started_at, and how far the job is behind
      --progress <percent>     0 to 100
      --duration <seconds>     of the run that has ended
      --message <text>         why the status is what it is
      --pid <n>
      --host <name>            this host's name unless given
      --interval <seconds>     how often the record is going to be written; it is stale after
                               three of them. With a command: how often its record is renewed
                               while it runs (60; 0 never)
      --max-age <seconds>      age from which the record is stale, instead
      --type <text> --expected <status> --run-id <text> --version <text>

With a command, the status, the times, duration, pid, message and run_id come from the run. The
exit code is the command's, 128 and the number of the signal that ended it, 126 when it cannot be
run and 127 when there is none; a Redis that cannot be reached only makes a warning. A command
finds its job and run in the environment, as REDISJOBS_JOB and REDISJOBS_RUN_ID. Without a command
the exit code is 0 when the record was written, 1 when it was not, and 2 when the command line is
wrong.

The keys are those of the options Storm.KeyPattern and Storm.IndexKey. With the default ones the
Redis user needs:
  ACL SETUSER recorder on >PASSWORD resetkeys resetchannels %W~storm:job:* %W~storm:jobs -@all +select +client|setname +role +time +multi +exec +hset +sadd
`

// defaultInterval is how often the record of a running command is renewed, in
// seconds.
const defaultInterval = 60

// options are a command line.
type options struct {
	job          string
	redis        string
	config       string
	user         string
	passwordFile string
	status       string
	started      bool
	interval     float64  // of a running command's record, in seconds; 0: it is not renewed
	fields       []string // names and values in turn, as given
	command      []string
}

// field is a flag that becomes a field of the record.
type field struct {
	flag, name string
	// run: it may stand before a command.
	run bool
	// to makes the record's value; nil for the text itself.
	to func(string) (string, error)
}

var fields = []field{
	{flag: "type", name: "type", run: true},
	{flag: "processed", name: "processed"},
	{flag: "failed", name: "failed"},
	{flag: "emitted", name: "emitted"},
	{flag: "lag", name: "lag"},
	{flag: "progress", name: "progress"},
	{flag: "duration", name: "duration_ms", to: milliseconds},
	{flag: "message", name: "message", to: oneLine},
	{flag: "pid", name: "pid"},
	{flag: "host", name: "host", run: true},
	{flag: "interval", name: "interval", run: true},
	{flag: "max-age", name: "max_age", run: true},
	{flag: "expected", name: "expected", run: true},
	{flag: "run-id", name: "run_id", run: true},
	{flag: "version", name: "version", run: true},
}

// milliseconds is a number of seconds in milliseconds.
func milliseconds(text string) (string, error) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return "", errors.New("expected a number of seconds")
	}
	return strconv.FormatFloat(n*1000, 'f', 0, 64), nil
}

// maxText is what a reader shows of a text, in characters.
const maxText = 255

func oneLine(text string) (string, error) {
	text = strings.Join(strings.Fields(text), " ")
	if utf8.RuneCountInString(text) > maxText {
		text = string([]rune(text)[:maxText])
	}
	return text, nil
}

// parse reads a command line. The error is flag.ErrHelp when help was asked for.
func parse(args []string) (*options, error) {
	o := &options{}
	running := false
	if i := slices.Index(args, "--"); i >= 0 {
		o.command, args, running = args[i+1:], args[:i], true
	}
	flags := flag.NewFlagSet("record", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.redis, "redis", "", "")
	flags.StringVar(&o.config, "c", "", "")
	flags.StringVar(&o.config, "config", "", "")
	flags.StringVar(&o.user, "user", "", "")
	flags.StringVar(&o.passwordFile, "password-file", "", "")
	flags.StringVar(&o.status, "status", "", "")
	flags.BoolVar(&o.started, "started", false, "")
	for _, f := range fields {
		flags.String(f.flag, "", "")
	}
	var words []string
	for rest := args; len(rest) > 0; {
		if err := flags.Parse(rest); err != nil {
			return nil, err
		}
		if rest = flags.Args(); len(rest) > 0 {
			words, rest = append(words, rest[0]), rest[1:]
		}
	}
	switch {
	case len(words) == 0:
		return nil, errors.New("the job's name is missing")
	case len(words) > 1:
		return nil, fmt.Errorf("unexpected argument %q (a command stands behind --)", words[1])
	case running && len(o.command) == 0:
		return nil, errors.New("there is no command behind --")
	case running && (o.status != "" || o.started):
		return nil, errors.New("--status and --started do not go with a command: its run tells them")
	case !running && o.status == "":
		return nil, errors.New("--status is missing, or a command behind --")
	}
	o.job = words[0]
	if err := storm.CheckName(o.job); err != nil {
		return nil, err
	}
	return o, o.take(flags, running)
}

// take makes the fields of the flags that were set.
func (o *options) take(flags *flag.FlagSet, running bool) error {
	if running {
		o.interval = defaultInterval
	}
	set := map[string]string{}
	flags.Visit(func(f *flag.Flag) { set[f.Name] = f.Value.String() })
	for _, f := range fields {
		text, given := set[f.flag]
		if !given {
			continue
		}
		if running && !f.run {
			return fmt.Errorf("--%s does not go with a command: its run tells it", f.flag)
		}
		value, err := text, error(nil)
		if f.to != nil {
			if value, err = f.to(text); err != nil {
				return fmt.Errorf("--%s: %w", f.flag, err)
			}
		}
		if running && f.flag == "interval" {
			if o.interval, err = strconv.ParseFloat(text, 64); err == nil && o.interval == 0 {
				continue
			}
			if !(o.interval >= 1 && o.interval <= maxInterval) {
				return fmt.Errorf("--interval: %q is not 0 or within 1 and %d seconds", text, maxInterval)
			}
		}
		o.fields = append(o.fields, f.name, value)
	}
	if running && o.interval == defaultInterval && set["interval"] == "" {
		o.fields = append(o.fields, "interval", strconv.Itoa(defaultInterval))
	}
	return storm.CheckPairs(o.fields)
}

// maxInterval is a day.
const maxInterval = 86400
