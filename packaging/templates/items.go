package templates

import (
	"cmp"
	"slices"
	"strings"
)

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
		kind, prefix = "item prototype", r.namePrefix()
		tags = append(tags, r.Tags...)
	}
	i := &item{
		UUID: g.uuid(kind, s.Key), Name: prefix + s.Name, Key: s.Key, Units: s.Unit, Params: s.Formula, Description: s.About,
		ValueMap: nameRef{s.Map}, Preprocessing: g.steps(s.From), Tags: tags.tags(),
	}
	switch {
	case s.Asks:
		i.Type, i.Delay, i.Timeout = g.agentType(), cmp.Or(s.Every, g.Interval), g.timeout()
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
			at := len(i.Preprocessing)
			if last := s.From[max(0, at-1):]; at > 1 && (last[0] == "words" || last[0] == "names") {
				at-- // the script's value depends on nothing else: it need not run for what has not changed
			}
			i.Preprocessing = slices.Insert(i.Preprocessing, at, g.steps(steps{"keep 1h"})...)
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
	g.keepLost(r, s)
	if s.Asks {
		r.Type, r.Delay, r.Timeout = g.agentType(), cmp.Or(s.Every, g.Interval), g.timeout()
	} else {
		r.Type, r.Delay, r.MasterItem = "DEPENDENT", "0", g.master(s.Of)
	}
	switch {
	case s.Once != "":
		// What is not passed on need not go through the script.
		r.Preprocessing = append(r.Preprocessing, g.steps(steps{"keep 1h"})...)
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
			script := "r." + member + otherwise
			if member == "label" {
				script = labelScript
			}
			members = append(members, member+": "+script)
		}
		r.Preprocessing = append(r.Preprocessing, step{Type: "JAVASCRIPT",
			Parameters: []string{"return JSON.stringify(JSON.parse(value).map(function (r) { return {" + strings.Join(members, ", ") + "}; }));"}})
	}
	if s.Once == "" {
		r.Preprocessing = append(r.Preprocessing, g.steps(steps{"keep 1h"})...)
	}
	for _, kv := range s.Rows {
		member, _, _ := strings.Cut(kv[1], " or ")
		r.MacroPaths = append(r.MacroPaths, macroPath{kv[0], "$." + cmp.Or(member, "singleton")})
	}
	filters := slices.Clone(s.Filters)
	sortBy(filters, func(kv [2]string) string { return kv[0] }) // as a server counts them, in each format
	for _, kv := range filters {
		if r.Filter.EvalType == "" {
			r.Filter.EvalType = "AND"
		}
		name := "{$" + g.macroPrefix() + ".LLD.FILTER." + kv[1]
		id := len(r.Filter.Conditions)
		r.Filter.Conditions = append(r.Filter.Conditions,
			condition{Macro: kv[0], Value: name + ".MATCHES}", FormulaID: g.formulaID(id)},
			condition{Macro: kv[0], Value: name + ".NOT_MATCHES}", Operator: "NOT_MATCHES_REGEX", FormulaID: g.formulaID(id + 1)})
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
		r.Graphs = append(r.Graphs, g.graph(sg, "graph prototype", s.namePrefix()))
	}
	r.Hosts = g.hosts(s.Hosts)
	return r
}

// keepLost says what becomes of things whose row is lost.
func (g *generator) keepLost(r *rule, s sourceRule) {
	switch {
	case len(s.Hosts) > 0: // a host that is lost is disabled at once since 7.0, and deleted after its time
		r.Lifetime = "{$" + g.macroPrefix() + ".KEEP}"
	case g.format.modern():
		r.Disable = "DISABLE_NEVER" // a row that is lost may be what its triggers wait for
	}
}

// formulaID names a condition for a formula. There is none; older formats name conditions all the same.
func (g *generator) formulaID(n int) string {
	if g.format == "7.4" {
		return ""
	}
	return string(rune('A' + n))
}

// namePrefix is what the names of all that a rule makes begin with.
func (r *sourceRule) namePrefix() string {
	if r.Prefix == "" {
		return ""
	}
	return r.Prefix + ": "
}

// macroPrefix is what all macros of the template begin with.
func (s *source) macroPrefix() string {
	name, _, _ := strings.Cut(strings.TrimPrefix(s.Interval, "{$"), ".")
	return name
}
