package main

import (
	"fmt"
	"time"
)

const (
	oneWay = 10 * time.Millisecond
	trip   = 2 * oneWay
)

// compareFarServer measures a server that is far away.
func compareFarServer(s *scope, e *environment) (table, []claim, error) {
	t := table{
		title: fmt.Sprintf("A server %v away: all that a template needs", trip),
		notes: []string{fmt.Sprintf("Through a proxy that adds %v each way (a new connection pays its round trip with its "+
			"first bytes). Ours and the built-in through agent %s, redis_exporter directly. The built-in's template asks "+
			"for info, config, ping and slowlog.count; ours for redis.get alone.", oneWay, e.agent.Version)},
		columns: []column{
			{inTurn, "one after the other, ms", "%.1f", -1}, {atOnce, "all at once, ms", "%.1f", -1},
		},
	}
	server := startRedis(s)
	far := delayed(s, server.Addr, oneWay)
	a := startAgent(s, e)
	keys := func(names ...string) []string {
		var all []string
		for _, name := range names {
			all = append(all, fmt.Sprintf("%s[tcp://%s]", name, far))
		}
		return all
	}
	agentTurn := func(keys []string) func(time.Duration) (values, error) {
		return func(time.Duration) (values, error) {
			return template(len(keys), func(i int) error {
				_, err := a.get(keys[i])
				return err
			})
		}
	}
	contestants := []contestant{
		{name: "redis.get", turn: agentTurn(keys("redis.get"))},
		{name: "built-in, 4 checks", turn: agentTurn(keys("redis.info", "redis.config", "redis.ping", "redis.slowlog.count"))},
	}
	if missing := e.peers["redis_exporter"].missing; missing == "" {
		x := startExporter(s, e, "tcp://"+far)
		contestants = append(contestants, contestant{name: "redis_exporter, a scrape", turn: func(time.Duration) (values, error) {
			return template(1, func(int) error {
				_, err := x.scrape()
				return err
			})
		}})
	} else {
		t.notes = append(t.notes, "redis_exporter was not measured: "+missing+".")
	}
	outcomes, err := contest(3, 0, contestants) // a turn has its own length, and little noise
	if err != nil {
		return t, nil, err
	}
	g := group{"one server", outcomes}
	t.groups = []group{g}
	ours, _ := g.outcomes[0].median(inTurn)
	return t, []claim{{text: fmt.Sprintf("redis.get %v away, in round trips", trip),
		measured: ours / (float64(trip) / 1e6), bound: 1.5, format: "%.2f"}}, nil
}

// template does n checks one after the other, and then at once, a few times,
// and tells the times in milliseconds.
func template(n int, check func(i int) error) (values, error) {
	const times = 3
	began := time.Now()
	for i := range times * n {
		if err := check(i % n); err != nil {
			return nil, err
		}
	}
	v := values{inTurn: time.Since(began).Seconds() * 1e3 / times}
	began = time.Now()
	for range times {
		errs := make(chan error, n)
		for i := range n {
			go func() { errs <- check(i) }()
		}
		for range n {
			if err := <-errs; err != nil {
				return nil, err
			}
		}
	}
	v[atOnce] = time.Since(began).Seconds() * 1e3 / times
	return v, nil
}
