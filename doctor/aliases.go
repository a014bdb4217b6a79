package doctor

import (
	"fmt"
	"slices"
	"strings"

	"redisjobs/agentconf"
	"redisjobs/metrics"
)

// aliases looks at the Alias lines: the agent refuses a name twice, and it stops
// looking at the first name with [*] that is longer than the key.
func (d *doctor) aliases() {
	all := d.readAliases()
	seen := map[string]agentconf.Alias{}
	var ours []agentconf.Alias
	for _, a := range all {
		if first, twice := seen[a.Written()]; twice {
			d.stops("alias", fmt.Sprintf("%s: %q has an alias already, at %s: the agent will not start", a.At(), a.Written(), first.At()),
				"remove one of the two lines")
			continue
		}
		seen[a.Written()] = a
		if isOurs(a.Key()) {
			ours = append(ours, a)
		} else if strings.HasPrefix(a.Key(), "redis.server.") {
			d.say(problem, "alias", a.At()+": "+metrics.UnknownKey(a.Key()).Error(), "correct the name behind the colon")
		}
	}
	d.order(all)
	d.bare(seen)
	if len(ours) == 0 && d.config.Unreadable() {
		return
	}
	if len(ours) == 0 {
		d.say(fine, "alias", "no Alias leads to this plugin: the agent's built-in plugin answers redis.ping, redis.info and the like", "")
	} else {
		d.say(fine, "alias", counted(len(ours), "name leads", "names lead")+" to this plugin", "")
	}
}

func isOurs(key string) bool {
	_, ok := metrics.Lookup(key)
	return ok
}

func (d *doctor) readAliases() []agentconf.Alias {
	var out []agentconf.Alias
	for _, l := range d.config.All("Alias") {
		a, ok := agentconf.ParseAlias(l)
		if !ok {
			d.stops("alias", l.At()+": an alias is written as Alias=name:key: the agent will not start", "correct or remove the line")
			continue
		}
		out = append(out, a)
	}
	return out
}

// order finds the aliases of ours that a longer name before them hides.
func (d *doctor) order(all []agentconf.Alias) {
	var longest agentconf.Alias
	var hidden []agentconf.Alias
	var hiding []string
	for _, a := range all {
		if !a.Star {
			continue
		}
		if len(a.Name) < len(longest.Name) && isOurs(a.Key()) {
			hidden = append(hidden, a)
			hiding = append(hiding, longest.At())
		}
		if len(a.Name) > len(longest.Name) {
			longest = a
		}
	}
	for i, a := range hidden {
		d.say(problem, "alias", fmt.Sprintf("%s: short keys of %s do not reach this plugin: the longer name at %s stands before it",
			a.At(), a.Written(), hiding[i]), fixOrder(all))
	}
}

// fixOrder is the right order of the lines with [*].
func fixOrder(all []agentconf.Alias) string {
	stars := slices.DeleteFunc(slices.Clone(all), func(a agentconf.Alias) bool { return !a.Star })
	slices.SortStableFunc(stars, func(a, b agentconf.Alias) int { return len(a.Name) - len(b.Name) })
	out := "put the lines in this order, in one file or in files whose names sort so:"
	for _, a := range stars {
		out += "\nAlias=" + a.Value
	}
	return out
}

// bare finds names that have an alias with [*] and none without.
func (d *doctor) bare(seen map[string]agentconf.Alias) {
	for _, builtin := range metrics.BuiltinKeys() {
		name, target := builtin[0], builtin[1]
		star, hasStar := seen[name+"[*]"]
		_, hasBare := seen[name]
		if hasStar && !hasBare && strings.HasPrefix(star.Target, target) {
			d.say(warning, "alias", fmt.Sprintf("%s: [*] does not stand for the bare key %s, which the built-in plugin answers", star.At(), name),
				"Alias="+name+":"+target)
		}
	}
}
