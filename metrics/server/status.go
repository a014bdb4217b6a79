package server

import (
	"context"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
)

// Status tells whether a server serves commands, and if not, why.
//
// up is 1 when the server answers PING with PONG. A server that can be reached
// and says that it is loading, that its master is down, that a script blocks
// it or that we are not logged in is down, with that reason and with all that
// it tells about itself. Where PING itself is not permitted or not known, a
// server that answers INFO is up: it serves commands, and unavailable.ping has
// its words.
//
// The members are those that redis.get begins with, and unavailable for what the server
// refused, as in redis.get.
var Status = &item.Metric{
	Key:         "redis.status",
	Description: "Returns whether a server serves commands, and if not why, as JSON.",
	Params:      item.ConnParams(),
	Commands:    []string{"ping", "info"},
	Collect:     collectStatus,
}

func collectStatus(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	t := r.Target
	ping := ask.Part{Name: "ping", Cmd: redisclient.Command{"PING"}}
	// One command for each section: servers before 7 take only one.
	sections := []*ask.Part{
		{Name: "info", Cmd: redisclient.Command{"INFO", "server"}},
		{Name: "info", Cmd: redisclient.Command{"INFO", "replication"}},
		{Name: "info", Cmd: redisclient.Command{"INFO", "persistence"}},
	}
	parts := append([]*ask.Part{&ping}, sections...)
	c, err := info.AskCondition(ctx, t, parts...)
	if err != nil {
		return ask.Down(w, t.Name, err)
	}
	w.Grow(1024)
	w.BeginObject()
	problem := info.PingProblem(&ping, sections)
	c.Write(w, problem, joinSections(sections))
	if problem != nil {
		ping.Err = nil // it stands under error
	}
	ask.Unavailable(w, parts...)
	w.EndObject()
	return nil
}

// joinSections makes one INFO of the sections that the server told. A text that
// cannot be read makes its parts unavailable.
func joinSections(sections []*ask.Part) *info.Text {
	var all []byte
	for _, p := range sections {
		if text, err := info.Reply(p.Value); p.Err == nil && err == nil {
			all = append(append(all, text...), '\n')
		}
	}
	x, err := info.Scan(all, nil, nil)
	if err != nil {
		for _, p := range sections {
			if p.Err == nil {
				p.Err = err
			}
		}
		return nil
	}
	return &x
}
