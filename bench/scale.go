package main

import "fmt"

// What many servers cost, by the unit costs of this run.
const (
	pollSeconds     = 60     // between two polls of a server, as in the templates
	fewTargets      = 1000   // the fewest that the memory of a plugin is measured with
	targetsOfPlugin = 10_000 // the most
	busiestShare    = 0.5    // of a processor, that one agent and its plugin may need
)

// answer is the length of an answer, in bytes.
const answer figure = "answer"

// The figures of the table, for so many servers.
const (
	checks     figure = "checks"
	processors figure = "processors"
	agents     figure = "agents"
	held       figure = "held"
	memoryAll  figure = "memory"
	traffic    figure = "traffic"
	memoryEach figure = "memory each"
)

// unitCosts are what the calculation begins with.
type unitCosts struct {
	cpu     float64 // of agent and plugin for one redis.get, us
	rssFew  float64 // of a plugin process with fewTargets targets, MB
	rssMany float64 // the same with targetsOfPlugin
	answer  float64 // of redis.get, bytes
}

// costs finds them among the tables of a run; false when it did not measure them all.
func costs(tables []table) (u unitCosts, ok bool) {
	find := func(condition string, f figure) float64 {
		for _, t := range tables {
			for _, g := range t.groups {
				if g.condition == condition {
					if value, known := g.outcomes[0].median(f); known {
						return value
					}
				}
			}
		}
		return 0
	}
	u = unitCosts{
		cpu: find("get, 16 at once", totalCPU), answer: find("get, 1 at once", answer),
		rssFew: find(fmt.Sprintf("%d targets", fewTargets), rssInfo), rssMany: find(fmt.Sprintf("%d targets", targetsOfPlugin), rssInfo),
	}
	return u, u.cpu > 0 && u.rssFew > 0 && u.rssMany > 0 && u.answer > 0
}

// scaled is what n servers cost. An agent with its plugin has as many of them as
// were measured, or fewer when it needed more than busiestShare of a processor.
func (u unitCosts) scaled(n int) values {
	perSecond := float64(n) / pollSeconds
	cpu := perSecond * u.cpu / 1e6
	byTargets := (n + targetsOfPlugin - 1) / targetsOfPlugin
	byCPU := int(cpu/busiestShare) + 1
	count := float64(max(byTargets, byCPU))
	each := u.rssFew + (float64(n)/count-fewTargets)*(u.rssMany-u.rssFew)/(targetsOfPlugin-fewTargets)
	return values{
		checks: perSecond, processors: cpu, agents: count, held: float64(n),
		memoryEach: each, memoryAll: each * count, traffic: perSecond * u.answer / 1e6,
	}
}

// scale is the table.
func scale(tables []table) (table, bool) {
	u, ok := costs(tables)
	if !ok {
		return table{}, false
	}
	t := table{
		title: "Beyond one machine: calculated",
		notes: []string{fmt.Sprintf("Calculated from figures of this run, not measured: every server is polled with redis.get every %d s. "+
			"Through an agent, 16 at once, a poll takes %.0f us of a processor, agent and plugin together; a plugin with %d connected targets "+
			"has %.1f MB after a round of info, with %d targets %.1f MB, and between them memory is taken to grow evenly; an answer has %.0f bytes. "+
			"An agent has at most %d servers, and needs at most %.0f %% of a processor. docs/design.md says what follows.",
			pollSeconds, u.cpu, fewTargets, u.rssFew, targetsOfPlugin, u.rssMany, u.answer, targetsOfPlugin, 100*busiestShare)},
		columns: []column{
			{checks, "polls per second", "%.0f", 0}, {processors, "processors", "%.2f", 0}, {agents, "agents", "%.0f", 0},
			{held, "connections", "%.0f", 0}, {memoryEach, "memory of a plugin, MB", "%.0f", 0}, {memoryAll, "of all, MB", "%.0f", 0},
			{traffic, "answers, MB/s", "%.1f", 0},
		},
	}
	for _, n := range []int{1000, 10_000, 100_000} {
		t.groups = append(t.groups, group{fmt.Sprintf("%d servers", n), []outcome{{name: "redis.get", turns: []values{u.scaled(n)}}}})
	}
	return t, true
}
