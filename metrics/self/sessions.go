package self

import (
	"context"
	"errors"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
)

// What redis.sessions.discovery takes for Kind.
const (
	sessionsOfRedis = "redis"
	sessionsOfStorm = "storm"
)

// Sessions discovers the sessions of the agent's configuration, sorted by name:
// [{"{#SESSION}":"Prod","{#URI}":"tcp://10.0.0.1:6379"}]. Sessions of kind redis,
// which are all except those of a Storm UI, are read by redis.* keys: single servers,
// nodes of a cluster, sentinels and masters that are found by their sentinels
// (sentinel://). Sessions of kind storm have the address of a Storm UI. No server is
// contacted, so a session is also found if its server is down.
//
// With Label each row has {#LABEL} as well, the text of that parameter. A template
// gives {HOST.HOST} there, so that hosts that are made of sessions of the same name on
// several agents have different names.
var Sessions = &item.Metric{
	Key:         "redis.sessions.discovery",
	Description: "Returns the sessions of the agent's configuration for low-level discovery.",
	Params: []item.Param{{
		Name: "Kind", Default: sessionsOfRedis, Check: checkSessionKind,
		Description: "redis, or storm for those of a Storm UI",
	}, item.Label},
	Collect: collectSessions,
}

func checkSessionKind(kind string) error {
	if kind != sessionsOfRedis && kind != sessionsOfStorm {
		return errors.New("must be " + sessionsOfRedis + " or " + sessionsOfStorm)
	}
	return nil
}

func collectSessions(_ context.Context, r *item.Request, w *jsondoc.Writer) error {
	web := r.Arg("Kind") == sessionsOfStorm
	w.Grow(96 * len(r.Env.Sessions))
	w.BeginArray()
	for _, s := range r.Env.Sessions {
		if s.Web != web {
			continue
		}
		w.BeginObject()
		w.Key("{#SESSION}").String(s.Name)
		w.Key("{#URI}").String(s.URI)
		ask.WriteText(w, "{#LABEL}", r.Arg(item.Label.Name))
		w.EndObject()
	}
	w.EndArray()
	return nil
}
