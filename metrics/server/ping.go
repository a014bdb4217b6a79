package server

import (
	"context"

	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
)

// Ping answers what the agent's built-in redis.ping does. It is the one
// key that maps every failure to a value; redis.status tells the reason.
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
