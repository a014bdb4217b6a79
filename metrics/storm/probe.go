package storm

import (
	"context"
	"errors"
	"fmt"

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

	typ   string     // in TYPE's words; "" while not known
	reply resp.Value // to read, when typ is of use and err is nil
	err   error      // what the server refused

	reading bool // the command under way is read, not TYPE
	asked   bool // TYPE was sent in this check
	done    bool
}

// command is what to send next.
func (p *probe) command() redisclient.Command {
	cmd := p.read(p.typ)
	p.reading = cmd != nil
	if cmd == nil {
		cmd = redisclient.Command{"TYPE", p.key}
	}
	return cmd
}

// take receives the reply to the last command.
func (p *probe) take(v resp.Value) {
	err := v.Err()
	switch {
	case p.reading && isWrongType(err) && !p.asked:
		p.typ = ""
	case err != nil:
		p.err = err
		p.done = true
	case !p.reading:
		p.asked = true
		p.typ, p.err = v.Text()
		p.done = p.err != nil || p.read(p.typ) == nil
	case v.Kind == resp.BulkString && len(v.Str) == 0 && !p.asked:
		// GETRANGE has the same answer for no key and for an empty one.
		p.typ = ""
	case isEmpty(v):
		p.typ = ask.TypeNone // Redis has no empty hashes, sets, lists
		p.done = true
	default:
		p.reply = v
		p.done = true
	}
}

// exists reports whether there is something to read at the key.
func (p *probe) exists() bool { return p != nil && p.err == nil && p.typ != ask.TypeNone }

// problem is why the key cannot be read, as far as it exists. want names the
// types that would do.
func (p *probe) problem(want string) error {
	switch {
	case p == nil:
		return nil
	case p.err != nil:
		return fmt.Errorf("read %q: %w", p.key, p.err)
	case p.exists() && p.read(p.typ) == nil:
		// What the server would answer to a read; it is spared the question.
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
}

// add lets a key take part; without a key there is no part.
func (c *check) add(key string, read reader) *probe {
	if key == "" {
		return nil
	}
	p := &probe{key: key, read: read, typ: c.recall(key)}
	c.probes = append(c.probes, p)
	return p
}

// rounds is what one check may take: a read that turns out not to fit, TYPE,
// and the read that fits.
const rounds = 3

// run asks until every key has its answer. All that is open travels in one
// pipeline, with TIME at its head.
func (c *check) run(ctx context.Context) error {
	refusals := ask.RefusalsOf(c.memory)
	for range rounds {
		var open []*probe
		cmds := []redisclient.Command{{"TIME"}}
		for _, p := range c.probes {
			if p.done {
				continue
			}
			cmd := p.command()
			if err := refusals.Of(cmd, ""); err != nil {
				p.err, p.done = err, true
				continue
			}
			open = append(open, p)
			cmds = append(cmds, cmd)
		}
		if len(open) == 0 && c.now != 0 {
			return nil
		}
		replies, err := c.doer.DoAll(ctx, cmds...)
		if err != nil {
			return err
		}
		if c.now, err = redisclient.ParseTime(replies[0]); err != nil {
			return redisclient.Misread("ask the server for its time", err)
		}
		for i, p := range open {
			before := p.typ
			p.take(replies[i+1])
			if redisclient.ConcernsServer(p.err) {
				return p.err
			}
			refusals.Note(cmds[i+1], "", p.err)
			if p.typ != before && p.typ != "" {
				c.remember(p.key, p.typ)
			}
		}
	}
	return nil
}

// Names in Memory.
const (
	memoryType  = "storm.type "  // + key: TYPE's word, or typeField
	memoryNames = "storm.names " // []string, the jobs that were found last
)

// recall returns what is remembered as the type of a key, "" if nothing.
func (c *check) recall(key string) string {
	v, _ := c.memory.Load(memoryType + key)
	typ, _ := v.(string)
	return typ
}

func (c *check) remember(key, typ string) { c.memory.Store(memoryType+key, typ) }
