package server

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
)

// Info returns what the agent's built-in redis.info returns, byte for byte if that one
// answers at all. Differences: a section that the server does not have is an error,
// lines may have any length, and a part without "=" (Kvrocks' "sequence:0" in
// Keyspace) is a string and not a crash.
var Info = &item.Metric{
	Key:         "redis.server.info",
	Description: "Returns the output of the INFO command as JSON.",
	Params: []item.Param{
		item.Conn, item.Password,
		{
			Name: "Section", Default: "default",
			Description: "section of INFO, such as server, default, all or everything",
		},
		item.User,
	},
	Commands: []string{"info"},
	Collect:  collectInfo,
}

func collectInfo(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	section := strings.ToLower(r.Arg("Section"))
	values, err := r.Target.DoAll(ctx, redisclient.Command{"INFO", section})
	if err != nil {
		return err
	}
	text, err := info.Reply(values[0])
	if err != nil {
		return fmt.Errorf("INFO %s: %w", section, err)
	}
	return writeInfo(w, text, section)
}

// writeInfo writes the built-in plugin's document:
// {"Section":{"field":"value"}} with sorted names. The parts of a value are an
// object in the sections named exactly Keyspace and Commandstats and for the
// slaveN fields of Replication; everything else is a string, numbers too. Of
// fields that occur twice the last one counts.
func writeInfo(w *jsondoc.Writer, text []byte, section string) error {
	scratch := info.NewScratch()
	x, err := scratch.ScanHeaders(text)
	defer scratch.Release(&x)
	if err != nil {
		return err
	}
	if len(x.Sections) == 0 {
		return fmt.Errorf("the server has no INFO section %q", section)
	}
	// Nearly always nothing in the text needs an escape: that was seen once,
	// and need not be looked for in each name and value.
	key, value := w.KeyBytes, w.StringBytes
	if x.Plain {
		key, value = w.KeyPlain, w.StringPlain
	}
	w.Grow(len(text) + len(text)/2)
	w.BeginObject()
	x.SortSections()
	for i := 0; i < len(x.Sections); {
		name, lines, next := x.Group(i)
		i = next
		key(name).BeginObject()
		nested := string(name) == "Keyspace" || string(name) == "Commandstats"
		replication := string(name) == "Replication"
		for i, l := range lines {
			field := l.Key(text)
			if i+1 < len(lines) && bytes.Equal(field, lines[i+1].Key(text)) {
				continue
			}
			key(field)
			if nested || replication && info.IsSlaveField(field) {
				writeInfoPairs(w, l.Value(text))
			} else {
				value(l.Value(text))
			}
		}
		w.EndObject()
	}
	w.EndObject()
	return nil
}

// writeInfoPairs writes "a=1,b=2" as {"a":"1","b":"2"}. In such a value a
// part without "=" is a member with an empty string; a value with no "=" at
// all is written as the string that it is.
func writeInfoPairs(w *jsondoc.Writer, value []byte) {
	var buf [16]info.Pair
	pairs := info.Pairs(value, buf[:0])
	if pairs == nil {
		w.StringBytes(value)
		return
	}
	slices.SortStableFunc(pairs, func(a, b info.Pair) int { return bytes.Compare(a.Key, b.Key) })
	w.BeginObject()
	for i, p := range pairs {
		if i+1 < len(pairs) && bytes.Equal(p.Key, pairs[i+1].Key) {
			continue
		}
		w.KeyBytes(p.Key).StringBytes(p.Value)
	}
	w.EndObject()
}
