package ask

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient/resp"
)

// SlowEntry is one entry of the slow log.
// Source: https://redis.io/docs/latest/commands/slowlog-get/
type SlowEntry struct {
	ID     int64
	Time   int64 // unix seconds, see hasTime
	Micros int64 // how long it took; with Sizes the bytes of its request or reply
	// Sizes: the entry is one of Valkey's logs of large requests and replies.
	Sizes bool
	// Command is the name in lower case, with its subcommand as in
	// "config|set".
	Command string
	Args    []string // those behind the name, as far as the server has kept them
	Dropped int64    // how many it has not kept
	// Client and ClientName exist from Redis 4 on.
	Client, ClientName string
	HasClient          bool
}

var (
	errSlowlogShort = errors.New("an entry has at least an id, a time, a duration and a command")
)

// ParseSlowlog reads the answer to SLOWLOG GET; the entries come back sorted by
// id. Those that cannot be read are left out and counted, see RowsOf.
func ParseSlowlog(v resp.Value) (entries []SlowEntry, unreadable int, err error) {
	entries, unreadable, err = RowsOf(v, "entry", parseSlowlogEntry)
	slices.SortFunc(entries, func(a, b SlowEntry) int { return cmp.Compare(a.ID, b.ID) })
	return entries, unreadable, err
}

// parseSlowlogEntry reads one entry. Redis Enterprise puts a text about the
// command's complexity ("N:1000") before the command.
// Source: redis-py#622, redis/commands/helpers.py
func parseSlowlogEntry(v resp.Value) (SlowEntry, error) {
	var e SlowEntry
	fields, err := v.Array()
	if err != nil {
		return e, err
	}
	if len(fields) > 4 && fields[3].Kind != resp.Array && fields[4].Kind == resp.Array {
		fields = slices.Delete(slices.Clone(fields), 3, 4)
	}
	if len(fields) < 4 {
		return e, errSlowlogShort
	}
	for i, to := range []*int64{&e.ID, &e.Time, &e.Micros} {
		if *to, err = fields[i].Int64(); err != nil {
			return e, err
		}
		if *to < 0 {
			return e, ErrNegative
		}
	}
	argv, err := fields[3].Strings()
	if err != nil {
		return e, err
	}
	if len(argv) == 0 {
		return e, errSlowlogShort
	}
	e.TakeCommand(argv)
	if len(fields) >= 6 {
		client, err1 := fields[4].Text()
		name, err2 := fields[5].Text()
		if err := errors.Join(err1, err2); err != nil {
			return e, err
		}
		e.Client, e.ClientName, e.HasClient = client, name, true
	}
	return e, nil
}

// takeCommand takes the name off argv, and the note that the server puts in
// place of arguments that are too many: Redis keeps 32 of them.
func (e *SlowEntry) TakeCommand(argv []string) {
	e.Command = strings.ToLower(Clip(argv[0], MaxSlowlogText))
	args := argv[1:]
	if len(args) > 0 {
		if n, ok := droppedArguments(args[len(args)-1]); ok {
			e.Dropped = n
			args = args[:len(args)-1]
		}
	}
	if len(args) > 0 && HasSubcommands(e.Command) && isWord(args[0]) {
		e.Command += "|" + strings.ToLower(args[0])
		args = args[1:]
	}
	e.Args = args
}

// droppedArguments reads "... (7 more arguments)".
func droppedArguments(s string) (int64, bool) {
	s, ok := strings.CutPrefix(s, "... (")
	if !ok {
		return 0, false
	}
	if s, ok = strings.CutSuffix(s, " more arguments)"); !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 32)
	return n, err == nil && n > 0
}

// isWord reports whether s can be the name of a subcommand.
func isWord(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' {
			return false
		}
	}
	return s != "" && len(s) <= 32
}

// hasTime reports whether the time can be one of a server: Redis appeared in 2009.
// Garnet counts from the start of the machine.
// Source: garnet, SlowLogContainer (Stopwatch.GetTimestamp)
func (e *SlowEntry) hasTime() bool { return e.Time >= 1230768000 && e.Time < 1<<33 }

func (e *SlowEntry) writeTime(w *jsondoc.Writer) {
	if e.hasTime() {
		w.Key("time").Int(e.Time)
	}
}

func (e *SlowEntry) Write(w *jsondoc.Writer, showArgs bool) {
	w.BeginObject()
	w.Key("id").Int(e.ID)
	e.writeTime(w)
	if e.Sizes {
		w.Key("bytes").Int(e.Micros)
	} else {
		w.Key("duration").Float(float64(e.Micros) / 1e6)
	}
	w.Key("command").String(e.Command)
	w.Key("arguments").Int(int64(len(e.Args)) + e.Dropped)
	if showArgs {
		w.Key("args").BeginArray()
		for _, arg := range e.ShownArgs() {
			w.String(arg)
		}
		w.EndArray()
	}
	if e.HasClient {
		w.Key("client").String(Clip(e.Client, MaxSlowlogText))
		w.Key("client_name").String(Clip(e.ClientName, MaxSlowlogText))
	}
	w.EndObject()
}

// MaxSlowlogText bounds each text of an entry, in characters.
const MaxSlowlogText = 64

// secret reports whether all arguments of the command may be passwords.
func (e *SlowEntry) secret() bool {
	switch name, _, _ := strings.Cut(e.Command, "|"); name {
	case "auth", "hello", "migrate", "acl", "sentinel", "module":
		return true
	case "config":
		return e.Command != "config|get"
	}
	return false
}

// shownArgs returns the arguments as they may be shown: each of at most
// MaxSlowlogText characters, and masked where they may be passwords. What
// follows a word for a password is masked in every command, because the
// commands may have other names (rename-command).
func (e *SlowEntry) ShownArgs() []string {
	out := make([]string, len(e.Args))
	secret := e.secret()
	for i, arg := range e.Args {
		switch {
		case secret, i > 0 && namesSecret(e.Args[i-1]):
			out[i] = Masked
		default:
			out[i] = Clip(arg, MaxSlowlogText)
		}
	}
	return out
}

func namesSecret(word string) bool {
	switch strings.ToLower(word) {
	case "auth", "auth2", "setauth", "auth-pass":
		return true
	}
	return IsSecret(word)
}
