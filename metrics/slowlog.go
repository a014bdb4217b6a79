package metrics

import (
	"context"
	"fmt"
	"strconv"

	"redisjobs/redisclient"
)

// slowlogCountMetric answers what the agent's built-in redis.slowlog.count
// does: how many slow commands were logged since the server started, which is
// the newest entry's id plus one and not the log's length. What differs: after
// SLOWLOG RESET, when the log is empty and the ids go on, the count stays what
// it was instead of falling to 0 and jumping back.
var slowlogCountMetric = &Metric{
	Key:         "redis.server.slowlog.count",
	Description: "Returns the number of slow log entries since the server was started.",
	Params:      connParams(),
	Commands:    []string{"slowlog|get", "info"},
	Collect:     collectSlowlogCount,
}

// slowlogSeen is the count that was last read, and in which life of the
// server: a restart begins the ids anew.
type slowlogSeen struct {
	runID string
	count int64
}

const slowlogMemory = "slowlog count"

func collectSlowlogCount(ctx context.Context, r *Request) (string, error) {
	newest := &part{name: "slowlog", cmd: redisclient.Command{"SLOWLOG", "GET", "1"}, must: true}
	server := &part{name: "server", cmd: redisclient.Command{"INFO", "server"}}
	if err := askParts(ctx, r.Target, newest, server); err != nil {
		return "", err
	}
	id, ok, err := newestSlowlogID(newest)
	if err != nil {
		return "", fmt.Errorf("SLOWLOG GET 1: %w", err)
	}
	runID := serverField(server, "run_id")
	if ok {
		r.Target.Memory.Store(slowlogMemory, slowlogSeen{runID, id + 1})
		return strconv.FormatInt(id+1, 10), nil
	}
	if v, ok := r.Target.Memory.Load(slowlogMemory); ok && runID != "" {
		if seen := v.(slowlogSeen); seen.runID == runID {
			return strconv.FormatInt(seen.count, 10), nil
		}
	}
	return "0", nil
}
