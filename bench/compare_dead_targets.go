package main

import (
	"fmt"
	"sync"
	"time"
)

const (
	healthyTargets = 8
	healthyPace    = 5 * time.Millisecond // one check of a healthy target each
	deadPace       = time.Second          // between two polls of an item of a dead target
)

// compareDeadTargets measures healthy targets while others are dead.
func compareDeadTargets(s *scope, e *environment) (table, []claim, error) {
	t := table{
		title: "Healthy targets while others are dead",
		notes: []string{fmt.Sprintf(
			"Through agent %s. %d healthy targets are asked for ping and info in turns, one check every %v, whatever "+
				"becomes of the one before. The dead ones are in equal parts stalled (connect, no answer), blackholed (no "+
				"connect) and refusing; the single one is stalled. Each is polled for ping, info and config at once, every %v, "+
				"which is harsher than the minute of most templates. A check of a healthy target that fails counts with the "+
				"time that it took. Each cell is an agent of its own.",
			e.agent.Version, healthyTargets, healthyPace, deadPace)},
		columns: []column{colP50, colP99, {failed, "failed, %", "%.1f", -1}},
	}
	window, turns := 4*time.Second, 7
	if e.short {
		window, turns = time.Second, 1
	}
	var healthy []string
	for range healthyTargets {
		healthy = append(healthy, startRedis(s).uri())
	}
	const ours, builtIn = "redis.server.", "redis."
	counts := []int{0, 1, 8, 50}
	mine, theirs := make([]outcome, len(counts)), make([]outcome, len(counts))
	for turn := range turns {
		for i, n := range counts {
			v, err := beside(e, ours, healthy, n, window)
			if err != nil {
				return t, nil, err
			}
			mine[i].name = "ours"
			mine[i].turns = append(mine[i].turns, v)
			// The built-in is as bad with 50 as with 8, and it takes long to show.
			if n > 8 || turn > 1 {
				continue
			}
			if v, err = beside(e, builtIn, healthy, n, window); err != nil {
				return t, nil, err
			}
			theirs[i].name = "built-in"
			theirs[i].turns = append(theirs[i].turns, v)
		}
	}
	for i, n := range counts {
		g := group{fmt.Sprintf("%d dead", n), []outcome{mine[i]}}
		if theirs[i].name != "" {
			g.outcomes = append(g.outcomes, theirs[i])
		}
		t.groups = append(t.groups, g)
	}
	var claims []claim
	for i, n := range counts[1:] {
		r, _ := ratio(mine[i+1], mine[0], p99)
		claims = append(claims, claim{text: fmt.Sprintf("p99 of healthy targets with %d dead ones against none", n),
			measured: r, bound: 1.5, format: "%.2fx"})
	}
	lost, _ := mine[len(mine)-1].median(failed)
	return t, append(claims, claim{text: "failed checks of healthy targets with 50 dead ones, %", measured: lost, bound: 0,
		format: "%.1f"}), nil
}

// beside measures healthy targets in an agent that also polls n dead ones.
// prefix says whose keys are asked for.
func beside(e *environment, prefix string, healthy []string, n int, window time.Duration) (v values, err error) {
	err = within(func(s *scope) error {
		a := startAgent(s, e)
		var keys []string
		for _, item := range []string{"ping", "info"} {
			for _, uri := range healthy {
				key := fmt.Sprintf("%s%s[%s]", prefix, item, uri)
				keys = append(keys, key)
				if _, err := a.get(key); err != nil {
					return err
				}
			}
		}
		stop := make(chan struct{})
		var dead sync.WaitGroup
		defer dead.Wait()
		defer close(stop)
		for i, addr := range deadServers(s, n) {
			// Spread over the interval, as a Zabbix server does.
			phase := deadPace * time.Duration(i) / time.Duration(n)
			for _, item := range []string{"ping", "info", "config"} {
				dead.Go(func() { poll(a, fmt.Sprintf("%s%s[tcp://%s]", prefix, item, addr), phase, stop) })
			}
		}
		time.Sleep(deadPace) // the dead have all been asked for
		v = pace(a, keys, window)
		// The answers still due come from an agent that is about to end.
		a.Kill()
		return nil
	})
	return v, err
}

// poll asks for an item of a dead target, after a while and then again and
// again, until stop is closed.
func poll(a *passive, key string, phase time.Duration, stop <-chan struct{}) {
	time.Sleep(phase)
	tick := time.NewTicker(deadPace)
	defer tick.Stop()
	for {
		_, _ = a.get(key) // an error is its answer
		select {
		case <-tick.C:
		case <-stop:
			return
		}
	}
}

// pace begins a check every healthyPace and waits for all of them.
func pace(a *passive, keys []string, window time.Duration) values {
	var (
		l     latencies
		wg    sync.WaitGroup
		mu    sync.Mutex
		wrong int
	)
	tick := time.NewTicker(healthyPace)
	defer tick.Stop()
	n := int(window / healthyPace)
	for i := range n {
		<-tick.C
		wg.Go(func() {
			began := time.Now()
			_, err := a.get(keys[i%len(keys)])
			l.add(time.Since(began))
			if err != nil {
				mu.Lock()
				wrong++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	v := values{failed: 100 * float64(wrong) / float64(n)}
	l.fill(v)
	return v
}
