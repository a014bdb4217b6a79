package keys

import (
	"context"
	"fmt"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// checkStream asks the server how many groups and consumers a stream has, which some
// commands go through: groups first, for only XINFO GROUPS tells their consumers. What
// is no stream, or what we may not ask, is not judged: the command itself will say so.
// Source: https://redis.io/docs/latest/commands/xinfo-stream/
func checkStream(ctx context.Context, t *item.Target, name string, c *cost) (problem, err error) {
	if c.stream == "" {
		return nil, nil
	}
	values, err := t.DoAll(ctx, redisclient.Command{"XINFO", "STREAM", c.stream})
	if err != nil {
		return nil, err
	}
	groups, ok := pairNumber(values[0], "groups")
	if !ok || groups == 0 {
		return nil, nil
	}
	if groups > maxElements {
		return fmt.Errorf("redis.command does not run this %s: the stream %q has %d groups, and at most %d are read", name, c.stream, groups, maxElements), nil
	}
	if !c.eachConsumer {
		return nil, nil
	}
	if values, err = t.DoAll(ctx, redisclient.Command{"XINFO", "GROUPS", c.stream}); err != nil {
		return nil, err
	}
	rows, err := values[0].Array()
	if err != nil {
		return nil, nil // the command itself tells what is wrong
	}
	var consumers int64
	for _, row := range rows {
		n, _ := pairNumber(row, "consumers")
		consumers += n
	}
	if consumers > maxElements {
		return fmt.Errorf("redis.command does not run this %s: the groups of the stream %q have %d consumers, and at most %d are read",
			name, c.stream, consumers, maxElements), nil
	}
	return nil, nil
}

// pairNumber is a number among the pairs of a reply.
func pairNumber(reply resp.Value, name string) (int64, bool) {
	pairs, err := reply.Pairs()
	if err != nil {
		return 0, false
	}
	v, _ := ask.FieldOf(pairs, name)
	n, err := v.Int64()
	return n, err == nil
}
