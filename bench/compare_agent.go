package main

import (
	"fmt"
	"time"
)

// compareAgent asks a real agent for the same keys from its built-in plugin, from ours
// and from the relay, which shows what any loadable plugin costs.
func compareAgent(s *scope, e *environment) (table, []claim, error) {
	server := startRedis(s)
	a := startAgent(s, e, "Plugins.Relay.System.Path="+e.relay)
	t := table{
		title: "Through a real agent " + e.agent.Version,
		notes: []string{
			"Passive checks, each over a connection of its own, as a Zabbix server asks. The built-in plugin lives in " +
				"the agent's process; the relay is the floor for any that does not. CPU is that of the plugin's process, " +
				"then the agent's, then both.",
		},
		columns: []column{colRate, colP50, colP99, colCPU,
			{agentCPU, "agent CPU, us", "%.0f", 0}, {totalCPU, "total CPU, us", "%.0f", -1}},
	}
	var claims []claim
	for _, c := range []struct{ name, want string }{{"ping", "1"}, {"info", "redis_version"}, {"get", "redis_version"}} {
		kinds := []struct{ name, prefix, process string }{
			{"redis.server." + c.name, "redis.server.", e.plugin},
			{"built-in redis." + c.name, "redis.", ""},
			{"relay, 2 connections", "relay.", e.relay},
		}
		if c.name == "get" {
			kinds = kinds[:1]
			kinds[0].name, kinds[0].prefix = "redis.get", "redis."
		}
		for _, workers := range []int{1, 16} {
			var contestants []contestant
			for _, kind := range kinds {
				key := fmt.Sprintf("%s%s[%s]", kind.prefix, c.name, server.uri())
				if err := a.expect(key, c.want); err != nil {
					return t, nil, err
				}
				pid := 0
				if kind.process != "" {
					var err error
					if pid, err = pidOf(a.PluginPIDs(), kind.process); err != nil {
						return t, nil, err
					}
				}
				contestants = append(contestants, contestant{name: kind.name, turn: func(d time.Duration) (values, error) { return a.load(key, workers, pid, d) }})
			}
			contest := e.contest
			if c.name == "info" {
				contest = e.longContest
			}
			g, err := contest(fmt.Sprintf("%s, %d at once", c.name, workers), contestants...)
			if err != nil {
				return t, nil, err
			}
			t.groups = append(t.groups, g)
			if c.name == "info" {
				claims = append(claims, agentClaims(g)...)
			}
		}
	}
	return t, claims, nil
}

// agentClaims compares ours with the built-in plugin and with the floor.
func agentClaims(g group) []claim {
	ours, builtIn, floor := g.outcomes[0], g.outcomes[1], g.outcomes[2]
	latency, _ := ratio(ours, builtIn, p50)
	perSecond, _ := ratio(ours, builtIn, rate)
	total, _ := ratio(ours, builtIn, totalCPU)
	aboveFloor, _ := ratio(ours, floor, totalCPU)
	where := "redis.info through the agent, " + g.condition[len("info, "):]
	claims := []claim{
		{text: where + ": p50 against the built-in", measured: latency, bound: 1, format: "%.2fx"},
		{text: where + ": checks per second against the built-in", measured: perSecond, bound: 1, atLeast: true, format: "%.2fx"},
		{text: where + ": CPU of agent and plugin against the built-in", measured: total, bound: 1, format: "%.2fx"},
	}
	if total > 1 {
		// Where the second process makes that impossible, the floor is the measure.
		claims = append(claims, claim{text: where + ": the same against the relay, the floor for a process of its own",
			measured: aboveFloor, bound: 1.1, format: "%.2fx"})
	}
	return claims
}
