package doctor

import (
	"fmt"
	"strings"

	"redisjobs/metrics"
)

// keys finds item keys of this plugin that something else takes or forbids.
func (d *doctor) keys() {
	for _, l := range d.config.all("UserParameter") {
		key, _, _ := strings.Cut(l.value, ",")
		key = strings.TrimSuffix(strings.TrimSpace(key), "[*]")
		if isOurs(key) {
			d.say(problem, "keys", fmt.Sprintf("%s: the UserParameter %s has the name of a key of this plugin: the agent will not start", l.at(), key),
				"remove the line, or give it another name")
		}
	}
	d.denied()
}

// denied evaluates AllowKey and DenyKey as the agent does: the first rule that
// matches counts, and what no rule matches is allowed.
func (d *doctor) denied() {
	var rules []line
	for _, l := range d.config.lines {
		if l.name == "AllowKey" || l.name == "DenyKey" {
			rules = append(rules, l)
		}
	}
	byRule := map[line][]string{}
	for _, m := range metrics.All() {
		key := m.Key
		if m.TakesConn() {
			key += "[x]"
		}
		for _, rule := range rules {
			if matchesRule(rule.value, key) {
				if rule.name == "DenyKey" {
					byRule[rule] = append(byRule[rule], m.Key)
				}
				break
			}
		}
	}
	for _, rule := range rules {
		if denied := byRule[rule]; len(denied) > 0 {
			d.say(warning, "keys", fmt.Sprintf("%s: DenyKey=%s forbids %s", rule.at(), rule.value, some(denied)),
				"if that is not meant, put this line before it: AllowKey="+denied[0]+"[*]")
		}
	}
}

// matchesRule compares a rule's name and parameters with those of a key; a star
// stands for any text, and in place of all parameters for a key without any.
// Source: https://www.zabbix.com/documentation/7.0/en/manual/config/items/restrict_checks
func matchesRule(rule, key string) bool {
	ruleName, ruleParams, ruleHas := strings.Cut(rule, "[")
	name, params, has := strings.Cut(key, "[")
	if !ruleHas && !has || !ruleHas && rule == "*" {
		return wildcard(ruleName, name)
	}
	if ruleHas && ruleParams == "*]" {
		return wildcard(ruleName, name)
	}
	return ruleHas && has && wildcard(ruleName, name) && wildcard(ruleParams, params)
}

// wildcard matches a text with a pattern in which * stands for anything.
func wildcard(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	rest, ok := strings.CutPrefix(text, parts[0])
	if len(parts) == 1 {
		return ok && rest == ""
	}
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(rest, part)
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return ok && strings.HasSuffix(rest, parts[len(parts)-1])
}

// some lists the first few.
func some(names []string) string {
	const most = 4
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
