package driver

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"redisjobs/test/agent"
)

// Gauges are connections at one moment.
type Gauges struct {
	Open, Idle, Dialing, Waiting int
	InUse                        int `json:"in_use"`
}

// Counters are what has happened so far.
type Counters struct {
	Dials        int
	DialErrors   int `json:"dial_errors"`
	Refusals     int
	Reuses       int
	Waits        int
	WaitTimeouts int `json:"wait_timeouts"`
	FastFails    int `json:"fast_fails"`
	Retries      int
	ClosedTotal  int `json:"closed_total"`
	Closed       struct{ Idle, Lifetime, Broken, Stale, Evicted, Shutdown int }
}

// Target is one row of Pool.
type Target struct {
	Gauges
	Name     string `json:"target"`
	Up       int
	Counters Counters
	Failing  *struct {
		Error, Reason string
		InARow        int     `json:"in_a_row"`
		RetryIn       float64 `json:"retry_in"`
	}
}

// Pool is the document of redis.pool.get.
type Pool struct {
	Gauges
	Counters Counters
	Targets  []Target
	Process  struct {
		Goroutines int
		Heap, RSS  int64
	}
	Replies struct{ Limit, Used, Highest, Refused int64 }
}

// Pool asks the process for its figures.
func (p *Plugin) Pool(t testing.TB) Pool {
	t.Helper()
	var pool Pool
	text := p.Value(t, "redis.pool.get")
	if err := json.Unmarshal([]byte(text), &pool); err != nil {
		t.Fatalf("redis.pool.get: %v: %s", err, text)
	}
	return pool
}

// Target is the only row whose name holds the text.
func (p Pool) Target(t testing.TB, name string) Target {
	t.Helper()
	var found []Target
	for _, row := range p.Targets {
		if strings.Contains(row.Name, name) {
			found = append(found, row)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d rows of the pool are named %s", len(found), name)
	}
	return found[0]
}

// RSS is the process's resident memory in bytes.
func (p *Plugin) RSS(t testing.TB) int64 {
	t.Helper()
	n, err := agent.RSS(p.PID())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Descriptors counts the process's open files and sockets.
func (p *Plugin) Descriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.PID()))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// Resources are what a process must not gather.
type Resources struct{ Goroutines, Descriptors int }

// Resources are the process's figures of this moment.
func (p *Plugin) Resources(t testing.TB) Resources {
	t.Helper()
	return Resources{Goroutines: p.Pool(t).Process.Goroutines, Descriptors: p.Descriptors(t)}
}
