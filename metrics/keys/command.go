package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// maxCommandArgs bounds the arguments of redis.command: an item key declares
// its parameters.
const maxCommandArgs = 16

// Command runs a command that reads little and changes nothing, if the configuration
// allows it (CustomCommands=1).
//
// These run with any arguments:
//
//	STRLEN GETBIT BITFIELD_RO EXISTS TYPE TTL PTTL EXPIRETIME PEXPIRETIME DBSIZE RANDOMKEY
//	LLEN SCARD SISMEMBER SMISMEMBER HLEN HEXISTS HSTRLEN HTTL HPTTL HEXPIRETIME HPEXPIRETIME
//	ZCARD ZSCORE ZMSCORE ZRANK ZREVRANK ZCOUNT ZLEXCOUNT GEOPOS GEODIST GEOHASH XLEN
//	OBJECT|ENCODING OBJECT|FREQ OBJECT|IDLETIME OBJECT|REFCOUNT VCARD VDIM
//	BF.CARD TS.GET
//
// These within bounds:
//
//	GET MGET SUBSTR HGET HMGET          of strings and fields of at most 1 MiB, which is asked first
//	GETRANGE                            of at most 1 MiB, or of such a string
//	LINDEX                              as the ones below
//	HGETALL HKEYS HVALS SMEMBERS LPOS   of keys of at most 1,000 members, which is asked first
//	LRANGE                              of at most 1,000 elements, or of such a list
//	ZRANGE ZREVRANGE and by score, lex  of at most 1,000 indexes, with LIMIT up to 1,000 1,000, or of such a set
//	XRANGE XREVRANGE                    with COUNT up to 1,000, or of such a stream
//	XPENDING                            with a count up to 1,000
//	XINFO|STREAM                        with FULL COUNT from 1 to 1,000
//	HRANDFIELD SRANDMEMBER ZRANDMEMBER  with a count from -1,000 to 1,000
//	SCAN HSCAN SSCAN ZSCAN              with COUNT up to 1,000 and patterns as redis.keys.count takes them
//	BITCOUNT BITPOS                     of strings of at most 1 MiB, which is asked first
//	MEMORY|USAGE                        with SAMPLES from 1 to 100
//	JSON.TYPE JSON.ARRLEN JSON.OBJLEN
//	JSON.STRLEN                         with a path that leads to one value
//	XINFO|GROUPS XINFO|CONSUMERS        as the ones below
//
// Where a command goes through the groups of a stream, as the last two, XINFO|STREAM,
// XPENDING, XRANGE, XREVRANGE and MEMORY|USAGE do, at most 1,000 groups and consumers are
// read; XINFO STREAM and XINFO GROUPS tell how many there are, where the user may run
// them.
//
// Of a list, hash, set, sorted set or stream they are to be at most about 4 MiB, by
// MEMORY USAGE, where the server and its user allow it.
//
// All other commands are refused. So is one of these if the server does not flag it as
// a read that needs no special right, for example because it was renamed.
var Command = &item.Metric{
	Key:         "redis.command",
	Description: "Returns the reply to a read-only command, an array or a map as JSON; off unless CustomCommands=1.",
	Params:      item.ConnParams(commandParams()...),
	Commands:    nil, // the operator grants what he asks for, and command|info
	Collect:     collectCommand,
}

func commandParams() []item.Param {
	out := []item.Param{{
		Name: "Command", Required: true,
		Description: "command, as GET; with a subcommand as OBJECT|ENCODING",
	}}
	for i := range maxCommandArgs {
		out = append(out, item.Param{Name: fmt.Sprintf("Arg%d", i+1), Description: "argument"})
	}
	return out
}

var errCommandsOff = errors.New("redis.command is off: set Plugins.RedisJobs.CustomCommands=1 to allow it")

func collectCommand(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	if !r.Env.CustomCommands {
		return errCommandsOff
	}
	name, args := strings.ToLower(r.Arg("Command")), commandArgs(r)
	cmd := append(redisclient.Command(strings.Split(name, "|")), args...)
	if ask.HasSubcommands(name) && len(args) > 0 { // OBJECT, ENCODING is OBJECT|ENCODING
		name, args = name+"|"+strings.ToLower(args[0]), args[1:]
	}
	problem, err := checkRead(ctx, r.Target, name, args)
	if err == nil {
		err = problem
	}
	if err != nil {
		return err
	}
	verdict, err := commandVerdict(ctx, r.Target, name)
	if err == nil {
		err = verdict
	}
	if err != nil {
		return err
	}
	values, err := r.Target.DoAll(ctx, cmd)
	if err != nil {
		return err
	}
	if err := values[0].Err(); err != nil {
		return err
	}
	return writeAnswer(w, values[0])
}

// commandArgs returns the arguments up to the last one that is not empty: an
// empty one in between is an empty argument, one at the end cannot be told from
// none.
func commandArgs(r *item.Request) []string {
	var out []string
	for i := range maxCommandArgs {
		out = append(out, r.Arg(fmt.Sprintf("Arg%d", i+1)))
	}
	for len(out) > 0 && out[len(out)-1] == "" {
		out = out[:len(out)-1]
	}
	return out
}

// writeAnswer writes a scalar as its text, anything else as JSON. Nothing (null)
// is an error: an item cannot hold it, and an empty text would say that the
// key is there.
func writeAnswer(w *jsondoc.Writer, v resp.Value) error {
	switch v.Kind {
	case resp.Array, resp.Set, resp.Map:
		writeReply(w, v)
		return nil
	}
	text, err := v.Text()
	if errors.Is(err, resp.ErrNull) {
		return errors.New("the reply is null: there is no such key or member")
	}
	if err == nil {
		w.Text(text)
	}
	return err
}

// writeReply writes a reply as JSON: a map becomes an object, a null inside an
// array is null, because leaving it out would shift its neighbours.
func writeReply(w *jsondoc.Writer, v resp.Value) {
	switch v.Kind {
	case resp.Array, resp.Set, resp.Push:
		w.BeginArray()
		for _, e := range v.Elems {
			writeReply(w, e)
		}
		w.EndArray()
	case resp.Map:
		w.BeginObject()
		for i := 0; i+1 < len(v.Elems); i += 2 {
			name, err := v.Elems[i].Text()
			if err != nil {
				continue // no JSON name; Redis has no such maps
			}
			w.Key(name)
			writeReply(w, v.Elems[i+1])
		}
		w.EndObject()
	case resp.Integer:
		w.Int(v.Int)
	case resp.Boolean:
		w.Bool(v.Int == 1)
	case resp.Null:
		w.Null()
	default:
		w.StringBytes(v.Str)
	}
}

// commandVerdict asks the server what a command is and remembers the answer.
// The verdict is why the command may not be run, or nil.
// Source: https://redis.io/docs/latest/commands/command/
func commandVerdict(ctx context.Context, t *item.Target, name string) (verdict, err error) {
	memory := "command " + name
	if v, ok := t.Memory.Load(memory); ok {
		verdict, _ = v.(error)
		return verdict, nil
	}
	cmds := []redisclient.Command{{"COMMAND", "INFO", name}}
	container, _, isSub := strings.Cut(name, "|")
	if isSub { // before Redis 7 only the command is known
		cmds = append(cmds, redisclient.Command{"COMMAND", "INFO", container})
	}
	values, err := t.DoAll(ctx, cmds...)
	if err != nil {
		return nil, err
	}
	reply := values[0]
	if isSub && len(reply.Elems) == 1 && reply.Elems[0].IsNull() {
		reply = values[1]
	}
	verdict, err = judgeCommand(name, reply)
	if err != nil {
		return nil, fmt.Errorf("cannot learn what %q does: COMMAND INFO: %w", name, err)
	}
	t.Memory.Store(memory, verdict)
	return verdict, nil
}

// judgeCommand reads a reply to COMMAND INFO: per command its name, arity,
// flags, first, last and step key, and since Redis 6 its ACL categories.
func judgeCommand(name string, reply resp.Value) (verdict, err error) {
	commands, err := reply.Array()
	if err != nil {
		return nil, err
	}
	if len(commands) != 1 {
		return nil, fmt.Errorf("expected one command, got %d", len(commands))
	}
	if commands[0].IsNull() {
		return fmt.Errorf("the server has no command %q", name), nil
	}
	fields, err := commands[0].Array()
	if err != nil {
		return nil, err
	}
	if len(fields) < 6 {
		return nil, fmt.Errorf("expected at least 6 fields, got %d", len(fields))
	}
	flags, err := fields[2].Strings()
	if err != nil {
		return nil, err
	}
	var categories []string
	if len(fields) > 6 {
		if categories, err = fields[6].Strings(); err != nil {
			return nil, err
		}
	} else if name == "keys" { // a server without categories cannot say so itself
		categories = []string{"@dangerous"}
	}
	if !slices.Contains(flags, "readonly") {
		return fmt.Errorf("the server does not flag %q as read-only", name), nil
	}
	for _, bad := range []string{"write", "admin", "blocking", "pubsub", "noscript"} {
		if slices.Contains(flags, bad) {
			return fmt.Errorf("the server flags %q as %s", name, bad), nil
		}
	}
	for _, bad := range []string{"@dangerous", "@admin", "@blocking", "@scripting"} {
		if slices.Contains(categories, bad) {
			return fmt.Errorf("the server has %q in its category %s", name, bad), nil
		}
	}
	return nil, nil
}
