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
	add := func(list []sourceTrigger, prefix string) {
		for _, s := range list {
			if g.triggers[s.Name] != nil {
				g.fail("two triggers are called %q", s.Name)
			}
			g.triggers[s.Name] = &trigger{Expression: g.expression(s.If), Recovery: g.expression(s.Until), Name: prefix + ": " + s.Name}
		}
	}
	add(g.Triggers, g.Prefix)
	for _, i := range g.Items {
		add(i.Triggers, g.Prefix)
	}
	for _, r := range g.Rules {
		prefix := cmp.Or(r.Prefix, g.Prefix)
		add(r.Triggers, prefix)
		for _, i := range r.Items {
			add(i.Triggers, prefix)
		}
	}
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
