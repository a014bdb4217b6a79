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
// on. Of Dragonfly, whose ids grow in each of its threads alone, it begins with that of
// the built-in key and grows by each entry that is new: the built-in one jumps up and
// down between the threads.
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
	if info.MeansOf(server).IDsByThread {
		n, err := countByThread(ctx, r.Target, id+1, ok, runID, info.ParseCount([]byte(info.ServerField(server, "uptime_in_seconds"))))
		if err == nil {
			w.Text(strconv.FormatInt(n, 10))
		}
		return err
	}
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

// threadCount is the count of a server with ids by thread, and what it counted.
type threadCount struct {
	read  threadRead
	count int64
}

const threadCountMemory = "slowlog count by thread"

// countByThread counts the entries of a server with ids by thread. begin is the count
// by the id of its newest entry, when there is any.
func countByThread(ctx context.Context, t *item.Target, begin int64, some bool, runID string, uptime info.Reading) (int64, error) {
	var entries []ask.SlowEntry
	if some {
		log := &ask.Part{Name: "slowlog", Cmd: redisclient.Command{"SLOWLOG", "GET", strconv.Itoa(slowlogEntries)}, Must: true}
		if err := ask.Do(ctx, t, log); err != nil {
			return 0, err
		}
		if log.Err == nil {
			entries, _, log.Err = ask.ParseSlowlog(log.Value)
		}
		if log.Err != nil {
			return 0, fmt.Errorf("SLOWLOG GET %d: %w", slowlogEntries, log.Err)
		}
	} else {
		begin = 0
	}
	var count int64
	t.Memory.Update(threadCountMemory, func(v any) any {
		c, polled := v.(threadCount)
		var n slowlogNews
		n, c.read = c.read.next(entries, polled, runID, uptime)
		if n.First || n.Restarted {
			c.count = begin
		} else {
			c.count += int64(len(n.entries))
		}
		count = c.count
		return c
	})
	return count, nil
}
