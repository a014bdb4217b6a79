package main

import (
	"encoding/csv"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// compareLimit shows the limit: what redis-benchmark, a loop in C without a thought
// for the replies, gets out of the same server.
func compareLimit(s *scope, e *environment) (table, []claim, error) {
	t := table{
		title: "The limit: redis-benchmark",
		notes: []string{"Requests per second that the server itself can give on this machine, beside our checks per " +
			"second over the agent's protocol. We pass it where checks that wait in the same instant share a reply."},
		columns: []column{colRate},
	}
	server := startRedis(s)
	d := drive(s, e.plugin)
	for _, c := range []struct{ command, key string }{{"PING", "redis.server.ping"}, {"INFO", "redis.server.info"}} {
		items := itemsOf(c.key, []string{server.uri()})
		if _, err := d.get(items[0]); err != nil {
			return t, nil, err
		}
		for _, n := range []int{1, 64} {
			g, err := e.contest(fmt.Sprintf("%s, %d at once", c.command, n),
				contestant{name: c.key, turn: func(length time.Duration) (values, error) {
					v, _, err := d.load(items, n, length)
					return v, err
				}},
				contestant{name: "redis-benchmark", turn: func(length time.Duration) (values, error) {
					return redisBenchmark(server, c.command, n, length)
				}})
			if err != nil {
				return t, nil, err
			}
			t.groups = append(t.groups, g)
		}
	}
	return t, nil, nil
}

// redisBenchmark runs for about the time d.
func redisBenchmark(server redisServer, command string, clients int, d time.Duration) (values, error) {
	host, port, err := net.SplitHostPort(server.Addr)
	if err != nil {
		return nil, err
	}
	requests := int(max(1000, 60_000*d.Seconds()))
	out, err := exec.Command("redis-benchmark", "-h", host, "-p", port, "-c", strconv.Itoa(clients),
		"-n", strconv.Itoa(requests), "--csv", command).Output()
	if err != nil {
		return nil, err
	}
	// A line of titles, then one of figures: the command and its requests per second.
	lines, err := csv.NewReader(strings.NewReader(string(out))).ReadAll()
	if err != nil || len(lines) != 2 || len(lines[1]) < 2 {
		return nil, fmt.Errorf("redis-benchmark printed %q: %w", out, err)
	}
	perSecond, err := strconv.ParseFloat(lines[1][1], 64)
	return values{rate: perSecond}, err
}
