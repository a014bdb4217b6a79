package jobs

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"redisjobs/redisclient/resp"
)

const (
	// nodeResquePrune is for workers of node-resque what resquePrune is for those of
	// Resque. They beat every five seconds, or as often as they look for jobs.
	nodeResquePrune = 60
	// maxPings bounds the names that are tried for a worker of node-resque.
	maxPings = 8
)

// nodeResqueWorker asks for the heartbeat of a worker of node-resque, which is in a key of
// its own. The worker is registered as name:queues, its heartbeat is under the name, and
// both may have colons: so all that may be the name is asked for, and the heartbeat says
// which queues follow it. They may be those of a moment ago, because a worker of all queues
// looks again and again which there are.
// Source: src/core/worker.ts of node-resque 9.7.1
func nodeResqueWorker(p *poll, k, member string, w *worker, miss func(error)) {
	names, all := nodeResqueNames(member)
	if !p.FollowUps(len(names)) {
		miss(errManyFollowUps)
		return
	}
	found, exact, problem := false, false, error(nil)
	for i, name := range names {
		p.AskPayload(func(v resp.Value, err error) {
			if err != nil || !v.IsNull() {
				queues := strings.TrimPrefix(member[len(name):], ":")
				at, told, err := parseResquePing(v, err)
				if err == nil {
					err = p.ahead(at)
				}
				switch {
				case err != nil:
					problem = cmp.Or(problem, err)
				case !exact:
					found, exact = true, told == queues
					w.Alive, w.Queues = p.Age(at) < nodeResquePrune, nil
					if queues != "" {
						w.Queues = strings.Split(queues, ",")
					}
				}
			}
			switch last := i == len(names)-1; {
			case !last || exact || found && problem == nil:
			case problem == nil && !all:
				miss(fmt.Errorf("it has no heartbeat under the first %d names that it may have", maxPings))
			default:
				miss(cmp.Or(problem, errors.New("it has no heartbeat")))
			}
		}, "GET", k+"worker:ping:"+name)
	}
}

// nodeResqueNames are what may be the name of a registered worker, the shortest first; all:
// there are no others.
func nodeResqueNames(member string) (names []string, all bool) {
	for i := range len(member) {
		if member[i] != ':' || i == 0 {
			continue
		}
		if len(names) == maxPings {
			return names, false
		}
		names = append(names, member[:i])
	}
	if len(names) == 0 {
		return []string{member}, true
	}
	return names, true
}

// parseResquePing reads a heartbeat: when it was, and the queues of the worker.
func parseResquePing(v resp.Value, err error) (at float64, queues string, _ error) {
	var text []byte
	if err == nil {
		text, err = payload(v)
	}
	var ping struct {
		Time   json.Number `json:"time"`
		Queues string      `json:"queues"`
	}
	if err == nil {
		err = parseJSON(text, &ping)
	}
	if err == nil {
		at, err = parseEpoch(ping.Time.String())
	}
	return at, ping.Queues, err
}
