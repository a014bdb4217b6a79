package metrics

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
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

// serverField reads a field of the answer to INFO server; "" when it cannot be
// had.
func serverField(server *part, name string) string {
	if server.err != nil {
		return ""
	}
	text, err := infoReply(server.value)
	if err != nil {
		return ""
	}
	x, err := scanInfo(text, nil, nil)
	if err != nil {
		return ""
	}
	v, _ := x.field("server", name)
	return string(v)
}

var errNoSlowlogID = errors.New("the entry has no id")

// newestSlowlogID reads the id from the answer to SLOWLOG GET 1; ok is false
// when the log is empty.
func newestSlowlogID(p *part) (id int64, ok bool, err error) {
	if p.err != nil {
		return 0, false, p.err
	}
	entries, err := p.value.Array()
	if err != nil || len(entries) == 0 {
		return 0, false, err
	}
	fields, err := entries[0].Array()
	if err != nil {
		return 0, false, err
	}
	if len(fields) == 0 || fields[0].Kind != resp.Integer || fields[0].Int < 0 {
		return 0, false, errNoSlowlogID
	}
	return fields[0].Int, true, nil
}
