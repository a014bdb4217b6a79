package metrics

import (
	"context"

	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
)

// statusMetric tells whether a server serves commands, and if not, why.
//
// up is 1 when the server answers PING with PONG. A server that can be reached
// and says that it is loading, that its master is down, that a script blocks
// it or that we are not logged in is down, with that reason and with all that
// it tells about itself. Where PING itself is not permitted or not known, a
// server that answers INFO is up: it serves commands, and unavailable.ping has
// its words.
//
// The members are those of condition, and unavailable for what the server
// refused, as in redis.get.
var statusMetric = &Metric{
	Key:         "redis.status",
	Description: "Returns whether a server serves commands, and if not why, as JSON.",
	Params:      connParams(),
	Commands:    []string{"ping", "info"},
	Collect:     collectStatus,
}

func collectStatus(ctx context.Context, r *Request) (string, error) {
	t := r.Target
	ping := part{name: "ping", cmd: redisclient.Command{"PING"}}
	// One command for each section: servers before 7 take only one.
	sections := []*part{
		{name: "info", cmd: redisclient.Command{"INFO", "server"}},
		{name: "info", cmd: redisclient.Command{"INFO", "replication"}},
		{name: "info", cmd: redisclient.Command{"INFO", "persistence"}},
	}
	parts := append([]*part{&ping}, sections...)
	c, err := askCondition(ctx, t, parts...)
	if err != nil {
		return downDocument(t.Name, err), nil
	}
	w := jsondoc.New(1024)
	w.BeginObject()
	problem := pingProblem(&ping, sections)
	c.write(w, problem, joinSections(sections))
	if problem != nil {
		ping.err = nil // it stands under error
	}
	writeUnavailable(w, parts...)
	w.EndObject()
	return w.Document(), nil
}

// joinSections makes one INFO of the sections that the server told. A text that
// cannot be read makes its parts unavailable.
func joinSections(sections []*part) *infoText {
	var all []byte
	for _, p := range sections {
		if text, err := infoReply(p.value); p.err == nil && err == nil {
			all = append(append(all, text...), '\n')
		}
	}
	x, err := scanInfo(all, nil, nil)
	if err != nil {
		for _, p := range sections {
			if p.err == nil {
				p.err = err
			}
		}
		return nil
	}
	return &x
}
