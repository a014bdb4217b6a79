package metrics

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
)

// keyMetrics read one key of the target's database. What a key is read with
// depends on its type, which is remembered: a poll is one round trip, and two
// when the type is not known yet or has changed.
var keyMetrics = []*Metric{keyGetMetric, keyLengthMetric, keyTTLMetric, keyValueMetric}

// keyGetMetric answers what there is to know of a key without reading it.
//
// The members beside the head, each left out when unknown:
//
//	key          the key
//	exists       true or false
//	type         string, list, set, zset, hash, stream, a module's word, or
//	             none for a key that does not exist
//	length       0 for a key that does not exist, else as in redis.key.length;
//	             left out for types of modules
//	expires      whether the key has a time to live
//	ttl          it, in seconds; left out when there is none
//	memory       bytes, as MEMORY USAGE estimates it from a few members
//	encoding     how the server stores it, as listpack
//	unavailable  what the server refused or does not know
var keyGetMetric = &Metric{
	Key:         "redis.key.get",
	Description: "Returns whether a key exists, its type, length, time to live and memory as JSON.",
	Params:      connParams(paramKey),
	Commands: []string{
		"type", "pttl", "memory|usage", "object|encoding",
		"strlen", "llen", "scard", "zcard", "hlen", "xlen",
	},
	Collect: collectKeyGet,
}

// keyLengthMetric answers the number of a key's members, for a string that of
// its bytes. A key that does not exist has the length 0, as a queue has that
// nobody has written to; a type of a module, whose length no command tells, is
// an error.
var keyLengthMetric = &Metric{
	Key:         "redis.key.length",
	Description: "Returns the number of members of a key, or of bytes of a string; 0 when there is no such key.",
	Params:      connParams(paramKey),
	Commands:    []string{"type", "strlen", "llen", "scard", "zcard", "hlen", "xlen"},
	Collect:     collectKeyLength,
}

// keyTTLMetric answers in seconds with at most three decimals, and with Redis'
// own words -1 and -2.
var keyTTLMetric = &Metric{
	Key:         "redis.key.ttl",
	Description: "Returns the time to live of a key in seconds, -1 when it does not expire and -2 when there is no such key.",
	Params:      connParams(paramKey),
	Commands:    []string{"pttl"},
	Collect:     collectKeyTTL,
}

func lengthCommand(key string) func(typ string) redisclient.Command {
	return func(typ string) redisclient.Command {
		if name, ok := lengthCommands[typ]; ok {
			return redisclient.Command{name, key}
		}
		return nil
	}
}

// keyReading is what was read of a key.
type keyReading struct {
	typ part // its value, once read, is the key's type
	// content is the answer to the command for that type; nil when there is no
	// key, or no command for it.
	content *part
	word    string // the type; "" when typ failed
}

// readKey asks for a key's type, for what command makes of it, and for others
// in the same round trip. The error is the conversation's, or tells of the
// server's state; what the server refused stands in the parts.
func readKey(ctx context.Context, t *Target, key string, command func(typ string) redisclient.Command, others ...*part) (*keyReading, error) {
	k := &keyReading{typ: part{name: "type", cmd: redisclient.Command{"TYPE", key}}}
	v, _ := t.Memory.Load(keyTypeMemory + key)
	guess, _ := v.(string)
	parts := append([]*part{&k.typ}, others...)
	if cmd := command(guess); cmd != nil {
		k.content = &part{name: "content", cmd: cmd}
		parts = append(parts, k.content)
	}
	if err := askParts(ctx, t, parts...); err != nil {
		return nil, err
	}
	if err := stateProblem(parts...); err != nil {
		return nil, err
	}
	if k.typ.err == nil {
		k.word, k.typ.err = k.typ.value.Text()
	}
	if k.word == guess {
		return k, nil
	}
	k.content = nil
	if k.typ.err != nil || k.word == typeNone {
		return k, nil // what the key was is what it will most likely be again
	}
	t.Memory.Store(keyTypeMemory+key, k.word)
	cmd := command(k.word)
	if cmd == nil {
		return k, nil
	}
	k.content = &part{name: "content", cmd: cmd}
	if err := askParts(ctx, t, k.content); err != nil {
		return nil, err
	}
	return k, stateProblem(k.content)
}

func collectKeyGet(ctx context.Context, r *Request) (string, error) {
	t, key := r.Target, r.Arg("Key")
	ttl := &part{name: "ttl", cmd: redisclient.Command{"PTTL", key}}
	memory := &part{name: "memory", cmd: redisclient.Command{"MEMORY", "USAGE", key}}
	encoding := &part{name: "encoding", cmd: redisclient.Command{"OBJECT", "ENCODING", key}}
	k, err := readKey(ctx, t, key, lengthCommand(key), ttl, memory, encoding)
	if err != nil {
		return downDocument(t.Name, err), nil
	}
	w := jsondoc.New(512)
	w.BeginObject()
	writeHead(w, t.Name, nil)
	w.Key("key").String(key)
	length := part{name: "length"}
	if k.typ.err == nil {
		w.Key("exists").Bool(k.word != typeNone)
		w.Key("type").String(k.word)
		var n int64
		if n, length.err = k.length(key); length.err == nil {
			w.Key("length").Int(n)
		}
	}
	if ttl.err == nil {
		var ms int64
		if ms, ttl.err = ttl.value.Int64(); ttl.err == nil {
			w.Key("expires").Bool(ms >= 0)
			if ms >= 0 {
				w.Key("ttl").Float(float64(ms) / 1e3)
			}
		}
	}
	// Both are null for a key that does not exist.
	if memory.err == nil && !memory.value.IsNull() {
		var n int64
		if n, memory.err = memory.value.Int64(); memory.err == nil {
			w.Key("memory").Int(n)
		}
	}
	if encoding.err == nil && !encoding.value.IsNull() {
		var text string
		if text, encoding.err = encoding.value.Text(); encoding.err == nil {
			w.Key("encoding").String(text)
		}
	}
	for _, p := range []*part{memory, encoding} {
		if k.word == typeNone && p.err != nil && !lasting(p.err) {
			p.err = nil // forks answer "no such key" where Redis answers null
		}
	}
	writeUnavailable(w, &k.typ, &length, ttl, memory, encoding)
	w.EndObject()
	return w.Document(), nil
}

var errNoLength = errors.New("no command tells its length")

// length is the key's, when it was read with lengthCommand.
func (k *keyReading) length(key string) (int64, error) {
	switch {
	case k.typ.err != nil:
		return 0, k.typ.err
	case k.word == typeNone:
		return 0, nil
	case k.content == nil:
		return 0, fmt.Errorf("the key %q is of type %s: %w", key, k.word, errNoLength)
	case k.content.err != nil:
		return 0, k.content.err
	}
	return k.content.value.Int64()
}

func collectKeyLength(ctx context.Context, r *Request) (string, error) {
	key := r.Arg("Key")
	k, err := readKey(ctx, r.Target, key, lengthCommand(key))
	if err != nil {
		return "", err
	}
	n, err := k.length(key)
	if err != nil {
		return "", err
	}
	return strconv.FormatInt(n, 10), nil
}

func collectKeyTTL(ctx context.Context, r *Request) (string, error) {
	ttl := &part{cmd: redisclient.Command{"PTTL", r.Arg("Key")}}
	if err := askParts(ctx, r.Target, ttl); err != nil {
		return "", err
	}
	if ttl.err != nil {
		return "", ttl.err
	}
	ms, err := ttl.value.Int64()
	if err != nil {
		return "", fmt.Errorf("PTTL: %w", err)
	}
	if ms < 0 {
		return strconv.FormatInt(ms, 10), nil
	}
	return strconv.FormatFloat(float64(ms)/1e3, 'f', -1, 64), nil
}
