package jobs

import (
	"encoding/json"
	"errors"

	"redisjobs/redisclient/resp"
)

// ReadFailures reads the newest dead letters of each queue. Dramatiq keeps a message
// as it was sent for the attempt that failed, and with that the error of the attempt
// before: a message that was never tried again tells none.
// Source: dramatiq/brokers/redis/dispatch.lua, nack, and middleware/retries.py of
// 2.2.1.
func (dramatiq) ReadFailures(p *poll, f *failures) {
	queues := f.Open(f.Found)
	for _, q := range queues {
		k := f.Prefix + ":" + q.Name + ".XQ"
		if f.only != "" {
			p.Ask(func(v resp.Value, err error) { q.Exists = q.Exists || err != nil || string(v.Str) != "none" }, "TYPE", f.Prefix+":"+q.Name)
			p.Ask(func(v resp.Value, err error) { q.Exists = q.Exists || err != nil || string(v.Str) != "none" }, "TYPE", k)
		}
		f.size(p, "failed", "ZCARD", k)
		f.newest(p, idList{key: k, n: perList(len(queues)), at: func(ms float64) float64 { return ms / 1000 }}, func(e newFailed) {
			f.fields(p, k+".msgs", []string{e.id}, func(values []resp.Value) { f.dramatiqMessage(q.Name, e, values[0]) })
		})
	}
}

// dramatiqMessage takes a dead letter.
func (f *failures) dramatiqMessage(queue string, e newFailed, v resp.Value) {
	text, err := payload(v)
	var out failure
	if err == nil {
		out, err = parseDramatiqFailure(e.key, text)
	}
	if err != nil {
		f.unreadable++
		f.problem("jobs", err)
		return
	}
	out.queue, out.at, out.dead = queue, e.score/1000, true
	f.add(out, e.known)
}

// parseDramatiqFailure reads a message.
func parseDramatiqFailure(key uint64, text []byte) (failure, error) {
	var raw struct {
		Actor   string          `json:"actor_name"`
		Args    json.RawMessage `json:"args"`
		Kwargs  json.RawMessage `json:"kwargs"`
		Options struct {
			Traceback string `json:"traceback"`
		} `json:"options"`
	}
	if err := parseJSON(text, &raw); err != nil {
		return failure{}, err
	}
	if raw.Actor == "" {
		return failure{}, errors.New("it is not the message that it should be")
	}
	args := &argValues{}
	args.any(raw.Args)
	args.any(raw.Kwargs)
	class, message := parseTraceback(raw.Options.Traceback)
	return newFailure(key, raw.Actor, class, message, args), nil
}
