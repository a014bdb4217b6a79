package keys

import (
	"context"
	"fmt"
	"strconv"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
)

// Count counts the keys that match a glob pattern. It uses SCAN, which does not block
// the server, until all keys were read, the budget is used up or the time of the
// request ends.
//
// The members in addition to the head:
//
//	pattern   the pattern
//	view      whose keys these are: server; cluster, all masters of which are
//	          scanned, one after the other within one budget; or entry_node, of a
//	          cluster whose other nodes cannot be found
//	count     keys found, each counted once though SCAN may give it twice
//	complete  whether all keys were looked at. Keys that are written or deleted
//	          meanwhile may be counted or not.
//	scanned   about how many keys were looked at: the server does not tell, but
//	          looks at ask.ScanCount of them a step
//	dbsize    the keys of the database, in all masters; left out when one refuses it
//	estimate  what count would be for all keys, which lie in random order; only
//	          when not complete and dbsize is known
//	unavailable  what the server refused; without SCAN nothing but dbsize is known.
//	          masters are those of a cluster that did not answer: then count is
//	          that of the others, complete is false and there is no estimate
//
// A pattern of more than two stars, beside one at the end, is an error on a server
// that is not known to match it in bounded time: on Redis before 6.0.18, 6.2.11
// and 7.0.9, and on forks other than Valkey.
//
// Source: https://redis.io/docs/latest/commands/scan/
var Count = &item.Metric{
	Key:         "redis.keys.count",
	Description: "Returns how many keys match a pattern as JSON, counted by SCAN within a budget.",
	Params: item.ConnParams(
		item.Param{Name: "Pattern", Required: true, Description: "glob pattern of keys, as session:*"},
		item.Param{
			Name: "Budget", Default: "100000", Check: checkBudget,
			Description: "the most keys to look at, 1000-1000000",
		},
	),
	Commands: []string{"scan", "dbsize", "info", "cluster|nodes"},
	Collect:  collectKeysCount,
}

const (
	maxBudget = 1_000_000
)

func checkBudget(s string) error {
	_, err := parseBudget(s)
	return err
}

func parseBudget(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < ask.ScanCount || n > maxBudget {
		return 0, fmt.Errorf("expected a number of keys, %d-%d", ask.ScanCount, maxBudget)
	}
	return n, nil
}

func collectKeysCount(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	t, pattern := r.Target, r.Arg("Pattern")
	budget, err := parseBudget(r.Arg("Budget"))
	if err != nil {
		return err
	}
	switch problem, err := info.CheckPattern(ctx, t, pattern); {
	case err != nil:
		return ask.Down(w, t.Name, err)
	case problem != nil:
		return problem
	}
	c, err := countKeys(ctx, t, pattern, budget)
	if err != nil {
		return ask.Down(w, t.Name, err)
	}
	c.write(w)
	return nil
}
