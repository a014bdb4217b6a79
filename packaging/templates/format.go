package templates

import "slices"

// format is an export format of Zabbix, by the version that made it. Newer servers read older formats.
type format string

// Formats are those in which the templates are written, each a folder. A server takes the newest that it knows: 6.0 up to
// 6.4, 7.0 from 7.0 to 7.2, 7.4 from then on.
var Formats = []format{"6.0", "7.0", "7.4"}

// modern: dashboards of 72 columns with all widgets, item timeouts, lifetimes of what is no longer discovered.
func (f format) modern() bool { return f != "6.0" }

// wizard: the Host Wizard offers templates that are ready for it.
func (f format) wizard() bool { return f == "7.4" }

// columns is the width of a dashboard.
func (f format) columns() int {
	if f.modern() {
		return 72
	}
	return 24
}

// preset is a field and what it is when an export leaves it out.
type preset struct {
	field *string
	value string
}

// leaveOut empties the fields that are as they are without being said; fill is its contrary.
func leaveOut(list []preset) {
	for _, p := range list {
		if *p.field == p.value {
			*p.field = ""
		}
	}
}

func fill(list []preset) {
	for _, p := range list {
		if *p.field == "" {
			*p.field = p.value
		}
	}
}

func (f format) itemPresets(i *item) []preset {
	out := []preset{{&i.Type, "ZABBIX_PASSIVE"}, {&i.ValueType, "UNSIGNED"}, {&i.History, "90d"}, {&i.Trends, "365d"}}
	if f.modern() {
		out[2].value = "31d"
	}
	if f == "7.4" { // 6.0 and 7.0 say even what follows from the type
		if i.Type == "DEPENDENT" {
			out = append(out, preset{&i.Delay, "0"})
		}
		if slices.Contains([]string{"TEXT", "CHAR", "LOG"}, i.ValueType) {
			out[3].value = "0"
		}
	}
	return out
}

func (f format) rulePresets(r *rule) []preset {
	out := []preset{{&r.Type, "ZABBIX_PASSIVE"}, {&r.Lifetime, "30d"}}
	if f.modern() {
		out[1].value = "7d"
	}
	if f == "7.4" && r.Type == "DEPENDENT" {
		out = append(out, preset{&r.Delay, "0"})
	}
	return out
}

func graphPresets(g *graph) []preset {
	out := []preset{{&g.WorkPeriod, "YES"}, {&g.Triggers, "YES"}, {&g.Type, "NORMAL"}, {&g.Legend, "YES"}}
	for k := range g.Items {
		i := &g.Items[k]
		out = append(out, preset{&i.SortOrder, "0"}, preset{&i.DrawType, "SINGLE_LINE"}, preset{&i.Side, "LEFT"})
	}
	return out
}

// presets are those of all that a template has.
func (f format) presets(e *export) (out []preset) {
	for k := range e.Templates {
		t := &e.Templates[k]
		for _, i := range t.Items {
			out = append(out, f.itemPresets(i)...)
		}
		for _, r := range t.Rules {
			out = append(out, f.rulePresets(r)...)
			for _, i := range r.Items {
				out = append(out, f.itemPresets(i)...)
			}
			for k := range r.Graphs {
				out = append(out, graphPresets(&r.Graphs[k])...)
			}
		}
	}
	for k := range e.Graphs {
		out = append(out, graphPresets(&e.Graphs[k])...)
	}
	return out
}
