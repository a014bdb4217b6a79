package templates

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// ownItem is an item of the template in an expression of a source.
var ownItem = regexp.MustCompile(`\(//`)

func (g *generator) expression(text string) string {
	return ownItem.ReplaceAllLiteralString(text, "(/"+g.templateName+"/")
}

// collectTriggers makes all triggers before any is placed, since they name
// each other.
func (g *generator) collectTriggers() {
	add := func(list []sourceTrigger, prefix string, r *sourceRule) {
		for _, s := range list {
			if g.triggers[s.Name] != nil {
				g.fail("two triggers are called %q", s.Name)
			}
			problem, recovery := g.conditions(s, r)
			g.triggers[s.Name] = &trigger{Expression: g.expression(problem), Recovery: g.expression(recovery), Name: prefix + ": " + s.Name}
		}
	}
	add(g.Triggers, g.Prefix, nil)
	for _, i := range g.Items {
		add(i.Triggers, g.Prefix, nil)
	}
	for k := range g.Rules {
		r := &g.Rules[k]
		prefix := cmp.Or(r.Prefix, g.Prefix)
		add(r.Triggers, prefix, r)
		for _, i := range r.Items {
			add(i.Triggers, prefix, r)
		}
	}
}

// conditions are the expressions of a trigger, with what all triggers have in common:
//
//   - The macro CHECK switches off each that depends on another. Its context is the row that was discovered, or else the
//     trigger's name.
//   - A trigger whose event says for how long something has lasted waits until there are values of that age. Once it is
//     a problem it does not end because values were missing.
func (g *generator) conditions(s sourceTrigger, r *sourceRule) (problem, recovery string) {
	problem, recovery = s.If, s.Until
	if !slices.Contains(g.Roots, s.Name) {
		check := "{$" + g.macroPrefix() + `.CHECK:"` + g.context(s, r) + `"}`
		problem = check + "=1 and " + inParentheses(problem)
		if recovery != "" {
			recovery = check + "<>1 or " + recovery
		}
	}
	for _, m := range window.FindAllStringSubmatch(s.If, -1) {
		if !strings.Contains(s.Event, "for "+m[2]) && !strings.Contains(s.Event, "over "+m[2]) {
			continue
		}
		if recovery == "" {
			recovery = "(" + problem + ")=0"
		}
		return problem + " and count(//" + m[1] + "," + m[2] + ":now-" + m[2] + ")>0", recovery
	}
	return problem, recovery
}

// window finds the item and the period of a function that looks at all values of a period.
var window = regexp.MustCompile(`(?:min|max)\(//([^,()\[]+(?:\[[^\]]*\])?),(\{\$[A-Z_.]+(?::"[^"]*")?\})\)`)

// context tells a trigger of what was discovered by its row, and others by their name.
func (g *generator) context(s sourceTrigger, r *sourceRule) string {
	if r == nil || len(r.Tags) == 0 {
		return s.Name
	}
	return r.Tags[0][1]
}

func inParentheses(expression string) string {
	if strings.Contains(expression, " or ") {
		return "(" + expression + ")"
	}
	return expression
}

// itemOf finds the item of a function in an expression.
var itemOf = regexp.MustCompile(`\(//([^,()\[]+(?:\[[^\]]*\])?)`)

// place puts a trigger where Zabbix has it: with its item if it is the only
// one, else with the template or the rule.
func (g *generator) place(s sourceTrigger, i *item, r *rule) {
	t := g.triggers[s.Name]
	kind := "trigger"
	if r != nil {
		kind = "trigger prototype"
	}
	t.UUID = g.uuid(kind, t.Name)
	severity, scope, _ := strings.Cut(s.Is, " ")
	t.Priority, t.OpData, t.Description = strings.ToUpper(severity), s.Shows, s.About
	t.Tags = append(ordered{{"scope", scope}}, s.Tags...).tags()
	if slices.Contains(g.Roots, s.Name) {
		g.hint(s, t)
	}
	switch {
	case s.Event == "":
	case s.Event[0] == '=':
		t.EventName = s.Event[1:]
	case s.Event[0] == '+':
		t.EventName = t.Name + s.Event[1:]
	default:
		t.EventName = t.Name + " " + s.Event
	}
	if t.Recovery != "" {
		t.RecoveryMode = "RECOVERY_EXPRESSION"
	}
	if s.Stays {
		t.RecoveryMode = "NONE"
	}
	if s.Stays || s.Close {
		t.ManualClose = "YES"
	}
	if !slices.Contains(g.Roots, s.Name) {
		for _, name := range append([]string{g.Roots[0]}, s.After...) {
			on := g.triggers[name]
			if on == nil {
				g.fail("%s depends on %q, which does not exist", s.Name, name)
				return
			}
			t.Dependencies = append(t.Dependencies, dependency{Name: on.Name, Expression: on.Expression, Recovery: on.Recovery})
		}
	}
	keys := map[string]bool{}
	for _, m := range itemOf.FindAllStringSubmatch(s.If+s.Until, -1) {
		keys[m[1]] = true
	}
	switch {
	case i != nil && len(keys) == 1 && keys[i.Key] && r != nil:
		i.Prototypes = append(i.Prototypes, t)
	case i != nil && len(keys) == 1 && keys[i.Key]:
		i.Triggers = append(i.Triggers, t)
	case r != nil:
		r.Triggers = append(r.Triggers, t)
	default:
		g.export.Triggers = append(g.export.Triggers, t)
	}
}
