package metrics

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
)

// keysCountMetric counts the keys that match a glob pattern, by SCAN and so
// without blocking the server, until all keys were looked at, the budget is
// spent or the time of the request runs out.
//
// The members beside the head:
//
//	pattern   the pattern
//	count     keys found, each counted once though SCAN may give it twice
//	complete  whether all keys were looked at. Keys that are written or deleted
//	          meanwhile may be counted or not.
//	scanned   about how many keys were looked at: the server does not tell, but
//	          looks at scanCount of them a step
//	dbsize    the keys of the database; left out when the server refuses it
//	estimate  what count would be for all keys, which lie in random order; only
//	          when not complete and dbsize is known
//	unavailable  what the server refused; without SCAN nothing but dbsize is known
//
// Source: https://redis.io/docs/latest/commands/scan/
var keysCountMetric = &Metric{
	Key:         "redis.keys.count",
	Description: "Returns how many keys match a pattern as JSON, counted by SCAN within a budget.",
	Params: connParams(
		Param{Name: "Pattern", Required: true, Description: "glob pattern of keys, as session:*"},
		Param{
			Name: "Budget", Default: "100000", Check: checkBudget,
			Description: "the most keys to look at, 1000-1000000",
		},
	),
	Commands: []string{"scan", "dbsize"},
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
	if err != nil || n < scanCount || n > maxBudget {
		return 0, fmt.Errorf("expected a number of keys, %d-%d", scanCount, maxBudget)
	}
	return n, nil
}

func collectKeysCount(ctx context.Context, r *Request) (string, error) {
	t, pattern := r.Target, r.Arg("Pattern")
	budget, err := parseBudget(r.Arg("Budget"))
	if err != nil {
		return "", err
	}
	size := &part{name: "dbsize", cmd: redisclient.Command{"DBSIZE"}}
	s := newKeyScan(ctx, budget)
	cursor := "0"
	var scan *part
	for !s.complete && (s.steps == 0 || s.mayGoOn()) {
		began := time.Now()
		scan = &part{name: "scan", as: "SCAN", cmd: redisclient.Command{
			"SCAN", cursor, "MATCH", pattern, "COUNT", strconv.Itoa(scanCount),
		}}
		parts := []*part{scan}
		if s.steps == 0 {
			parts = append(parts, size)
		}
		if err := askParts(ctx, t, parts...); err != nil {
			return downDocument(t.Name, err), nil
		}
		if err := stateProblem(parts...); err != nil {
			return downDocument(t.Name, err), nil
		}
		if scan.err != nil {
			break
		}
		if cursor, err = s.take(scan.value); err != nil {
			return downDocument(t.Name, fmt.Errorf("SCAN: %w", err)), nil
		}
		s.slowest = max(s.slowest, time.Since(began))
	}
	w := jsondoc.New(512)
	w.BeginObject()
	writeHead(w, t.Name, nil)
	w.Key("pattern").String(pattern)
	s.write(w, scan, size)
	writeUnavailable(w, scan, size)
	w.EndObject()
	return w.Document(), nil
}
