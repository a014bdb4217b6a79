package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// script is what people run from a UserParameter: a process and a connection
// for each check.
const script = `import json, sys
import redis

print(json.dumps(redis.Redis.from_url(sys.argv[1], socket_timeout=3).info()))
`

// compareScript compares with a UserParameter script through the same agent.
func compareScript(s *scope, e *environment) (table, []claim, error) {
	t := table{
		title: "Against a UserParameter script with python3-redis",
		notes: []string{"INFO as JSON, through the same agent. CPU is that of the plugin's process or of the script's " +
			"(shell and interpreter), then with the agent's share."},
		columns: []column{colRate, colP50, colCPU, {totalCPU, "total CPU, us", "%.0f", -1}},
	}
	python := e.peers["python3-redis"]
	if python.missing != "" {
		t.notes = append(t.notes, "Not measured: "+python.missing+".")
		return t, nil, nil
	}
	file := filepath.Join(s.TempDir(), "info.py")
	if err := os.WriteFile(file, []byte(script), 0o644); err != nil {
		return t, nil, err
	}
	server := startRedis(s)
	a := startAgent(s, e, fmt.Sprintf("UserParameter=script.info[*],%s %s $1", python.path, file))
	mine := fmt.Sprintf("redis.server.info[%s]", server.uri())
	theirs := fmt.Sprintf("script.info[%s]", "redis://"+server.Addr)
	for _, key := range []string{mine, theirs} {
		if err := a.expect(key, "redis_version"); err != nil {
			return t, nil, err
		}
	}
	plugin, err := pidOf(a.PluginPIDs(), e.plugin)
	if err != nil {
		return t, nil, err
	}
	var claims []claim
	for _, workers := range []int{1, 8} {
		g, err := e.contest(fmt.Sprintf("%d at once", workers),
			contestant{name: "redis.server.info", turn: func(d time.Duration) (values, error) { return a.load(mine, workers, plugin, d) }},
			contestant{name: "script", turn: func(d time.Duration) (values, error) { return scriptTurn(a, theirs, workers, max(3*d, time.Second)) }})
		if err != nil {
			return t, nil, err
		}
		t.groups = append(t.groups, g)
		alone, _ := ratio(g.outcomes[1], g.outcomes[0], cpu)
		total, _ := ratio(g.outcomes[1], g.outcomes[0], totalCPU)
		claims = append(claims,
			claim{text: "CPU of the script over that of the plugin's process, " + g.condition, measured: alone,
				bound: 500, atLeast: true, format: "%.0fx"},
			claim{text: "the same with the agent's share on both sides, " + g.condition, measured: total,
				bound: 100, atLeast: true, format: "%.0fx"})
	}
	return t, claims, nil
}

// scriptTurn is a turn of the script, whose processes are the agent's children.
func scriptTurn(a *passive, key string, workers int, d time.Duration) (values, error) {
	before, err := childrenTime(a.PID())
	if err != nil {
		return nil, err
	}
	v, err := a.load(key, workers, 0, d)
	if err != nil {
		return nil, err
	}
	after, err := childrenTime(a.PID())
	if err != nil {
		return nil, err
	}
	v[cpu] = float64(after-before) / 1e3 / v[done]
	v[totalCPU] += v[cpu]
	return v, nil
}
