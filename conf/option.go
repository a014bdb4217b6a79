package conf

import (
	"slices"
	"strings"
	"time"
)

// jobPlaceholder stands for a job's name in Storm.KeyPattern.
const jobPlaceholder = "{job}"

// Option is one row of the table of options.
type Option struct {
	// Name is the name below Plugins.RedisJobs., with * for a session's name.
	Name string
	// Default is what an option that is not set stands for, as it would be
	// written; "" when there is nothing to write.
	Default string
	// DefaultNote says in words what Default cannot, as in "Global timeout".
	DefaultNote string
	// Range is what values are allowed; "" when any text is.
	Range string
	// Doc is one sentence or more.
	Doc string
	// Example is a value that is accepted.
	Example string

	// quotes: they have a meaning in the value.
	quotes bool
	// ofBlock: it is one of Default's or a session's.
	ofBlock bool
	// set stores a value that is not empty. Its error gets the option's name
	// and line from the decoder.
	set func(at place, value string) error
}

// place is where a value goes.
type place struct {
	options *Options
	block   *block // of Default or a session; nil elsewhere
}

// Table returns all options, in the order in which they are documented.
func Table() []Option { return slices.Clone(table) }

var (
	table = slices.Concat(generalOptions(),
		blockOptions("Default.", "for item keys and sessions that do not say it themselves"),
		blockOptions("Sessions.*.", "for this session"),
		stormOptions(),
		jobsOptions(),
		keyspaceOptions())
	index    = indexTable()
	children = childTable()
)

// indexTable finds a row by its Name.
func indexTable() map[string]*Option {
	out := make(map[string]*Option, len(table))
	for i := range table {
		out[table[i].Name] = &table[i]
	}
	return out
}

// childTable lists the names that may stand below each group of options; ""
// is the plugin itself.
func childTable() map[string][]string {
	out := map[string][]string{}
	for _, o := range table {
		group := ""
		for part := range strings.SplitSeq(o.Name, ".") {
			if !slices.Contains(out[group], part) {
				out[group] = append(out[group], part)
			}
			group = join(group, part)
		}
	}
	return out
}

func join(group, name string) string {
	if group == "" {
		return name
	}
	return group + "." + name
}

func generalOptions() []Option {
	return []Option{
		seconds("Timeout", "", bounds{min: 1, max: 30, text: "1-30"},
			"Maximum time for one request, in seconds: connecting, logging in and reading the answer. "+
				"Agents from 7.0 on also send the timeout of the item; the shorter of the two applies.",
			func(o *Options) *time.Duration { return &o.Timeout }).noted("Global timeout").example("3"),
		seconds("KeepAlive", "300", bounds{min: 60, max: 900, text: "60-900"},
			"How long an unused connection is kept open, in seconds.",
			func(o *Options) *time.Duration { return &o.KeepAlive }),
		number("MaxConnections", "2", bounds{min: 1, max: 64, text: "1-64"},
			"Maximum number of connections to one server. Further requests wait for a free connection until their timeout.",
			func(o *Options) *int { return &o.MaxConnections }),
		number("MaxConnectionsTotal", "20000", bounds{min: 1, max: 100000, text: "1-100000"},
			"Maximum number of connections to all servers together. Each is one open file; the plugin never uses more than seven "+
				"eighths of the files that the process may open. The default allows two connections to each of 10000 servers.",
			func(o *Options) *int { return &o.MaxConnectionsTotal }),
		number("MaxPeers", "1000", bounds{min: 1, max: 10000, text: "1-10000"},
			"Maximum number of other servers that the plugin contacts because a server of one session announced them: the "+
				"nodes of its cluster, or the masters that its sentinels know. A server that was not contacted for KeepAlive no "+
				"longer counts. Those of all sessions together use at most half of MaxConnectionsTotal.",
			func(o *Options) *int { return &o.MaxPeers }),
		number("MaxWaiting", "32", bounds{min: 1, max: 1000, text: "1-1000"},
			"Maximum number of requests that wait for one target that has not answered for half a second. Further requests "+
				"fail at once, so that a server that hangs cannot use up the checks that an agent runs at a time (100 in agents "+
				"before 7.0).",
			func(o *Options) *int { return &o.MaxWaiting }),
		seconds("MaxLifetime", "1h", bounds{min: 60, max: 7 * 86400, orZero: true, text: "0, 60-604800"},
			"Maximum age of a connection, in seconds; 0 is no limit. An older connection is closed and not used again. "+
				"The limit of each connection is up to a tenth shorter, so that they do not all end at once. "+
				"If a proxy leads to another server while the old one is still running, the old one may be read for this long. "+
				"A host name that leads to another server is followed within about two minutes.",
			func(o *Options) *time.Duration { return &o.MaxLifetime }),
		size("MaxAnswer", "1M", bounds{min: 64 << 10, max: 16 << 20, text: "64K-16M"},
			"Maximum length of a value that is sent to the agent, in bytes. A longer value is an item error.",
			func(o *Options) *int { return &o.MaxAnswer }),
		size("MaxMemory", "64M", bounds{min: 16 << 20, max: 1 << 30, text: "16M-1G"},
			"Maximum memory for the replies of all servers together, in bytes, from their arrival until the "+
				"answers to the agent are made. A reply that does not fit is an error of its item. Replies of more than "+
				"256K may use half of it, so that a few huge ones leave room for the others. At most the process uses about "+
				"three times as much.",
			func(o *Options) *int { return &o.MaxMemory }),
		toggle("SessionsOnly",
			"1 allows only the name of a session as the first parameter of an item key "+
				"(or an empty one, if Default.Uri is set), and no password or user in item keys.",
			func(o *Options) *bool { return &o.SessionsOnly }),
		toggle("UnmaskSecrets",
			"1 shows passwords in the answers of redis.server.config, as the built-in plugin does, and of redis.config.get.",
			func(o *Options) *bool { return &o.UnmaskSecrets }),
		toggle("CustomCommands",
			"1 allows the item key redis.command, which runs a fixed list of commands that read little, if the server flags them as "+
				"read-only and neither blocking nor administrative. The Redis user needs the right to them and to command|info.",
			func(o *Options) *bool { return &o.CustomCommands }),
		toggle("SlowlogArguments",
			"1 shows the arguments of commands in redis.slowlog.get and redis.latency.get, 64 characters of each. They are data of the "+
				"application; only passwords that Redis itself recognizes are masked. With 0 only the slowest command of a poll has the name of its first key.",
			func(o *Options) *bool { return &o.SlowlogArguments }),
	}
}

func stormOptions() []Option {
	return []Option{
		parsed("Storm.KeyPattern", "storm:job:"+jobPlaceholder, "a text with "+jobPlaceholder+" in it once",
			"The key of one job's record.",
			parseKeyPattern, func(o *Options) *string { return &o.Storm.KeyPattern }),
		parsed("Storm.IndexKey", "storm:jobs", "",
			"The key that lists the jobs: a set, sorted set, list or hash.",
			parseKeyName, func(o *Options) *string { return &o.Storm.IndexKey }),
		parsed("Storm.HeartbeatKey", "storm:jobs:heartbeat", "",
			"The sorted set that holds each job's last sign of life, in unix seconds.",
			parseKeyName, func(o *Options) *string { return &o.Storm.HeartbeatKey }),
		parsed("Storm.StateKey", "storm:jobs:state", "",
			"The hash that holds all jobs' records or bare states, for writers that keep them in one key.",
			parseKeyName, func(o *Options) *string { return &o.Storm.StateKey }),
		seconds("Storm.StaleAfter", "300", bounds{min: 1, max: 7 * 86400, text: "1-604800"},
			"The age in seconds at which the record of a running job is stale, if the record itself does not say.",
			func(o *Options) *time.Duration { return &o.Storm.StaleAfter }),
		number("Storm.ScanBudget", "10000", bounds{min: 1, max: 1_000_000, text: "1-1000000"},
			"Maximum number of keys that are read to find jobs if there is no index.",
			func(o *Options) *int { return &o.Storm.ScanBudget }),
		parsed("Storm.StatusMap", "", "WORD:NUMBER,... with numbers 0-9",
			"Additional words for the state of a job, and their numbers.",
			parseStatusMap, func(o *Options) *map[string]int { return &o.Storm.StatusMap }).example("DRAINING:3,SLEEPING:2"),
		parsed("Storm.Jobs", "", "names separated by commas",
			"Jobs that are always discovered, whether Redis knows them or not.",
			func(text string) ([]string, error) {
				list := splitList(text)
				slices.Sort(list)
				return slices.Compact(list), nil
			},
			func(o *Options) *[]string { return &o.Storm.Jobs }).example("backup,invoices"),
	}
}

// jobSystems are the systems that job.get knows; a test of the plugin compares
// them with its own.
var jobSystems = []string{
	"sidekiq", "resque", "rq", "celery", "redbeat", "bullmq", "bull", "asynq", "laravel", "horizon", "symfony", "huey", "arq", "dramatiq", "taskiq", "beequeue", "saq", "djangoq", "plain",
}

// JobSystems returns the names that Jobs.Prefixes and Jobs.Queues take.
func JobSystems() []string { return slices.Clone(jobSystems) }

func jobsOptions() []Option {
	return []Option{
		parsed("Jobs.Prefixes", "", "SYSTEM:PREFIX,...",
			"Prefixes of the keys of job systems, in addition to the usual ones. The systems are those of job.get.",
			parseBySystem, func(o *Options) *map[string][]string { return &o.Jobs.Prefixes }).example("sidekiq:myapp"),
		parsed("Jobs.Queues", "", "SYSTEM:QUEUE,...",
			"Queues that are always read, even if they are not found, under each prefix of their system.",
			parseBySystem, func(o *Options) *map[string][]string { return &o.Jobs.Queues }).example("sidekiq:critical"),
		number("Jobs.ScanBudget", "100000", bounds{min: 1000, max: 10_000_000, orZero: true, text: "0, 1000-10000000"},
			"Maximum number of keys that one search by SCAN reads, for systems that keep no list of their queues. The next "+
				"search goes on where it ended. 0 switches the search off: then name what it would find in "+
				"Jobs.Prefixes and Jobs.Queues.",
			func(o *Options) *int { return &o.Jobs.ScanBudget }),
		seconds("Jobs.SearchInterval", "600", bounds{min: 10, max: 86400, text: "10-86400"},
			"The time between two searches by SCAN, in seconds. The first search is made at the first poll of the jobs "+
				"of a server.",
			func(o *Options) *time.Duration { return &o.Jobs.Interval }),
		seconds("Jobs.CeleryVisibilityTimeout", "3600", bounds{min: 1, max: 30 * 86400, text: "1-2592000"},
			"The visibility_timeout of applications with Celery, in seconds, if broker_transport_options sets another. "+
				"Messages that a worker has held for longer without confirming them are unacked_expired in job.get.",
			func(o *Options) *time.Duration { return &o.Jobs.CeleryVisibility }),
	}
}

// parsed is a row for whatever parse makes of a text.
func parsed[T any](name, def, rng, doc string, parse func(string) (T, error), field func(*Options) *T) Option {
	return Option{
		Name: name, Default: def, Range: rng, Doc: doc, Example: def,
		set: func(at place, text string) error {
			v, err := parse(text)
			if err == nil {
				*field(at.options) = v
			}
			return err
		},
	}
}

func seconds(name, def string, b bounds, doc string, field func(*Options) *time.Duration) Option {
	return parsed(name, def, b.text, doc, func(text string) (time.Duration, error) {
		n, err := b.parse(text, timeUnits)
		return toSeconds(n), err
	}, field)
}

func number(name, def string, b bounds, doc string, field func(*Options) *int) Option {
	return parsed(name, def, b.text, doc, func(text string) (int, error) {
		n, err := b.parse(text, nil)
		return int(n), err
	}, field)
}

func size(name, def string, b bounds, doc string, field func(*Options) *int) Option {
	return parsed(name, def, b.text, doc, func(text string) (int, error) {
		n, err := b.parse(text, byteUnits)
		return int(n), err
	}, field)
}

func toggle(name, doc string, field func(*Options) *bool) Option {
	return parsed(name, "0", "0, 1", doc, parseSwitch, field)
}

func (o Option) noted(note string) Option    { o.DefaultNote = note; return o }
func (o Option) example(value string) Option { o.Example = value; return o }
func (o Option) quoted() Option              { o.quotes = true; return o }
