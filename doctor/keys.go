package doctor

import (
	"fmt"
	"strings"

	"redisjobs/agentconf"
	"redisjobs/metrics"
)

// keys finds item keys of this plugin that something else takes or forbids.
func (d *doctor) keys() {
	for _, l := range d.config.All("UserParameter") {
		key, _, _ := strings.Cut(l.Value, ",")
		key = strings.TrimSuffix(strings.TrimSpace(key), "[*]")
		if isOurs(key) {
			d.stops("keys", fmt.Sprintf("%s: the UserParameter %s has the name of a key of this plugin: the agent will not start", l.At(), key),
				"remove the line, or give it another name")
		}
	}
	d.denied()
}

// denied evaluates AllowKey and DenyKey as the agent does: the first rule that
// matches counts, and what no rule matches is allowed.
func (d *doctor) denied() {
	rules := d.config.Rules()
	byRule := map[agentconf.Line][]string{}
	for _, m := range metrics.All() {
		key := m.Key
		if m.TakesConn() {
			key += "[x]"
		}
		for _, rule := range rules {
			if agentconf.MatchesRule(rule.Value, key) {
				if rule.Name == "DenyKey" {
					byRule[rule] = append(byRule[rule], m.Key)
				}
				break
			}
		}
	}
	for _, rule := range rules {
		denied := byRule[rule]
		switch {
		case len(denied) == 0:
		case len(denied) == 1 && telling[denied[0]] && names(rule, denied[0]):
			d.say(fine, "keys", fmt.Sprintf("%s: DenyKey=%s forbids %s, which shows contents or settings of a server", rule.At(), rule.Value, denied[0]), "")
		default:
			d.say(warning, "keys", fmt.Sprintf("%s: DenyKey=%s forbids %s", rule.At(), rule.Value, strings.Join(denied, ", ")),
				"if that is not meant, put this line before it: AllowKey="+denied[0]+"[*]")
		}
	}
}

// telling are the keys that show what is in a server, or its settings: who forbids one
// of them by its name does so on purpose, as docs/security.md advises.
var telling = map[string]bool{
	"redis.server.config": true, "redis.config.get": true, "redis.command": true, "redis.key.value": true,
	"redis.slowlog.get": true, "job.failures.get": true,
}

// names reports whether a rule has the name of a key itself, and not a pattern.
func names(rule agentconf.Line, key string) bool {
	name, _, _ := strings.Cut(rule.Value, "[")
	return name == key
}

// some lists the first few.
func some(names []string) string {
	const most = 4
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
