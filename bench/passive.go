package main

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"redisjobs/test/agent"
)

// passive asks a real agent for items, each over a connection of its own as a
// Zabbix server does.
type passive struct{ *agent.Running }

// get asks for one item.
func (p *passive) get(key string) (string, error) { return p.GetWithin(key, itemTimeout) }

// expect fails unless the item's value contains the text. The first check of a
// plugin waits for its start.
func (p *passive) expect(key, text string) error {
	value, err := p.get(key)
	if err == nil && !strings.Contains(value, text) {
		err = fmt.Errorf("%s: %.200q does not contain %q", key, value, text)
	}
	return err
}

// parallel has workers do op again and again for the time d and returns how
// often it was done.
func parallel(workers int, d time.Duration, l *latencies, op func() error) (n int, took time.Duration, err error) {
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		errs []error
	)
	began := time.Now()
	for range workers {
		wg.Go(func() {
			done := 0
			var err error
			for time.Since(began) < d && err == nil {
				start := time.Now()
				if err = op(); err == nil {
					l.add(time.Since(start))
					done++
				}
			}
			mu.Lock()
			defer mu.Unlock()
			n += done
			errs = append(errs, err)
		})
	}
	wg.Wait()
	return n, time.Since(began), errors.Join(errs...)
}

// load asks for the key from several workers and measures the agent and the
// plugin (none: a pid of 0).
func (p *passive) load(key string, workers, plugin int, d time.Duration) (values, error) {
	pids := []int{p.PID()}
	if plugin != 0 {
		pids = append(pids, plugin)
	}
	m, err := startMeter(pids...)
	if err != nil {
		return nil, err
	}
	var l latencies
	n, took, err := parallel(workers, d, &l, func() error {
		_, err := p.get(key)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	used, err := m.perOp(n)
	if err != nil {
		return nil, err
	}
	v := values{done: float64(n), rate: float64(n) / took.Seconds(), agentCPU: used[0], totalCPU: used[0]}
	if plugin != 0 {
		v[cpu] = used[1]
		v[totalCPU] += used[1]
	}
	l.fill(v)
	return v, nil
}

// startAgent runs the agent of the benchmarks, 7.0.9 or the nearest there is,
// with our plugin and whatever else the configuration names.
func startAgent(s *scope, e *environment, lines ...string) *passive {
	return &passive{agent.Start(s, e.agent, agent.Config{Plugin: e.plugin, ConfLines: lines})}
}
