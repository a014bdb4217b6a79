package templates

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// bad are items that should be zero.
var bad = regexp.MustCompile(`fail|error|evicted|uncovered|alone|unanswered|tilt|down|disagreements|abandoned|stuck|stalled|stale|missing|waiting$|retries|refusals|timeouts|broken|streams\.(unread|dead)|strangers`)

// widgets are the types that a template may have, each with the fields that name what it shows: an item, a graph, or
// a pattern of items' names.
var widgets = map[bool]map[string]*regexp.Regexp{
	false: {
		"GRAPH_CLASSIC": regexp.MustCompile(`^graphid$`), "GRAPH_PROTOTYPE": regexp.MustCompile(`^graphid$`),
		"ITEM": regexp.MustCompile(`^itemid$`), "PLAIN_TEXT": regexp.MustCompile(`^itemids$`),
	},
	true: { // since Zabbix 7.0
		"graph": regexp.MustCompile(`^graphid\.0$`), "graphprototype": regexp.MustCompile(`^graphid\.0$`),
		"item": regexp.MustCompile(`^itemid\.0$`), "gauge": regexp.MustCompile(`^itemid\.0$`),
		"itemhistory": regexp.MustCompile(`^columns\.\d\.itemid$`), "piechart": regexp.MustCompile(`^ds\.\d\.items\.\d$`),
		"svggraph": regexp.MustCompile(`^ds\.\d\.items\.\d$`), "honeycomb": regexp.MustCompile(`^items\.\d$`), "problems": regexp.MustCompile(`^show$`),
	},
}

func TestGraphsAndDashboards(t *testing.T) {
	t.Parallel()
	for _, d := range loadAll(t) {
		names, prototypes, shown := map[string]bool{}, map[string]bool{}, map[string]bool{}
		for _, g := range d.graphs {
			d.must(t, !names[g.Name] && !prototypes[g.Name], "graph "+g.Name, "another graph has the same name")
			isPrototype := !slices.ContainsFunc(d.export.Graphs, func(o graph) bool { return o.UUID == g.UUID })
			names[g.Name], prototypes[g.Name] = !isPrototype, isPrototype
			d.checkGraph(t, g, isPrototype)
		}
		d.must(t, len(d.Dashboards) > 0, d.Name, "it needs a dashboard")
		references := map[string]bool{}
		for _, b := range d.Dashboards {
			for _, p := range b.Pages {
				d.must(t, len(p.Widgets) <= 15, "page "+p.Name, "it has %d widgets: 15 are enough", len(p.Widgets))
				taken := map[[2]cells]bool{}
				for _, w := range p.Widgets {
					for x := w.X; x < w.X+w.Width; x++ {
						for y := w.Y; y < w.Y+w.Height; y++ {
							d.must(t, !taken[[2]cells{x, y}], "page "+p.Name, "widgets overlap")
							taken[[2]cells{x, y}] = true
						}
					}
					d.checkWidget(t, p.Name, w, names, prototypes, shown)
					for _, f := range w.Fields {
						if f.Name == "reference" {
							d.must(t, !references[f.Value.Value], "page "+p.Name, "two widgets have the reference %s", f.Value.Value)
							references[f.Value.Value] = true
						}
					}
				}
			}
		}
		for name := range names {
			// A modern dashboard may have something better than the graph.
			d.must(t, !names[name] || shown[name] || d.format.modern(), "graph "+name, "no page of a dashboard shows it")
		}
	}
}

// checkWidget: what a widget shows is there.
func (d *document) checkWidget(t *testing.T, page string, w widget, names, prototypes, shown map[string]bool) {
	t.Helper()
	must := func(well bool, format string, args ...any) bool {
		return d.must(t, well, "page "+page, format, args...)
	}
	refField, ok := widgets[d.format.modern()][w.Type]
	if !must(ok, "the format %s has no widget %s, or the test does not know it", d.format, w.Type) {
		return
	}
	must(int(w.X+w.Width) <= d.format.columns() && w.Height >= 2, "a dashboard has %d columns, and rows of 2 at least", d.format.columns())
	if w.Type == "GRAPH_CLASSIC" || w.Type == "graph" {
		must(w.Name != "" && !strings.Contains(w.Name, ": "), "a graph needs a name without the template's prefix, not %q", w.Name)
	}
	must(w.Name != "" || w.Hide == "YES" || strings.EqualFold(strings.ReplaceAll(w.Type, "_", ""), "graphprototype"), "a %s needs a title", w.Type)
	refs := 0
	for _, f := range w.Fields {
		if !refField.MatchString(f.Name) {
			continue
		}
		refs++
		if f.Type == "STRING" {
			pattern := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(f.Value.Value), `\*`, ".*") + "$")
			is := func(i *item) bool { return pattern.MatchString(i.Name) && i.History != "0" }
			must(slices.ContainsFunc(d.items, is), "no item that keeps a history is called like %q", f.Value.Value)
			continue
		}
		if f.Type == "INTEGER" {
			continue // of the host's problems
		}
		var ref hostRef
		require.NoError(t, f.Value.Decode(&ref))
		must(ref.Host == d.Name, "a widget shows something of %q", ref.Host)
		switch f.Type {
		case "GRAPH":
			must(names[ref.Name], "there is no graph %q", ref.Name)
			shown[ref.Name] = true
		case "GRAPH_PROTOTYPE":
			must(prototypes[ref.Name], "there is no graph prototype %q", ref.Name)
		default:
			i := d.byKey[ref.Key]
			if must(i != nil && i.rule == nil, "there is no item %q", ref.Key) {
				must(i.History != "0", "the item %s keeps no history", ref.Key)
			}
		}
	}
	must(refs > 0, "a widget shows nothing")
}

// checkGraph holds a graph to its items.
func (d *document) checkGraph(t *testing.T, g graph, isPrototype bool) {
	t.Helper()
	must := func(well bool, format string, args ...any) bool {
		return d.must(t, well, "graph "+g.Name, format, args...)
	}
	must(len(g.Items) > 0, "it shows no item")
	must(!isPrototype || lldMacro.MatchString(g.Name), "a graph prototype needs a macro in its name, {#SINGLETON} at least: a graph cannot have the name of its own prototype")
	must(g.MinType == "FIXED", "its axis must begin at zero: another misleads")
	must(g.Legend == "YES" || len(g.Items) == 1, "it needs a legend: nothing tells its lines apart")
	units := map[string]string{}
	for k, gi := range g.Items {
		must(gi.Item.Host == d.Name, "it shows an item of %q", gi.Item.Host)
		i := d.byKey[gi.Item.Key]
		if !must(i != nil, "there is no item %s", gi.Item.Key) {
			continue
		}
		must(isPrototype == (i.rule != nil), "%s must be a prototype where the graph is one, and only there", i.Key)
		must(slices.Contains([]string{"UNSIGNED", "FLOAT"}, i.ValueType), "%s is no number", i.Key)
		must(color.MatchString(gi.Color) && atoi(t, gi.SortOrder) == k, "the color or order of %s is wrong: %s, %s", i.Key, gi.Color, gi.SortOrder)
		side := cmp.Or(gi.Side, "LEFT")
		if unit, ok := units[side]; ok {
			must(unit == i.Units, "one axis has two units: %q and %q", unit, i.Units)
		}
		units[side] = i.Units
		must(!slices.Contains(badColors, gi.Color) || bad.MatchString(gi.Item.Key), "%s has a color that is for faults only", i.Key)
	}
}

var color = regexp.MustCompile(`^[0-9A-F]{6}$`)

// TestWidgetsGetTheirColors: each color has a threshold, in order. Zabbix 6.0 has none.
func TestWidgetsGetTheirColors(t *testing.T) {
	t.Parallel()
	colored := map[format]int{}
	for _, d := range loadAll(t) {
		for _, b := range d.Dashboards {
			for _, p := range b.Pages {
				for _, w := range p.Widgets {
					var colors, from []string
					for _, f := range w.Fields {
						if regexp.MustCompile(`^thresholds\.\d\.color$`).MatchString(f.Name) {
							d.must(t, color.MatchString(f.Value.Value), "page "+p.Name, "%q is no color", f.Value.Value)
							colors = append(colors, f.Value.Value)
						}
						if regexp.MustCompile(`^thresholds\.\d\.threshold$`).MatchString(f.Name) {
							from = append(from, f.Value.Value)
						}
					}
					sorted := slices.IsSortedFunc(from, func(a, b string) int {
						x, _ := number(a)
						y, _ := number(b)
						return cmp.Compare(x, y)
					})
					d.must(t, sorted && len(from) == len(colors), "page "+p.Name, "each color needs a threshold, in order: %v, %v", colors, from)
					colored[d.format] += len(colors)
				}
			}
		}
	}
	require.Zero(t, colored["6.0"])
	require.Positive(t, colored["7.0"])
	require.Equal(t, colored["7.0"], colored["7.4"])
}
