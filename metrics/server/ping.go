package server

import (
	"context"

	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
)

// Ping returns what the agent's built-in redis.ping returns. It is the only key that
// turns every failure into a value; redis.status has the reason. A server that takes no
// writes because it failed to save answers with MISCONF, which is 0 here and up there.
var Ping = &item.Metric{
	Key:         "redis.server.ping",
	Description: "Returns 1 when the server answers PING, otherwise 0.",
	Params:      item.ConnParams(),
	Commands:    []string{"ping"},
	Collect:     collectPing,
}

func collectPing(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	values, err := r.Target.DoAll(ctx, redisclient.Command{"PING"})
	if err != nil {
		w.Text("0")
		return nil
	}
	if text, err := values[0].Text(); err != nil || text != "PONG" {
		w.Text("0")
		return nil
	}
	w.Text("1")
	return nil
}
