package slow

import (
	"context"
	"fmt"
	"strconv"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
)

// Count returns what the agent's built-in redis.slowlog.count returns: how many slow
// commands were logged since the server started, which is the id of the newest entry
// plus one, not the length of the log. Difference: after SLOWLOG RESET the count stays
// what it was; that of the built-in key falls to 0 and jumps back, because the ids go
// on.
var Count = &item.Metric{
	Key:         "redis.server.slowlog.count",
	Description: "Returns the number of slow log entries since the server was started.",
	Params:      item.ConnParams(),
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

func collectSlowlogCount(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	newest := &ask.Part{Name: "slowlog", Cmd: redisclient.Command{"SLOWLOG", "GET", "1"}, Must: true}
	server := &ask.Part{Name: "server", Cmd: redisclient.Command{"INFO", "server"}}
	if err := ask.Do(ctx, r.Target, newest, server); err != nil {
		return err
	}
	id, ok, err := ask.NewestSlowlogID(newest)
	if err != nil {
		return fmt.Errorf("SLOWLOG GET 1: %w", err)
	}
	runID := info.ServerField(server, "run_id")
	if ok {
		r.Target.Memory.Store(slowlogMemory, slowlogSeen{runID, id + 1})
		w.Text(strconv.FormatInt(id+1, 10))
		return nil
	}
	if v, ok := r.Target.Memory.Load(slowlogMemory); ok && runID != "" {
		if seen := v.(slowlogSeen); seen.runID == runID {
			w.Text(strconv.FormatInt(seen.count, 10))
			return nil
		}
	}
	w.Text("0")
	return nil
}
