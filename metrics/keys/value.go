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
	"redisjobs/redisclient/resp"
)

// Value returns the value of a string, or one member of a key: the field Member of a
// hash, the score of Member in a sorted set, the element at index Member of a list (-1
// is the last), and 1 or 0 for whether Member is in a set. A key or member that does
// not exist is an error, because an empty text would mean that it exists. So is a
// value of more than maxKeyValue bytes.
var Value = &item.Metric{
	Key:         "redis.key.value",
	Description: "Returns the value of a string, or of one member of a hash, list, set or sorted set.",
	Params: item.ConnParams(ask.ParamKey, item.Param{
		Name:        "Member",
		Description: "hash field, list index, or member of a set or sorted set; none for a string",
	}),
	Commands: []string{"type", "getrange", "hget", "zscore", "lindex", "sismember"},
	Collect:  collectKeyValue,
}

// maxKeyValue is what Zabbix keeps of a text: 64 KiB.
const maxKeyValue = 64 << 10

// valueCommand is the command that reads a key of that type; nil when there is
// none, or none without a member.
func valueCommand(typ, key, member string) redisclient.Command {
	if typ == "string" && member == "" {
		// One byte more, to tell that there is more.
		return redisclient.Command{"GETRANGE", key, "0", strconv.Itoa(maxKeyValue)}
	}
	if member == "" {
		return nil
	}
	switch typ {
	case "hash":
		return redisclient.Command{"HGET", key, member}
	case "zset":
		return redisclient.Command{"ZSCORE", key, member}
	case "set":
		return redisclient.Command{"SISMEMBER", key, member}
	case "list":
		if _, err := strconv.ParseInt(member, 10, 64); err == nil {
			return redisclient.Command{"LINDEX", key, member}
		}
	}
	return nil
}

func collectKeyValue(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	key, member := r.Arg("Key"), r.Arg("Member")
	k, err := readKey(ctx, r.Target, key, func(typ string) redisclient.Command { return valueCommand(typ, key, member) })
	if err != nil {
		return err
	}
	switch {
	case k.typ.Err != nil:
		return k.typ.Err
	case k.word == ask.TypeNone:
		return fmt.Errorf("there is no key %q", key)
	case k.content == nil:
		return noValue(k.word, key, member)
	case k.content.Err != nil:
		return k.content.Err
	}
	text, err := k.content.Value.Text()
	switch {
	case errors.Is(err, resp.ErrNull):
		return fmt.Errorf("the key %q, a %s, has no member %q", key, k.word, member)
	case err != nil:
		return err
	case len(text) > maxKeyValue:
		return fmt.Errorf("the value is longer than %d bytes", maxKeyValue)
	}
	w.Text(text)
	return nil
}

// noValue says why valueCommand has none.
func noValue(typ, key, member string) error {
	switch typ {
	case "string":
		return fmt.Errorf("the key %q is a string and has no member %q", key, member)
	case "list":
		return fmt.Errorf("the key %q is a list: parameter Member must be an index, as 0 or -1", key)
	case "hash", "zset", "set":
		return fmt.Errorf("the key %q is of type %s: parameter Member is required", key, typ)
	}
	return fmt.Errorf("the key %q is of type %s, which has no single value", key, typ)
}
