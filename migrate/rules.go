package migrate

import (
	"fmt"
	"strings"

	"redisjobs/agentconf"
	"redisjobs/metrics"
)

// ruleGap is an AllowKey or DenyKey rule that no longer sees a key once the key has
// another name.
type ruleGap struct {
	rule agentconf.Line
	key  string // that the rule is about
	want string // the line that is missing
}

func (g ruleGap) String() string {
	return fmt.Sprintf("%s: %s=%s is about %s, which the agent will know by another name: add the line %s next to it",
		g.rule.At(), g.rule.Name, g.rule.Value, g.key, g.want)
}

// gaps are the rules for which the change of names matters, and that have no
// counterpart yet. back is the way to the built-in plugin's names.
// Source: the agent looks at a key after its alias.
func gaps(c *agentconf.Config, back bool) []ruleGap {
	var out []ruleGap
	rules := c.Rules()
	for _, rule := range rules {
		name, params, hasParams := strings.Cut(rule.Value, "[")
		for _, pair := range metrics.BuiltinKeys() {
			from, to := pair[0], pair[1]
			if back {
				from, to = to, from
			}
			if !agentconf.MatchesRule(name, from) || agentconf.MatchesRule(name, to) {
				continue
			}
			want := to
			if hasParams {
				want += "[" + params
			}
			if !has(rules, rule.Name, want) {
				out = append(out, ruleGap{rule, from, rule.Name + "=" + want})
			}
		}
	}
	return out
}

// has reports whether there is a rule of that kind for that key.
func has(rules []agentconf.Line, kind, key string) bool {
	for _, r := range rules {
		if r.Name == kind && (r.Value == key || agentconf.MatchesRule(r.Value, key)) {
			return true
		}
	}
	return false
}
