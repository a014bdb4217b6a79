package templates

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

//go:generate go run ./generate

// Generate makes the templates of a folder's sources, in the export format of
// Zabbix 6.0. It returns the texts of the files by their path in that folder,
// the list of uuids among them: what has no uuid there yet gets one.
func Generate(dir string) (map[string][]byte, error) {
	ids, err := readUUIDs(filepath.Join(dir, uuidList))
	if err != nil {
		return nil, err
	}
	names, err := filepath.Glob(filepath.Join(dir, "source", "*.yaml"))
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, name := range names {
		s, err := readSource(name)
		if err != nil {
			return nil, err
		}
		for _, active := range []bool{false, true} {
			g := &generator{source: s, ids: ids, active: active, templateName: s.Name}
			file := filepath.Base(name)
			if active {
				g.templateName += " active"
				file = strings.TrimSuffix(file, ".yaml") + "_active.yaml"
			}
			text, err := g.generate()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			files[filepath.Join("6.0", file)] = text
		}
	}
	files[uuidList] = ids.text()
	return files, nil
}

// generator makes one template of a source.
type generator struct {
	*source
	ids          *uuids
	active       bool
	templateName string

	export   export
	triggers map[string]*trigger // by name
	errs     []error
}

// groups are those of Zabbix' own templates.
var groups = map[string]string{
	"Databases":    "748ad4d098d447d492bb935c907f652f",
	"Applications": "a571c0d144b14fd4a87a9d9b2aa9fcd6",
}

func (g *generator) fail(format string, args ...any) {
	g.errs = append(g.errs, fmt.Errorf(format, args...))
}

func (g *generator) uuid(kind, name string) string {
	return g.ids.of(g.templateName + ": " + kind + ": " + name)
}

func (g *generator) generate() ([]byte, error) {
	about := strings.TrimSpace(g.About)
	if g.active {
		about += "\n\nThis variant asks by active checks: the agent's ServerActive must name the Zabbix server or proxy, and its Hostname this host."
	}
	if len(g.Roots) == 0 || groups[g.Group] == "" {
		return nil, errors.New("no roots, or an unknown group")
	}
	t := template{
		UUID: g.uuid("template", g.templateName), Template: g.templateName, Name: g.templateName, Description: about,
		Groups: []group{{Name: "Templates/" + g.Group}}, Tags: g.Tags.tags(),
	}
	g.export = export{Version: "6.0", Date: "2026-11-21T00:00:00Z", Groups: []group{{UUID: groups[g.Group], Name: "Templates/" + g.Group}}}
	g.triggers = map[string]*trigger{}
	g.collectTriggers()
	for _, m := range g.Macros {
		t.Macros = append(t.Macros, macro{Macro: m.Name, Value: &m.Value, Description: m.About})
	}
	slices.SortFunc(t.Macros, func(a, b macro) int { return cmp.Compare(a.Macro, b.Macro) })
	for _, name := range sortedKeys(g.Maps) {
		m := valueMap{UUID: g.uuid("value map", name), Name: name}
		for _, kv := range g.Maps[name] {
			row := mapping{Value: kv[0], NewValue: kv[1]}
			if kv[0] == "default" {
				row = mapping{Type: "DEFAULT", NewValue: kv[1]}
			}
			m.Mappings = append(m.Mappings, row)
		}
		t.ValueMaps = append(t.ValueMaps, m)
	}
	for _, s := range g.Items {
		i := g.item(s, nil)
		for _, st := range s.Triggers {
			g.place(st, i, nil)
		}
		t.Items = append(t.Items, i)
	}
	for _, st := range g.Triggers {
		g.place(st, nil, nil)
	}
	for _, s := range g.Rules {
		t.Rules = append(t.Rules, g.rule(s))
	}
	for _, s := range g.Graphs {
		g.export.Graphs = append(g.export.Graphs, g.graph(s, "graph", g.Prefix+": "))
	}
	for _, s := range g.Dashboards {
		t.Dashboards = append(t.Dashboards, g.dashboard(s))
	}
	g.export.Templates = []template{t}
	if len(g.errs) > 0 {
		return nil, errors.Join(g.errs...)
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	err := enc.Encode(map[string]export{"zabbix_export": g.export})
	return out.Bytes(), err
}

func sortedKeys[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func (m ordered) tags() []tag {
	var out []tag
	for _, kv := range m {
		out = append(out, tag{kv[0], kv[1]})
	}
	return out
}

// agentType is the type of an item that asks the plugin.
func (g *generator) agentType() string {
	if g.active {
		return "ZABBIX_ACTIVE"
	}
	return "" // passive
}

// master is the key of the item that others depend on.
func (g *generator) master(of string) keyRef {
	if of != "" {
		return keyRef{of}
	}
	for _, i := range g.Items {
		if i.Asks {
			return keyRef{i.Key}
		}
	}
	g.fail("no item asks the plugin")
	return keyRef{}
}

func (g *generator) steps(texts steps) (out []step) {
	for _, text := range texts {
		if text == "keep nothing" {
			continue // a word or text whose values are wanted at each poll
		}
		s, err := parseStep(text)
		if err != nil {
			g.errs = append(g.errs, err)
		}
		out = append(out, s)
	}
	return out
}

func (g *generator) item(s sourceItem, r *sourceRule) *item {
	kind, prefix := "item", g.Prefix+": "
	tags := append(ordered{{"component", s.Part}}, s.Tags...)
	if r != nil {
		kind, prefix = "item prototype", ""
		tags = append(tags, r.Tags...)
	}
	i := &item{
		UUID: g.uuid(kind, s.Key), Name: prefix + s.Name, Key: s.Key, Units: s.Unit, Params: s.Formula, Description: s.About,
		ValueMap: nameRef{s.Map}, Preprocessing: g.steps(s.From), Tags: tags.tags(),
	}
	switch {
	case s.Asks:
		i.Type, i.Delay = g.agentType(), g.Interval
	case s.Formula != "":
		i.Type, i.Delay = "CALCULATED", g.Interval
	default:
		i.Type, i.Delay, i.MasterItem = "DEPENDENT", "0", g.master(s.Of)
	}
	as := s.As
	if as == "" {
		switch {
		case s.Map != "":
			as = "state"
		case s.Asks:
			as = "raw"
		case s.Formula != "" || slices.Contains(s.From, "rate"):
			as = "float"
		default:
			as = "count"
		}
	}
	switch as {
	case "state":
		i.History, i.Trends = "31d", "0"
	case "raw":
		i.History, i.Trends, i.ValueType = "0", "0", "TEXT"
	case "word", "text":
		i.History, i.Trends, i.ValueType = "7d", "0", map[string]string{"word": "CHAR", "text": "TEXT"}[as]
		if !slices.ContainsFunc(s.From, func(t string) bool { return strings.HasPrefix(t, "keep ") }) {
			i.Preprocessing = append(i.Preprocessing, g.steps(steps{"keep 1h"})...)
		}
	case "float":
		i.History, i.Trends, i.ValueType = "7d", "365d", "FLOAT"
	case "count":
		i.History, i.Trends = "7d", "365d"
	default:
		g.fail("%s: unknown kind %q", s.Key, as)
	}
	return i
}

func (g *generator) rule(s sourceRule) *rule {
	r := &rule{
		UUID: g.uuid("rule", s.Key), Name: s.Name, Key: s.Key, Lifetime: "7d", Description: s.About, Preprocessing: g.steps(s.From),
	}
	if s.Asks {
		r.Type, r.Delay = g.agentType(), cmp.Or(s.Every, g.Interval)
	} else {
		r.Type, r.Delay, r.MasterItem = "DEPENDENT", "0", g.master(s.Of)
	}
	switch {
	case s.Once != "":
		r.Preprocessing = append(r.Preprocessing, step{Type: "JAVASCRIPT",
			Parameters: []string{"return JSON.stringify(value === '" + s.Once + "' ? [{singleton: ''}] : []);"}})
		s.Rows = ordered{{"{#SINGLETON}", ""}}
	case len(s.Rows) > 0 && s.Rows[0][1] != "":
		var members []string
		for _, kv := range s.Rows {
			member, otherwise, ok := strings.Cut(kv[1], " or ")
			if ok {
				otherwise = " || '" + otherwise + "'"
			}
			members = append(members, member+": r."+member+otherwise)
		}
		r.Preprocessing = append(r.Preprocessing, step{Type: "JAVASCRIPT",
			Parameters: []string{"return JSON.stringify(JSON.parse(value).map(function (r) { return {" + strings.Join(members, ", ") + "}; }));"}})
	}
	r.Preprocessing = append(r.Preprocessing, g.steps(steps{"keep 1h"})...)
	for _, kv := range s.Rows {
		member, _, _ := strings.Cut(kv[1], " or ")
		r.MacroPaths = append(r.MacroPaths, macroPath{kv[0], "$." + cmp.Or(member, "singleton")})
	}
	for _, kv := range s.Filters {
		if r.Filter.EvalType == "" {
			r.Filter.EvalType = "AND"
		}
		name := "{$" + g.macroPrefix() + ".LLD.FILTER." + kv[1]
		id := len(r.Filter.Conditions)
		r.Filter.Conditions = append(r.Filter.Conditions,
			condition{Macro: kv[0], Value: name + ".MATCHES}", FormulaID: string(rune('A' + id))},
			condition{Macro: kv[0], Value: name + ".NOT_MATCHES}", Operator: "NOT_MATCHES_REGEX", FormulaID: string(rune('B' + id))})
	}
	for _, si := range s.Items {
		i := g.item(si, &s)
		for _, st := range si.Triggers {
			st.Tags = append(slices.Clone(st.Tags), s.Tags...)
			g.place(st, i, r)
		}
		r.Items = append(r.Items, i)
	}
	for _, st := range s.Triggers {
		st.Tags = append(slices.Clone(st.Tags), s.Tags...)
		g.place(st, nil, r)
	}
	for _, sg := range s.Graphs {
		r.Graphs = append(r.Graphs, g.graph(sg, "graph prototype", ""))
	}
	return r
}

// macroPrefix is what all macros of the template begin with.
func (g *generator) macroPrefix() string {
	name, _, _ := strings.Cut(strings.TrimPrefix(g.Interval, "{$"), ".")
	return name
}

func (g *generator) graph(s sourceGraph, kind, prefix string) graph {
	out := graph{UUID: g.uuid(kind, prefix+s.Name), Name: prefix + s.Name}
	if s.Stacked {
		out.Type = "STACKED"
	}
	colors := []string{"1A7C11", "2774A4", "F63100", "A54F10", "FC6EA3", "6C59DC", "AC8C14", "611F27"}
	for n, key := range s.Of {
		gi := graphItem{Color: colors[n], Item: hostRef{Host: g.templateName, Key: key}}
		if n > 0 {
			gi.SortOrder = fmt.Sprint(n)
		}
		if g.unit(key) != g.unit(s.Of[0]) {
			gi.Side = "RIGHT" // an axis has one unit
		}
		out.Items = append(out.Items, gi)
	}
	return out
}

// unit is that of an item or a prototype.
func (g *generator) unit(key string) string {
	all := g.Items
	for _, r := range g.Rules {
		all = append(all[:len(all):len(all)], r.Items...)
	}
	for _, i := range all {
		if i.Key == key {
			return i.Unit
		}
	}
	g.fail("a graph of %s, which is no item", key)
	return ""
}

// ownItem is an item of the template in an expression of a source.
var ownItem = regexp.MustCompile(`\(//`)

func (g *generator) expression(text string) string {
	return ownItem.ReplaceAllLiteralString(text, "(/"+g.templateName+"/")
}

// collectTriggers makes all triggers before any is placed, since they name
// each other.
func (g *generator) collectTriggers() {
	add := func(list []sourceTrigger) {
		for _, s := range list {
			if g.triggers[s.Name] != nil {
				g.fail("two triggers are called %q", s.Name)
			}
			g.triggers[s.Name] = &trigger{Expression: g.expression(s.If), Recovery: g.expression(s.Until), Name: g.Prefix + ": " + s.Name}
		}
	}
	add(g.Triggers)
	for _, i := range g.Items {
		add(i.Triggers)
	}
	for _, r := range g.Rules {
		add(r.Triggers)
		for _, i := range r.Items {
			add(i.Triggers)
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
