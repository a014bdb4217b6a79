package storm

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// probe is one key's part in a check. A key whose type is known is read right
// away, else it is asked for its type first: so a command that does not fit
// the key's type is sent at most once after the type has changed.
type probe struct {
	key string
	// read is the command that reads a key of that type; nil for a type that
	// is of no use.
	read reader
	// all: it is a key of all jobs, of up to maxMembers members. How many there are
	// is asked only when there are more than came with the first read.
	all bool

	typ   string     // in TYPE's words; "" while not known
	reply resp.Value // to read, when typ is of use and err is nil
	err   error      // what the server refused
	// size is the number of members, -1 while not known. more: reply does not have
	// them all.
	size   int64
	more   bool
	cursor string // where SSCAN or HSCAN goes on
	// count is how many members a step of these asks for, when those are of many
	// bytes; 0: as many as the command says.
	count  int
	passed int64 // the bytes of a step of too many

	reading bool // the command under way is read
	sizing  bool // the command under way asks for the size
	sized   bool // it was asked for
	asked   bool // TYPE was sent in this check
	done    bool
}

// command is what to send next.
func (p *probe) command() redisclient.Command {
	p.reading, p.sizing = false, p.more && !p.sized
	if p.sizing {
		return redisclient.Command{ask.LengthCommands[p.typ], p.key}
	}
	cmd := p.read(p.typ)
	if cmd == nil {
		return redisclient.Command{"TYPE", p.key}
	}
	p.reading = true
	if isScan(cmd) {
		if p.cursor != "" {
			cmd[scanCursor] = p.cursor
		}
		if p.count > 0 {
			cmd[scanCount] = strconv.Itoa(p.count)
		}
	}
	return cmd
}

func isScan(cmd redisclient.Command) bool { return cmd[0] == "HSCAN" || cmd[0] == "SSCAN" }

// Where the arguments of scanCommand are.
const (
	scanCursor = 2
	scanCount  = 4
)

// take receives the reply to the last command.
func (p *probe) take(cmd redisclient.Command, v resp.Value) {
	err := v.Err()
	switch {
	case p.sizing:
		p.takeSize(v)
	case p.reading && isWrongType(err) && !p.asked:
		p.typ = ""
	case p.reading && isScan(cmd) && p.takeLarge(cmd, v):
	case err != nil:
		p.err = err
		p.done = true
	case !p.reading:
		p.asked = true
		p.typ, p.err = v.Text()
		p.done = p.err != nil || p.read(p.typ) == nil
	case isScan(cmd):
		p.takeScan(v)
	case v.Kind == resp.BulkString && len(v.Str) == 0 && !p.asked:
		// GETRANGE has the same answer for no key and for an empty one.
		p.typ = ""
	case isEmpty(v):
		p.typ = ask.TypeNone // Redis has no empty hashes, sets, lists
		p.done = true
	default:
		p.reply = v
		p.more = p.all && membersOf(v, p.typ) > maxMembers
		p.done = !p.more
	}
}

// membersOf counts what LRANGE or ZRANGE replied; of the latter RESP2 has the
// scores in between.
func membersOf(v resp.Value, typ string) int {
	if typ == "zset" {
		return len(scoredMembers(v))
	}
	return len(v.Elems)
}

// takeSize receives the size of a key that may be too large. It is one more thing
// to say; without it the key is as large.
func (p *probe) takeSize(v resp.Value) {
	p.sized = true
	n, err := v.Int64()
	if err == nil {
		p.size = n
		if p.passed > 0 {
			before := p.count
			p.fewer(n)
			p.count = min(p.count, before)
		}
	}
	// Nothing was read yet where the first step was too large to be kept.
	p.done = err != nil || n > maxMembers && p.reply.Kind != 0 || p.cursor == ""
}

// stepBytes is about how many bytes a step of SSCAN or HSCAN may reply: a server
// sends them in a few milliseconds, and they are well within the limit for one
// reply.
const stepBytes = 4 << 20

// takeLarge has steps of many bytes ask for fewer members from then on. It reports
// whether the step is to be made again, because it was too large to be kept.
func (p *probe) takeLarge(cmd redisclient.Command, v resp.Value) (again bool) {
	asked, _ := strconv.Atoi(cmd[scanCount])
	if v.Kind == resp.TooLarge {
		p.passed = v.Int
		p.fewer(p.size)
		p.count = min(p.count, max(1, asked/2))
		if p.cursor == "" {
			p.cursor = cmd[scanCursor]
		}
		p.more = true // so that its size is asked for
		return asked > 1
	}
	if bytes := int64(ask.Size(v)); bytes > stepBytes && len(v.Elems) == 2 {
		members := int64(len(v.Elems[1].Elems))
		if cmd[0] == "HSCAN" {
			members /= 2
		}
		p.passed = bytes
		p.fewer(members)
	}
	return false
}

// fewer sets the members of a step by the bytes of one that may have had so many;
// -1 for any number.
func (p *probe) fewer(members int64) {
	if members < 0 || members > maxMembers {
		members = maxMembers
	}
	p.count = int(max(1, members*stepBytes/p.passed))
}

// takeScan receives a step of SSCAN or HSCAN. One step reads all of a key that is
// small enough, except of one that has shrunk lately: that takes another.
func (p *probe) takeScan(v resp.Value) {
	step, err := v.Array()
	if err == nil && len(step) != 2 {
		err = fmt.Errorf("expected a cursor and members, got %d members", len(step))
	}
	var members []resp.Value
	if err == nil {
		members, err = step[1].Array()
	}
	if err != nil {
		p.err = redisclient.Misread("read "+strconv.Quote(p.key), err)
		p.done = true
		return
	}
	p.reply.Kind = resp.Array
	p.reply.Elems = append(p.reply.Elems, members...)
	p.cursor = string(step[0].Str)
	p.more = p.cursor != "0"
	p.done = !p.more || !p.all || p.sized && p.size > maxMembers
	if !p.more && len(p.reply.Elems) == 0 {
		p.typ = ask.TypeNone
	}
}

// tooLarge is the problem of a key of all jobs that was not read whole, or nil.
func (p *probe) tooLarge() error {
	if p != nil && errors.Is(p.err, resp.ErrTooLarge) {
		return fmt.Errorf("the key %q is too large: %w", p.key, p.err)
	}
	if !p.usable() || !p.more {
		return nil
	}
	if 0 <= p.size && p.size <= maxMembers {
		return fmt.Errorf("the key %q could not be read whole: the server gave %d of its %d members in several steps", p.key, len(p.reply.Elems), p.size)
	}
	if p.size < 0 {
		return fmt.Errorf("the key %q is too large: it has more members than the %d that are read", p.key, maxMembers)
	}
	return fmt.Errorf("the key %q is too large: of its %d members about %d are read", p.key, p.size, maxMembers)
}

// exists reports whether there is something to read at the key.
func (p *probe) exists() bool { return p != nil && p.err == nil && p.typ != ask.TypeNone }

// problem is why the key cannot be read, as far as it exists. want names the
// types that would do.
func (p *probe) problem(want string) error {
	switch {
	case p == nil || errors.Is(p.err, resp.ErrTooLarge): // see tooLarge
		return nil
	case p.err != nil:
		return fmt.Errorf("read %q: %w", p.key, p.err)
	case p.exists() && p.read(p.typ) == nil:
		// What the server would answer to a read, which is not sent.
		return &resp.ServerError{
			Code:    "WRONGTYPE",
			Message: fmt.Sprintf("the key %q is of type %s, want %s", p.key, p.typ, want),
		}
	}
	return nil
}

// usable reports whether reply is the key's content.
func (p *probe) usable() bool { return p.exists() && p.read(p.typ) != nil }

func isEmpty(v resp.Value) bool {
	switch v.Kind {
	case resp.Array, resp.Set, resp.Map:
		return len(v.Elems) == 0
	default:
		return false
	}
}

func isWrongType(err error) bool {
	var e *resp.ServerError
	return errors.As(err, &e) && e.Code == "WRONGTYPE"
}

// check is one answer's conversation with the server.
type check struct {
	doer   redisclient.Doer
	memory *item.Memory
	probes []*probe
	now    float64 // TIME of the newest round trip
	// timeless is why the server's time cannot be had. Only ages need it.
	timeless error
}

// add lets a key take part; without a key there is no part.
func (c *check) add(key string, read reader) *probe {
	if key == "" {
		return nil
	}
	p := &probe{key: key, read: read, typ: c.recall(key), count: c.recallCount(key), size: -1}
	c.probes = append(c.probes, p)
	return p
}

// addAll is add for a key of all jobs of which many members are read.
func (c *check) addAll(key string, read reader) *probe {
	p := c.add(key, read)
	if p != nil {
		p.all = true
	}
	return p
}

// rounds is what one check may take: a read that turns out not to fit, TYPE,
// the read that fits, of a large key its size, and more steps of a set or hash
// that has shrunk, or whose members are of many bytes.
const rounds = 10

// run asks until every key has its answer. All that is open travels in one
// pipeline, with TIME at its head.
func (c *check) run(ctx context.Context) error {
	for range rounds {
		open, err := c.round(ctx)
		if err != nil {
			return err
		}
		if !open {
			return nil
		}
	}
	for _, p := range c.probes {
		if !p.done && p.reply.Kind == 0 {
			p.err = fmt.Errorf("%w: it could not be read in %d steps", resp.ErrTooLarge, rounds)
		}
		p.done = true // what has more members than were read says so
	}
	return nil
}

// round is one round trip. It reports whether there may be more to ask.
func (c *check) round(ctx context.Context) (open bool, err error) {
	refusals := ask.RefusalsOf(c.memory)
	var cmds []redisclient.Command
	if c.refuseTime(refusals.Of(commandTime, "")); c.timeless == nil {
		cmds = append(cmds, commandTime)
	}
	var all []*probe
	for _, p := range c.probes {
		if p.done {
			continue
		}
		cmd := p.command()
		switch err := refusals.Of(cmd, ""); {
		case err != nil && p.sizing:
			p.takeSize(resp.Value{})
		case err != nil:
			p.err, p.done = err, true
		default:
			cmds = append(cmds, cmd)
			all = append(all, p)
		}
	}
	if len(all) == 0 && (c.now != 0 || c.timeless != nil) {
		return false, nil
	}
	replies, err := c.doer.DoAll(ctx, cmds...)
	if err != nil {
		return false, err
	}
	if c.timeless == nil {
		if err := c.takeTime(replies[0], refusals); err != nil {
			return false, err
		}
		cmds, replies = cmds[1:], replies[1:]
	}
	for i, p := range all {
		cmd, reply := cmds[i], replies[i]
		before, count := p.typ, p.count
		p.take(cmd, reply)
		if redisclient.ConcernsServer(p.err) {
			return false, p.err
		}
		refusals.Note(cmd, "", reply.Err())
		if p.typ != before && p.typ != "" {
			c.remember(p.key, p.typ)
		}
		if p.count != count {
			c.memory.Store(memoryCount+p.key, p.count)
		}
	}
	return true, nil
}

// Names in Memory.
const (
	memoryType  = "storm.type "  // + key: TYPE's word, or typeField
	memoryCount = "storm.count " // + key: int, how many members a step asks for
	memoryNames = "storm.names " // []string, the jobs that were found last
)

// recall returns what is remembered as the type of a key, "" if nothing.
func (c *check) recall(key string) string {
	v, _ := c.memory.Load(memoryType + key)
	typ, _ := v.(string)
	return typ
}

// recallCount returns how many members a step of a key's is to ask for, 0 if it
// is not known.
func (c *check) recallCount(key string) int {
	v, _ := c.memory.Load(memoryCount + key)
	n, _ := v.(int)
	return n
}

func (c *check) remember(key, typ string) { c.memory.Store(memoryType+key, typ) }
