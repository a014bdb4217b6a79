package slow

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient/resp"
)

// slowEntry is one entry of the slow log.
// Source: https://redis.io/docs/latest/commands/slowlog-get/
type slowEntry struct {
	id     int64
	time   int64 // unix seconds
	micros int64 // how long it took; with sizes the bytes of its request or reply
	// sizes: the entry is one of Valkey's logs of large requests and replies.
	sizes bool
	// command is the name in lower case, with its subcommand as in
	// "config|set".
	command string
	args    []string // those behind the name, as far as the server has kept them
	dropped int64    // how many it has not kept
	// client and clients.fieldName exist from Redis 4 on.
	client, clientName string
	hasClient          bool
}

var (
	errSlowlogShort = errors.New("an entry has at least an id, a time, a duration and a command")
)

// parseSlowlog reads the answer to SLOWLOG GET; the entries come back sorted by
// id. Those that cannot be read are left out and counted, see ask.RowsOf.
func parseSlowlog(v resp.Value) (entries []slowEntry, unreadable int, err error) {
	entries, unreadable, err = ask.RowsOf(v, "entry", parseSlowlogEntry)
	slices.SortFunc(entries, func(a, b slowEntry) int { return cmp.Compare(a.id, b.id) })
	return entries, unreadable, err
}

// parseSlowlogEntry reads one entry. Redis Enterprise puts a text about the
// command's complexity ("N:1000") before the command.
// Source: redis-py#622, redis/commands/helpers.py
func parseSlowlogEntry(v resp.Value) (slowEntry, error) {
	var e slowEntry
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
	for i, to := range []*int64{&e.id, &e.time, &e.micros} {
		if *to, err = fields[i].Int64(); err != nil {
			return e, err
		}
		if *to < 0 {
			return e, ask.ErrNegative
		}
	}
	argv, err := fields[3].Strings()
	if err != nil {
		return e, err
	}
	if len(argv) == 0 {
		return e, errSlowlogShort
	}
	e.takeCommand(argv)
	if len(fields) >= 6 {
		client, err1 := fields[4].Text()
		name, err2 := fields[5].Text()
		if err := errors.Join(err1, err2); err != nil {
			return e, err
		}
		e.client, e.clientName, e.hasClient = client, name, true
	}
	return e, nil
}

// takeCommand takes the name off argv, and the note that the server puts in
// place of arguments that are too many: Redis keeps 32 of them.
func (e *slowEntry) takeCommand(argv []string) {
	e.command = strings.ToLower(ask.Clip(argv[0], maxSlowlogText))
	args := argv[1:]
	if len(args) > 0 {
		if n, ok := droppedArguments(args[len(args)-1]); ok {
			e.dropped = n
			args = args[:len(args)-1]
		}
	}
	if len(args) > 0 && ask.HasSubcommands(e.command) && isWord(args[0]) {
		e.command += "|" + strings.ToLower(args[0])
		args = args[1:]
	}
	e.args = args
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

func (e *slowEntry) write(w *jsondoc.Writer, showArgs bool) {
	w.BeginObject()
	w.Key("id").Int(e.id)
	w.Key("time").Int(e.time)
	if e.sizes {
		w.Key("bytes").Int(e.micros)
	} else {
		w.Key("duration").Float(float64(e.micros) / 1e6)
	}
	w.Key("command").String(e.command)
	w.Key("arguments").Int(int64(len(e.args)) + e.dropped)
	if showArgs {
		w.Key("args").BeginArray()
		for _, arg := range e.shownArgs() {
			w.String(arg)
		}
		w.EndArray()
	}
	if e.hasClient {
		w.Key("client").String(ask.Clip(e.client, maxSlowlogText))
		w.Key("client_name").String(ask.Clip(e.clientName, maxSlowlogText))
	}
	w.EndObject()
}

// maxSlowlogText bounds each text of an entry, in characters.
const maxSlowlogText = 64

// secret reports whether all arguments of the command may be passwords.
func (e *slowEntry) secret() bool {
	switch name, _, _ := strings.Cut(e.command, "|"); name {
	case "auth", "hello", "migrate", "acl", "sentinel", "module":
		return true
	case "config":
		return e.command != "config|get"
	}
	return false
}

// shownArgs returns the arguments as they may be shown: each of at most
// maxSlowlogText characters, and masked where they may be passwords. What
// follows a word for a password is masked in every command, because the
// commands may have other names (rename-command).
func (e *slowEntry) shownArgs() []string {
	out := make([]string, len(e.args))
	secret := e.secret()
	for i, arg := range e.args {
		switch {
		case secret, i > 0 && namesSecret(e.args[i-1]):
			out[i] = ask.Masked
		default:
			out[i] = ask.Clip(arg, maxSlowlogText)
		}
	}
	return out
}

func namesSecret(word string) bool {
	switch strings.ToLower(word) {
	case "auth", "auth2", "setauth", "auth-pass":
		return true
	}
	return ask.IsSecret(word)
}
