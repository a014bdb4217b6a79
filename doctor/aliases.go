package doctor

import (
	"fmt"
	"slices"
	"strings"

	"redisjobs/metrics"
)

// alias is one Alias line.
type alias struct {
	line
	name   string // without [*]
	star   bool   // it had [*]
	target string
}

// written is the name as the line has it.
func (a alias) written() string {
	if a.star {
		return a.name + "[*]"
	}
	return a.name
}

// aliases looks at the Alias lines: the agent refuses a name twice, and it stops
// looking at the first name with [*] that is longer than the key.
func (d *doctor) aliases() {
	all := d.readAliases()
	seen := map[string]alias{}
	var ours []alias
	for _, a := range all {
		if first, twice := seen[a.written()]; twice {
			d.say(problem, "alias", fmt.Sprintf("%s: %q has an alias already, at %s: the agent will not start", a.at(), a.written(), first.at()),
				"remove one of the two lines")
			continue
		}
		seen[a.written()] = a
		if target, _, _ := strings.Cut(a.target, "["); isOurs(target) {
			ours = append(ours, a)
		} else if strings.HasPrefix(target, "redis.server.") {
			d.say(problem, "alias", fmt.Sprintf("%s: %q is no key of this plugin", a.at(), target), "correct the name behind the colon")
		}
	}
	d.order(all)
	d.bare(seen)
	if len(ours) == 0 {
		d.say(fine, "alias", "no Alias leads to this plugin: the built-in one answers redis.ping, redis.info and the like", "")
	} else {
		d.say(fine, "alias", fmt.Sprintf("%d names lead to this plugin", len(ours)), "")
	}
}

func isOurs(key string) bool {
	_, ok := metrics.Lookup(key)
	return ok
}

func (d *doctor) readAliases() []alias {
	var out []alias
	for _, l := range d.config.all("Alias") {
		name, target, ok := strings.Cut(l.value, ":")
		if !ok || name == "" || target == "" {
			d.say(problem, "alias", l.at()+": an alias is written as Alias=name:key", "correct or remove the line")
			continue
		}
		a := alias{line: l, target: target}
		a.name, a.star = strings.CutSuffix(name, "[*]")
		out = append(out, a)
	}
	return out
}

// order finds the aliases of ours that a longer name before them hides.
func (d *doctor) order(all []alias) {
	var longest alias
	var hidden []alias
	var hiding []string
	for _, a := range all {
		if !a.star {
			continue
		}
		target, _, _ := strings.Cut(a.target, "[")
		if len(a.name) < len(longest.name) && isOurs(target) {
			hidden = append(hidden, a)
			hiding = append(hiding, longest.at())
		}
		if len(a.name) > len(longest.name) {
			longest = a
		}
	}
	for i, a := range hidden {
		d.say(problem, "alias", fmt.Sprintf("%s: short keys of %s do not reach this plugin: the longer name at %s stands before it",
			a.at(), a.written(), hiding[i]), fixOrder(all))
	}
}

// fixOrder is the right order of the lines with [*].
func fixOrder(all []alias) string {
	stars := slices.DeleteFunc(slices.Clone(all), func(a alias) bool { return !a.star })
	slices.SortStableFunc(stars, func(a, b alias) int { return len(a.name) - len(b.name) })
	out := "put the lines in this order, in one file or in files whose names sort so:"
	for _, a := range stars {
		out += "\nAlias=" + a.value
	}
	return out
}

// bare finds names that have an alias with [*] and none without.
func (d *doctor) bare(seen map[string]alias) {
	for _, builtin := range metrics.BuiltinKeys() {
		name, target := builtin[0], builtin[1]
		star, hasStar := seen[name+"[*]"]
		_, hasBare := seen[name]
		if hasStar && !hasBare && strings.HasPrefix(star.target, target) {
			d.say(warning, "alias", fmt.Sprintf("%s: [*] does not stand for the bare key %s, which the built-in plugin answers", star.at(), name),
				"Alias="+name+":"+target)
		}
	}
}
