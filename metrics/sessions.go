package metrics

import (
	"context"

	"redisjobs/metrics/jsondoc"
)

// sessionsMetric discovers the Redis sessions of the agent's configuration, in
// its order, without those of a Storm UI, which no redis.* key can read:
// [{"{#SESSION}":"Prod","{#URI}":"tcp://10.0.0.1:6379"}].
var sessionsMetric = &Metric{
	Key:         "redis.sessions.discovery",
	Description: "Returns the sessions of the agent's configuration for low-level discovery.",
	Collect:     collectSessions,
}

func collectSessions(_ context.Context, r *Request) (string, error) {
	w := jsondoc.New(96 * len(r.Env.Sessions))
	w.BeginArray()
	for _, s := range r.Env.Sessions {
		if s.Web {
			continue
		}
		w.BeginObject()
		w.Key("{#SESSION}").String(s.Name)
		w.Key("{#URI}").String(s.URI)
		w.EndObject()
	}
	w.EndArray()
	return w.Document(), nil
}
