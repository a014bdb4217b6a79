package agentconf

import "strings"

// MatchesRule compares the name and parameters of an AllowKey or DenyKey rule with those of a key; a star
// stands for any text, and in place of all parameters for a key without any.
// Source: https://www.zabbix.com/documentation/7.0/en/manual/config/items/restrict_checks
func MatchesRule(rule, key string) bool {
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

// Rules are the AllowKey and DenyKey lines, in order.
func (c *Config) Rules() []Line {
	var out []Line
	for _, l := range c.Lines {
		if l.Name == "AllowKey" || l.Name == "DenyKey" {
			out = append(out, l)
		}
	}
	return out
}
