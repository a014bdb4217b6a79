package keys

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
)

// Metrics read one key of the target's database. What a key is read with
// depends on its type, which is remembered: a poll is one round trip, and two
// when the type is not known yet or has changed.
var Metrics = []*item.Metric{Get, Length, TTL, Value}

// Get returns what is known about a key without reading its value.
//
// The members in addition to the head; each is left out if it is not known:
//
//	key          the key
//	exists       true or false
//	type         string, list, set, zset, hash, stream, vectorset, array, a module's
//	             word, or none for a key that does not exist
//	length       0 for a key that does not exist, else as in redis.key.length;
//	             left out for types of modules
//	expires      whether the key has a time to live
//	ttl          it, in seconds; left out when there is none
//	memory       bytes, as MEMORY USAGE estimates it from a few members; left out, as
//	             encoding is, for a key that does not exist
//	encoding     how the server stores it, as listpack
//	unavailable  what the server refused or does not know
var Get = &item.Metric{
	Key:         "redis.key.get",
	Description: "Returns whether a key exists, its type, length, time to live and memory as JSON.",
	Params:      item.ConnParams(ask.ParamKey),
	Commands: []string{
		"type", "pttl", "memory|usage", "object|encoding",
		"strlen", "llen", "scard", "zcard", "hlen", "xlen", "vcard", "arcount",
	},
	Collect: collectKeyGet,
}

// Length returns the number of members of a key, or the number of bytes of a string. A
// key that does not exist has the length 0, like a queue that is empty. The type of a
// module, for which no command returns a length, is an error.
var Length = &item.Metric{
	Key:         "redis.key.length",
	Description: "Returns the number of members of a key, or of bytes of a string; 0 when there is no such key.",
	Params:      item.ConnParams(ask.ParamKey),
	Commands:    []string{"type", "strlen", "llen", "scard", "zcard", "hlen", "xlen", "vcard", "arcount"},
	Collect:     collectKeyLength,
}

// TTL returns seconds with at most three decimals, or -1 and -2 as Redis does.
var TTL = &item.Metric{
	Key:         "redis.key.ttl",
	Description: "Returns the time to live of a key in seconds, -1 when it does not expire and -2 when there is no such key.",
	Params:      item.ConnParams(ask.ParamKey),
	Commands:    []string{"pttl"},
	Collect:     collectKeyTTL,
}

func lengthCommand(key string) func(typ string) redisclient.Command {
	return func(typ string) redisclient.Command {
		if name, ok := ask.LengthCommands[typ]; ok {
			return redisclient.Command{name, key}
		}
		return nil
	}
}

// keyReading is what was read of a key.
type keyReading struct {
	typ ask.Part // its value, once read, is the key's type
	// content is the answer to the command for that type; nil when there is no
	// key, or no command for it.
	content *ask.Part
	word    string // the type; "" when typ failed
}

// readKey asks for a key's type, for what command makes of it, and for others
// in the same round trip. The error is the conversation's, or concerns the
// server's state; what the server refused stands in the parts.
func readKey(ctx context.Context, t *item.Target, key string, command func(typ string) redisclient.Command, others ...*ask.Part) (*keyReading, error) {
	k := &keyReading{typ: ask.Part{Name: "type", Cmd: redisclient.Command{"TYPE", key}}}
	v, _ := t.Memory.Load(ask.TypeMemory + key)
	guess, _ := v.(string)
	parts := append([]*ask.Part{&k.typ}, others...)
	if cmd := command(guess); cmd != nil {
		k.content = &ask.Part{Name: "content", Cmd: cmd}
		parts = append(parts, k.content)
	}
	if err := ask.Do(ctx, t, parts...); err != nil {
		return nil, err
	}
	if err := ask.StateProblem(parts...); err != nil {
		return nil, err
	}
	if k.typ.Err == nil {
		k.word, k.typ.Err = k.typ.Value.Text()
	}
	if k.word == guess {
		return k, nil
	}
	k.content = nil
	if k.typ.Err != nil || k.word == ask.TypeNone {
		return k, nil // what the key was is what it will most likely be again
	}
	t.Memory.Store(ask.TypeMemory+key, k.word)
	cmd := command(k.word)
	if cmd == nil {
		return k, nil
	}
	k.content = &ask.Part{Name: "content", Cmd: cmd}
	if err := ask.Do(ctx, t, k.content); err != nil {
		return nil, err
	}
	return k, ask.StateProblem(k.content)
}

func collectKeyGet(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	t, key := r.Target, r.Arg("Key")
	ttl := &ask.Part{Name: "ttl", Cmd: redisclient.Command{"PTTL", key}}
	memory := &ask.Part{Name: "memory", Cmd: redisclient.Command{"MEMORY", "USAGE", key}}
	encoding := &ask.Part{Name: "encoding", Cmd: redisclient.Command{"OBJECT", "ENCODING", key}}
	k, err := readKey(ctx, t, key, lengthCommand(key), ttl, memory, encoding)
	if err != nil {
		return ask.Down(w, t.Name, err)
	}
	w.Grow(512)
	w.BeginObject()
	ask.Head(w, t.Name, nil)
	w.Key("key").String(key)
	length := ask.Part{Name: "length"}
	if k.typ.Err == nil {
		w.Key("exists").Bool(k.word != ask.TypeNone)
		w.Key("type").String(k.word)
		var n int64
		if n, length.Err = k.length(key); length.Err == nil {
			w.Key("length").Int(n)
		}
	}
	gone := k.word == ask.TypeNone
	if ttl.Err == nil {
		var ms int64
		if ms, ttl.Err = ttl.Value.Int64(); ttl.Err == nil {
			gone = gone || k.typ.Err != nil && ms == -2
			w.Key("expires").Bool(ms >= 0 && !gone)
			if ms >= 0 && !gone {
				w.Key("ttl").Float(float64(ms) / 1e3)
			}
		}
	}
	writeStorage(w, gone, memory, encoding)
	ask.Unavailable(w, &k.typ, &length, ttl, memory, encoding)
	w.EndObject()
	return nil
}

// writeStorage writes how a key is stored. Servers answer null for a key that does not
// exist, forks "no such key", and a replica the size of one that has expired
// and that its primary has not deleted yet: no command finds it.
func writeStorage(w *jsondoc.Writer, gone bool, memory, encoding *ask.Part) {
	if gone {
		for _, p := range []*ask.Part{memory, encoding} {
			if p.Err != nil && !ask.Lasting(p.Err) {
				p.Err = nil
			}
		}
		return
	}
	if memory.Err == nil && !memory.Value.IsNull() {
		var n int64
		if n, memory.Err = memory.Value.Int64(); memory.Err == nil {
			w.Key("memory").Int(n)
		}
	}
	if encoding.Err == nil && !encoding.Value.IsNull() {
		var text string
		if text, encoding.Err = encoding.Value.Text(); encoding.Err == nil {
			w.Key("encoding").String(text)
		}
	}
}

var errNoLength = errors.New("no command tells its length")

// length is the key's, when it was read with lengthCommand.
func (k *keyReading) length(key string) (int64, error) {
	switch {
	case k.typ.Err != nil:
		return 0, k.typ.Err
	case k.word == ask.TypeNone:
		return 0, nil
	case k.content == nil:
		return 0, fmt.Errorf("the key %q is of type %s: %w", key, k.word, errNoLength)
	case k.content.Err != nil:
		return 0, k.content.Err
	}
	return k.content.Value.Int64()
}

func collectKeyLength(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	key := r.Arg("Key")
	k, err := readKey(ctx, r.Target, key, lengthCommand(key))
	if err != nil {
		return err
	}
	n, err := k.length(key)
	if err != nil {
		return err
	}
	w.Text(strconv.FormatInt(n, 10))
	return nil
}

func collectKeyTTL(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	ttl := &ask.Part{Cmd: redisclient.Command{"PTTL", r.Arg("Key")}}
	if err := ask.Do(ctx, r.Target, ttl); err != nil {
		return err
	}
	if ttl.Err != nil {
		return ttl.Err
	}
	ms, err := ttl.Value.Int64()
	if err != nil {
		return fmt.Errorf("PTTL: %w", err)
	}
	if ms < 0 {
		w.Text(strconv.FormatInt(ms, 10))
		return nil
	}
	w.Text(strconv.FormatFloat(float64(ms)/1e3, 'f', -1, 64))
	return nil
}
