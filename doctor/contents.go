package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"redisjobs/conf"
	"redisjobs/metrics"
	"redisjobs/nearest"
	"redisjobs/targets"
)

// keysOf is a row of INFO keyspace: databases without a key have none.
var keysOf = regexp.MustCompile(`(?m)^db(\d+):keys=(\d+)`)

// database warns of a database that a session names and that is empty, while
// others of the same server are not.
func database(keyspace string, target *conf.Target, shown string) []finding {
	own := strconv.Itoa(target.Database())
	var others []string
	for _, m := range keysOf.FindAllStringSubmatch(keyspace, -1) {
		if m[1] == own {
			return nil
		}
		others = append(others, fmt.Sprintf("%s (%s keys)", m[1], m[2]))
	}
	if own == "0" || len(others) == 0 {
		return nil
	}
	return []finding{ofSession(warning, fmt.Sprintf("%s: the database %s has no keys; these have: %s", shown, own, some(others)),
		"if another one was meant, correct "+databaseOption(target))}
}

// queues looks whether the queues that Jobs.Queues names are in the Redis of any
// session.
func (d *doctor) queues(client *targets.Client, options *conf.Options) {
	if len(options.Jobs.Queues) == 0 {
		return
	}
	seen := map[string]map[string]bool{} // by system
	asked := 0
	for _, s := range options.Sessions() {
		if s.Web {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), options.Timeout)
		rows, ok := queuesOf(ctx, client, s.Name)
		cancel()
		if !ok {
			continue // the session's own finding says why
		}
		asked++
		for _, row := range rows {
			if seen[row.System] == nil {
				seen[row.System] = map[string]bool{}
			}
			if row.exists() {
				seen[row.System][row.Queue] = true
			}
		}
	}
	if asked == 0 {
		return
	}
	for _, system := range slices.Sorted(maps.Keys(options.Jobs.Queues)) {
		there := slices.Sorted(maps.Keys(seen[system]))
		for _, queue := range options.Jobs.Queues[system] {
			if !seen[system][queue] {
				d.say(warning, "jobs", missingQueue(system, queue, there), "correct "+prefix+"Jobs.Queues, or leave it, if the queue is not used yet")
			}
		}
	}
}

// missingQueue says that a queue is not there, which may have been meant, and
// which are.
func missingQueue(system, queue string, there []string) string {
	text := fmt.Sprintf("%sJobs.Queues: no session has a queue %s of %s", prefix, queue, system)
	if near := nearest.Of(queue, there); near != "" {
		text += "; did you mean " + near + "?"
	}
	if len(there) > 0 {
		text += "; there are: " + some(there)
	}
	return text
}

// queueRow is a row of queues in the answer of job.get.
type queueRow struct {
	System string
	Queue  string
	Listed int
	// The figures that are above 0 only where a key is.
	Waiting, Active, Scheduled, Retry, Failed, Completed, Processed float64
}

// exists reports whether anything of the queue is there.
func (r queueRow) exists() bool {
	return r.Listed == 1 || r.Waiting+r.Active+r.Scheduled+r.Retry+r.Failed+r.Completed+r.Processed > 0
}

// queuesOf are the queues in the Redis of a session.
func queuesOf(ctx context.Context, client *targets.Client, session string) ([]queueRow, bool) {
	metric, known := metrics.Lookup("job.get")
	if !known {
		return nil, false
	}
	text, err := client.Collect(ctx, metric, session)
	if err != nil {
		return nil, false
	}
	var answer struct {
		Up     int
		Queues []queueRow
	}
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&answer); err != nil || answer.Up != 1 {
		return nil, false
	}
	return answer.Queues, true
}
