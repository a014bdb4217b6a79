package main

import (
	"fmt"
	"time"
)

// compareProcess drives the plugin processes over the agent's protocol, without an agent.
func compareProcess(s *scope, e *environment) (table, []claim, error) {
	server := startRedis(s)
	ours := drive(s, e.plugin)
	few := drive(s, e.relay, "RELAY_CONNECTIONS=2")
	many := drive(s, e.relay, "RELAY_CONNECTIONS=64") // one for each request under way

	turn := func(d *driver, items []item, inFlight int) func(time.Duration) (values, error) {
		return func(length time.Duration) (values, error) {
			return server.counted(func() (values, int, error) { return d.load(items, inFlight, length) })
		}
	}
	one := []string{server.uri()}
	var spread []string
	for db := range 16 {
		spread = append(spread, fmt.Sprintf("%s/%d", server.uri(), db))
	}
	t := table{
		title: "The plugin process alone, over the agent's protocol",
		notes: []string{
			"A driver plays the agent: so many requests are always under way, to one target unless 16 are named (databases " +
				"of one server, each a target with connections of its own). The relay (bench/relay) is the yardstick: " +
				"it forwards INFO's raw text, parses nothing and survives nothing. Commands are those that the server " +
				"processed for one check: checks of one target that wait in the same instant share a reply with us.",
		},
		columns: []column{colRate, colCPU, colP50, colP99, colCommands},
	}
	var claims []claim
	for _, c := range []struct {
		name  string
		check string
		want  string
	}{
		{"ping", "redis.server.ping", "1"},
		{"info", "redis.server.info", "redis_version"},
		{"get", "redis.get", "redis_version"},
	} {
		for _, load := range []struct {
			inFlight int
			uris     []string
		}{{1, one}, {8, one}, {64, one}, {64, spread}} {
			mine, relayed := itemsOf(c.check, load.uris), itemsOf("relay."+c.name, load.uris)
			if err := ours.expect(mine[0], c.want); err != nil {
				return t, nil, err
			}
			condition := fmt.Sprintf("%s, %d at once", c.name, load.inFlight)
			if len(load.uris) > 1 {
				condition += fmt.Sprintf(", %d targets", len(load.uris))
			}
			if err := few.expect(relayed[0], c.want); err != nil {
				return t, nil, err
			}
			contestants := []contestant{
				{name: c.check, turn: turn(ours, mine, load.inFlight)},
				{name: "relay, 2 connections", turn: turn(few, relayed, load.inFlight)},
				{name: "relay, 64 connections", turn: turn(many, relayed, load.inFlight)},
			}
			contest := e.contest
			if c.name != "ping" {
				contest = e.longContest
			}
			g, err := contest(condition, contestants...)
			if err != nil {
				return t, nil, err
			}
			t.groups = append(t.groups, g)
			if load.inFlight == 1 && c.name != "get" {
				claims = append(claims, claim{text: "p50 of " + g.condition + ", against the better relay",
					measured: worst(g, p50, false), bound: 1.15, format: "%.2fx"})
			}
			switch c.name {
			case "info":
				claims = append(claims, relayClaims(g, load.inFlight, len(load.uris))...)
			case "get":
				value, err := ours.get(mine[0])
				if err != nil {
					return t, nil, err
				}
				g.outcomes[0].turns[0][answer] = float64(len(value))
				claims = append(claims, relayCPU(g, 1.5))
			}
		}
	}
	return t, claims, nil
}

func itemsOf(key string, uris []string) []item {
	var all []item
	for _, uri := range uris {
		all = append(all, item{key, []string{uri}})
	}
	return all
}

// relayClaims holds redis.server.info to the better of the relays.
func relayClaims(g group, inFlight, targets int) []claim {
	claims := []claim{relayCPU(g, 1.3)}
	if targets > 1 { // checks share few replies, so that each costs all that it does
		claims[0].bound = 1
	}
	if inFlight == 64 {
		claims = append(claims, claim{text: "checks per second of " + g.condition + ", against the better relay",
			measured: worst(g, rate, true), bound: 0.95, atLeast: true, format: "%.2fx"})
	}
	return claims
}

// relayCPU holds what the first of the group takes of a processor to at most bound
// times that of the better relay.
func relayCPU(g group, bound float64) claim {
	return claim{text: "CPU of " + g.condition + ", against the better relay",
		measured: worst(g, cpu, false), bound: bound, format: "%.2fx"}
}

// worst is a figure of the first of the group as a share of that relay's which
// leaves it in the worst light.
func worst(g group, f figure, more bool) float64 {
	few, _ := ratio(g.outcomes[0], g.outcomes[1], f)
	many, _ := ratio(g.outcomes[0], g.outcomes[2], f)
	if more { // more is better
		return min(few, many)
	}
	return max(few, many)
}
