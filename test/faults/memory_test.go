//go:build e2e && linux

package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/child"
	"redisjobs/internal/redistest"
	"redisjobs/test/agent"
)

// What is promised of the plugin's memory, with the default of MaxMemory.
const (
	memoryGroup     = 400 << 20 // of the agent and the plugin together
	mostUnderAttack = 200 << 20 // resident memory of the plugin
	mostAfterwards  = 60 << 20  // a minute after the attack
)

// group is a control group that holds processes to an amount of memory. The kernel kills what exceeds it.
type group struct{ path, limit, highest string }

// newGroup makes a control group of version 1 or 2 with a limit in bytes, or returns why it cannot.
func newGroup(t testing.TB, limit int) (*group, error) {
	t.Helper()
	var failures error
	for _, g := range []group{
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.max_usage_in_bytes"},
		{"/sys/fs/cgroup", "memory.max", "memory.peak"},
	} {
		if _, err := os.Stat(g.path); err != nil {
			failures = errors.Join(failures, err)
			continue
		}
		g.path = filepath.Join(g.path, fmt.Sprintf("redisjobs-test-%d-%d", os.Getpid(), time.Now().UnixNano()))
		if err := os.Mkdir(g.path, 0o755); err != nil {
			failures = errors.Join(failures, err)
			continue
		}
		t.Cleanup(func() {
			// The processes have been killed, but may not be gone yet.
			for late := time.Now().Add(patience); os.Remove(g.path) != nil && time.Now().Before(late); {
				time.Sleep(20 * time.Millisecond)
			}
		})
		// No O_CREATE: where the kernel has no such file, no memory can be limited.
		file, err := os.OpenFile(filepath.Join(g.path, g.limit), os.O_WRONLY, 0)
		if err == nil {
			_, err = file.WriteString(strconv.Itoa(limit))
			err = errors.Join(err, file.Close())
		}
		if err == nil {
			return &g, nil
		}
		failures = errors.Join(failures, err)
	}
	return nil, failures
}

// wrap returns the agent as a program that enters the group first.
func (g *group) wrap(t testing.TB, a agent.Agent) agent.Agent {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent")
	script := fmt.Sprintf("#!/bin/sh\necho $$ >'%s/cgroup.procs' && exec '%s' \"$@\"\n", g.path, a.Path)
	require.NoError(t, child.WriteProgram(path, []byte(script)))
	a.Path = path
	return a
}

// holds insists on the process being in the group.
func (g *group) holds(t testing.TB, pid int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(g.path, "cgroup.procs"))
	require.NoError(t, err)
	require.Contains(t, strings.Fields(string(text)), strconv.Itoa(pid))
}

// peak is the most memory that the group has had, in bytes; unknown to kernels before 5.19 with version 2.
func (g *group) peak() (bytes int, known bool) {
	text, err := os.ReadFile(filepath.Join(g.path, g.highest))
	if err != nil {
		return 0, false
	}
	bytes, err = strconv.Atoi(strings.TrimSpace(string(text)))
	return bytes, err == nil
}

// longInfo is a legal INFO of so many bytes: a server with very many commands, as modules add them.
func longInfo(bytes int) []byte {
	var b strings.Builder
	b.Grow(bytes + 200)
	b.WriteString("# Server\r\nredis_version:7.2.4\r\nredis_mode:cluster\r\nuptime_in_seconds:1000\r\n" +
		"# Replication\r\nrole:master\r\n# Cluster\r\ncluster_enabled:1\r\n# Keyspace\r\ndb0:keys=1,expires=0,avg_ttl=0\r\n# Commandstats\r\n")
	for i := 0; b.Len() < bytes; i++ {
		fmt.Fprintf(&b, "cmdstat_module.command%07d:calls=1,usec=100,usec_per_call=100.00,rejected_calls=0,failed_calls=0\r\n", i)
	}
	return []byte(b.String())
}

// newHugeCluster is as many nodes of one cluster, each of which names all others and has the same INFO. It returns their
// addresses.
func newHugeCluster(t testing.TB, nodes int, info []byte) []string {
	t.Helper()
	var addrs []string
	var lines [][]string // by node that says so
	ready := make(chan struct{})
	head := []byte(fmt.Sprintf("$%d\r\n", len(info)))
	for i := range nodes {
		fake := redistest.NewFake(t, redistest.Script{redistest.StallUntil(ready), func(p *redistest.Peer) error {
			for {
				cmd, err := p.ReadCommand()
				if err != nil {
					return err
				}
				switch strings.ToUpper(strings.Join(cmd[:min(len(cmd), 2)], " ")) {
				case "INFO", "INFO EVERYTHING", "INFO ALL":
					buffers := net.Buffers{head, info, []byte("\r\n")} // nothing is copied
					_, err = buffers.WriteTo(p.Conn)
				case "CLUSTER INFO":
					_, err = io.WriteString(p, bulk("cluster_state:ok\r\ncluster_slots_assigned:16384\r\n"))
				case "CLUSTER NODES":
					_, err = io.WriteString(p, bulk(strings.Join(lines[i], "\n")+"\n"))
				default:
					_, err = io.WriteString(p, reply(cmd))
				}
				if err != nil {
					return err
				}
			}
		}})
		addrs = append(addrs, fake.Addr)
	}
	for i := range nodes {
		var own []string
		for j, addr := range addrs {
			flags := "master"
			if i == j {
				flags = "myself,master"
			}
			const slots = 16384
			own = append(own, fmt.Sprintf("%040x %s@%d %s - 0 1795227509000 %d connected %d-%d",
				j+1, addr, 20000+j, flags, j+1, j*slots/nodes, (j+1)*slots/nodes-1))
		}
		lines = append(lines, own)
	}
	close(ready)
	return addrs
}

// neighbor is an item of a server that is well, and what is right of its value.
type neighbor struct {
	key   string
	right func(value string) bool
}

// times are how long answers took, by item key.
type times map[string][]time.Duration

func (s times) String() string {
	var parts []string
	for key, all := range s {
		slices.Sort(all)
		at := func(percent int) time.Duration { return all[(len(all)-1)*percent/100].Round(100 * time.Microsecond) }
		parts = append(parts, fmt.Sprintf("%s: %d answers, p50 %v, p95 %v, longest %v", key, len(all), at(50), at(95), at(100)))
	}
	slices.Sort(parts)
	return strings.Join(parts, "; ")
}

// poll asks for all neighbors in turn until the function returns false, and insists on their values.
func pollNeighbors(r *agent.Running, neighbors []neighbor, more func() bool) (times, error) {
	took := times{}
	pace := time.NewTicker(100 * time.Millisecond)
	defer pace.Stop()
	for ; more(); <-pace.C {
		for _, n := range neighbors {
			began := time.Now()
			value, err := r.GetWithin(n.key, 3*time.Second)
			if err != nil {
				return took, fmt.Errorf("%s after %v: %w", n.key, time.Since(began), err)
			}
			if !n.right(value) {
				return took, fmt.Errorf("%s: %.300s", n.key, value)
			}
			took[n.key] = append(took[n.key], time.Since(began))
		}
	}
	return took, nil
}

// newNeighbors starts a server with a job system.
func newNeighbors(t testing.TB) []neighbor {
	t.Helper()
	s := redis(t, redistest.Config{})
	s.Do(t, "SADD", "queues", "default")
	s.Do(t, "LPUSH", "queue:default", `{"class":"A","args":[],"jid":"1","created_at":1795227509.1,"enqueued_at":1795227509.2,"queue":"default"}`)
	uri := "tcp://" + s.Addr
	_, port, _ := strings.Cut(s.Addr, ":")
	return []neighbor{
		{"redis.server.ping[" + uri + "]", func(value string) bool { return value == "1" }},
		{"redis.get[" + uri + "]", func(value string) bool {
			return strings.Contains(value, `"up":1`) && strings.Contains(value, `"tcp_port":`+port)
		}},
		{"job.get[" + uri + "]", func(value string) bool {
			return strings.Contains(value, `"up":1`) && strings.Contains(value, `"sidekiq"`) && strings.Contains(value, `"default"`)
		}},
	}
}

// Forty nodes of one cluster have each an INFO of 62 MB, which is legal, and one item names them all. Agent and plugin
// have 400 MB. With texts of 15 MB, which a single reply may have, the budget of all replies together is what holds.
func TestForgedClustersOfHugeRepliesCostNoMemory(t *testing.T) {
	a := agent70(t)
	for name, size := range map[string]int{"62 MB": 62 << 20, "15 MB": 15 << 20} {
		t.Run(name, func(t *testing.T) {
			const nodes, pollers, rounds = 40, 4, 5
			limits, missing := newGroup(t, memoryGroup)
			a := a
			if missing == nil {
				a = limits.wrap(t, a)
			}
			neighbors := newNeighbors(t)
			addrs := newHugeCluster(t, nodes, longInfo(size))
			r := agent.Start(t, a, agent.Config{Plugin: agent.Plugin(t)})
			calm := 30
			without, err := pollNeighbors(r, neighbors, func() bool { calm--; return calm >= 0 })
			require.NoError(t, err)
			pids := r.PluginPIDs()
			require.Len(t, pids, 1)
			if limits != nil {
				limits.holds(t, r.PID())
				limits.holds(t, pids[0])
			}

			var attack, watching sync.WaitGroup
			done := make(chan struct{})
			failures := make(chan error, pollers*rounds+1)
			for i := range pollers {
				attack.Go(func() {
					for range rounds {
						if err := askHugeCluster(r, addrs[i], nodes); err != nil {
							failures <- err
						}
					}
				})
			}
			var during times
			watching.Go(func() {
				var err error
				during, err = pollNeighbors(r, neighbors, func() bool {
					select {
					case <-done:
						return false
					default:
						return true
					}
				})
				if err != nil {
					failures <- err
				}
			})
			attack.Wait()
			close(done)
			watching.Wait()
			ended := time.Now()
			highest := highestRSS(t, pids[0])
			close(failures)
			for err := range failures {
				t.Error(err)
			}
			require.Equal(t, pids, r.PluginPIDs(), "the same process")
			require.True(t, r.Alive())

			var after int64
			await(t, time.Minute, "the memory to go back", func() bool {
				after, err = agent.RSS(pids[0])
				require.NoError(t, err)
				return after < mostAfterwards
			})
			t.Logf("plugin: RSS at most %.1f MB meanwhile, %.1f MB %v after the attack", float64(highest)/(1<<20),
				float64(after)/(1<<20), time.Since(ended).Round(100*time.Millisecond))
			t.Logf("neighbors without the attack: %v", without)
			t.Logf("neighbors during the attack: %v", during)
			require.Less(t, highest, int64(mostUnderAttack))
			r.Stop(t)
			if missing != nil {
				t.Skipf("NOT PROVED: that the agent lives in %d MB, because no memory control group can be made here (%v). Proved: the plugin's own memory",
					memoryGroup>>20, missing)
			}
			if peak, known := limits.peak(); known {
				t.Logf("agent and plugin together: at most %.1f of %d MB, cached files included", float64(peak)/(1<<20), memoryGroup>>20)
			}
		})
	}
}

// askHugeCluster polls a cluster whose nodes have too much to say: there is a document that says so, or an error.
func askHugeCluster(r *agent.Running, addr string, nodes int) error {
	value, err := r.GetWithin("redis.cluster.get[tcp://"+addr+"]", 3*time.Second)
	var no *agent.NotSupported
	if errors.As(err, &no) && strings.Contains(no.Text, "the replies are too large or come too slowly") {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", addr, err)
	}
	var d struct {
		Up         int
		Error      string
		Nodes      []struct{ Addr, Error string }
		Unanswered []struct{ Addr, Error string }
	}
	if err := json.Unmarshal([]byte(value), &d); err != nil {
		return fmt.Errorf("%s: %w: %.300s", addr, err, value)
	}
	if d.Up == 0 && d.Error != "" { // the connection was busy with an earlier reply
		return nil
	}
	if d.Up != 1 || len(d.Nodes) != nodes || len(d.Unanswered) == 0 {
		return fmt.Errorf("%s: up %d, %d nodes, %d unanswered: %.300s", addr, d.Up, len(d.Nodes), len(d.Unanswered), value)
	}
	for _, node := range d.Unanswered {
		if node.Error == "" {
			return fmt.Errorf("%s: no error: %+v", addr, node)
		}
	}
	return nil
}

// agent70 is the agent of version 7.0.
func agent70(t testing.TB) agent.Agent {
	t.Helper()
	agents := agent.List(t)
	i := slices.IndexFunc(agents, func(a agent.Agent) bool { return strings.HasPrefix(a.Version, "7.0") })
	require.GreaterOrEqual(t, i, 0, "no agent 7.0 among %v", agents)
	return agents[i]
}
