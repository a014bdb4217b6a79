package main

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"time"
)

// A figure names what was measured; columns of the tables refer to it.
type figure string

const (
	done        figure = "done"        // operations in the turn
	rate        figure = "rate"        // operations per second
	cpu         figure = "cpu"         // CPU of the process under test per operation, us
	agentCPU    figure = "agent cpu"   // CPU of the agent per operation, us
	totalCPU    figure = "total cpu"   // agent, plugin and scripts together, us
	p50         figure = "p50"         // latency, ms
	p99         figure = "p99"         // latency, ms
	failed      figure = "failed"      // share of operations that failed, percent
	commands    figure = "commands"    // commands that the server processed per operation
	connections figure = "connections" // connections that the server accepted per operation
	wallTime    figure = "time"        // of one operation, ns
	allocs      figure = "allocs"      // allocations per operation
	bytesAlloc  figure = "bytes"       // bytes allocated per operation
	rss         figure = "rss"         // resident memory, MB
	open        figure = "open"        // connections open at the end
	firstRound  figure = "first round" // s
	nextRound   figure = "next round"  // s
	infoRound   figure = "info round"  // s
	rssInfo     figure = "rss info"    // resident memory after it, MB
	inTurn      figure = "in turn"     // several checks one after the other, ms
	atOnce      figure = "at once"     // several checks at once, ms
)

// values are what one turn measured.
type values map[figure]float64

// contestant is something that is measured. Its turn takes about d.
type contestant struct {
	name string
	turn func(d time.Duration) (values, error)
	own  bool // another form of ours, which cannot be ahead of us
}

// outcome is a contestant's turns.
type outcome struct {
	name  string
	own   bool
	turns []values
}

func (o outcome) median(f figure) (float64, bool) {
	var all []float64
	for _, v := range o.turns {
		if x, ok := v[f]; ok {
			all = append(all, x)
		}
	}
	return median(all)
}

// ratio is a's figure divided by b's: the median over the turns.
func ratio(a, b outcome, f figure) (float64, bool) {
	var all []float64
	for i := range min(len(a.turns), len(b.turns)) {
		x, okX := a.turns[i][f]
		y, okY := b.turns[i][f]
		if okX && okY && y != 0 {
			all = append(all, x/y)
		}
	}
	return median(all)
}

func median(all []float64) (float64, bool) {
	if len(all) == 0 {
		return math.NaN(), false
	}
	all = slices.Clone(all)
	slices.Sort(all)
	n := len(all)
	return (all[(n-1)/2] + all[n/2]) / 2, true
}

// contest lets the contestants warm up and then take turns.
func contest(turns int, d time.Duration, contestants []contestant) ([]outcome, error) {
	if _, err := takeTurns(1, d/4, contestants); err != nil {
		return nil, err
	}
	return takeTurns(turns, d, contestants)
}

// takeTurns is contest for those who begin cold.
func takeTurns(turns int, d time.Duration, contestants []contestant) ([]outcome, error) {
	outcomes := make([]outcome, len(contestants))
	for range turns {
		for i, c := range contestants {
			v, err := c.turn(d)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			outcomes[i] = outcome{c.name, c.own, append(outcomes[i].turns, v)}
		}
	}
	return outcomes, nil
}

// latencies gathers the time of each operation, from several goroutines.
type latencies struct {
	mu   sync.Mutex
	each []time.Duration
}

func (l *latencies) add(d time.Duration) {
	l.mu.Lock()
	l.each = append(l.each, d)
	l.mu.Unlock()
}

// fill sets p50 and p99, in milliseconds.
func (l *latencies) fill(v values) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.each) == 0 {
		return
	}
	slices.Sort(l.each)
	at := func(q float64) float64 {
		i := int(math.Ceil(q*float64(len(l.each)))) - 1
		return float64(l.each[max(i, 0)]) / 1e6
	}
	v[p50], v[p99] = at(0.50), at(0.99)
}
