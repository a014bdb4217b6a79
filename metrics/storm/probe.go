package storm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// ask.TypeNone is what TYPE says of a key that does not exist.
const typeNone = "none"

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

	common  bool // the key speaks of all jobs, see check.addCommon
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
		p.typ = typeNone // Redis has no empty hashes, sets, lists
		p.done = true
	default:
		p.reply = v
		p.done = true
	}
}

// exists reports whether there is something to read at the key.
func (p *probe) exists() bool { return p != nil && p.err == nil && p.typ != typeNone }

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

// addCommon is add for a key that speaks of all jobs, and without which there is
// still something to tell: what the user may not do with it is not tried again
// for an hour, because each refusal counts in the server's error figures and
// its ACL log. A permission given later shows after at most this time.
func (c *check) addCommon(key string, read reader) *probe {
	p := c.add(key, read)
	if p != nil {
		p.common = true
	}
	return p
}

// rounds is what one check may take: a read that turns out not to fit, TYPE,
// and the read that fits.
const rounds = 3

// run asks until every key has its answer. All that is open travels in one
// pipeline, with TIME at its head.
func (c *check) run(ctx context.Context) error {
	for range rounds {
		var open []*probe
		cmds := []redisclient.Command{{"TIME"}}
		for _, p := range c.probes {
			if p.done {
				continue
			}
			cmd := p.command()
			if err := c.refused(p, cmd); err != nil {
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
			c.noteRefusal(p, cmds[i+1])
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

	memoryRefusal = "storm.refusal " // + command and key: refusal
)

// ask.RefusalMemory is how long a refusal of a common key is remembered.
const refusalMemory = time.Hour

type refusal struct {
	err   error
	until time.Time
}

// refused is why a command on a common key need not be sent; nil if it should
// be.
func (c *check) refused(p *probe, cmd redisclient.Command) error {
	if !p.common {
		return nil
	}
	v, _ := c.memory.Load(memoryRefusal + cmd[0] + " " + p.key)
	if r, ok := v.(refusal); ok && time.Now().Before(r.until) {
		return r.err
	}
	return nil
}

func (c *check) noteRefusal(p *probe, cmd redisclient.Command) {
	if p.common && redisclient.ReasonOf(p.err) == redisclient.ReasonACL {
		c.memory.Store(memoryRefusal+cmd[0]+" "+p.key, refusal{p.err, time.Now().Add(refusalMemory)})
	}
}

// recall returns what is remembered as the type of a key, "" if nothing.
func (c *check) recall(key string) string {
	v, _ := c.memory.Load(memoryType + key)
	typ, _ := v.(string)
	return typ
}

func (c *check) remember(key, typ string) { c.memory.Store(memoryType+key, typ) }
