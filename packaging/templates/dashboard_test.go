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
var bad = regexp.MustCompile(`fail|error|evicted|uncovered|alone|unanswered|tilt|down|disagreements|abandoned|stuck|stalled|stale|missing|waiting$|retries|refusals|timeouts|broken`)

// widgets are the types that a template of the format 6.0 may have, each with
// the field that names what it shows.
var widgets = map[string]string{
	"GRAPH_CLASSIC": "graphid", "GRAPH_PROTOTYPE": "graphid", "ITEM": "itemid",
}

func TestGraphsAndDashboards(t *testing.T) {
	t.Parallel()
	for _, d := range load(t) {
		names, prototypes, shown := map[string]bool{}, map[string]bool{}, map[string]bool{}
		for _, g := range d.graphs {
			d.must(t, !names[g.Name] && !prototypes[g.Name], "graph "+g.Name, "another graph has the same name")
			isPrototype := !slices.ContainsFunc(d.export.Graphs, func(o graph) bool { return o.UUID == g.UUID })
			names[g.Name], prototypes[g.Name] = !isPrototype, isPrototype
			d.checkGraph(t, g, isPrototype)
		}
		d.must(t, len(d.Dashboards) > 0, d.Name, "it needs a dashboard")
		for _, b := range d.Dashboards {
			for _, p := range b.Pages {
				must := func(well bool, format string, args ...any) bool {
					return d.must(t, well, "page "+p.Name, format, args...)
				}
				must(len(p.Widgets) <= 14, "it has %d widgets: 14 are enough", len(p.Widgets))
				taken := map[[2]cells]bool{}
				for _, w := range p.Widgets {
					refField, ok := widgets[w.Type]
					must(ok, "the format 6.0 has no widget %s", w.Type)
					must(w.X+w.Width <= 24 && w.Height >= 2, "Zabbix 6.0 takes no widget beyond column 24, or lower than 2")
					if w.Type == "GRAPH_CLASSIC" {
						must(w.Name != "" && !strings.Contains(w.Name, ": "), "a graph needs a name without the template's prefix, not %q", w.Name)
					}
					for x := w.X; x < w.X+w.Width; x++ {
						for y := w.Y; y < w.Y+w.Height; y++ {
							must(!taken[[2]cells{x, y}], "widgets overlap")
							taken[[2]cells{x, y}] = true
						}
					}
					refs := 0
					for _, f := range w.Fields {
						if f.Name != refField {
							continue
						}
						refs++
						var ref hostRef
						require.NoError(t, f.Value.Decode(&ref))
						must(ref.Host == d.Name, "a widget shows something of %q", ref.Host)
						switch w.Type {
						case "GRAPH_CLASSIC":
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
			}
		}
		for name := range names {
			d.must(t, !names[name] || shown[name], "graph "+name, "no page of a dashboard shows it")
		}
	}
}

// checkGraph holds a graph to its items.
func (d *document) checkGraph(t *testing.T, g graph, isPrototype bool) {
	t.Helper()
	must := func(well bool, format string, args ...any) bool {
		return d.must(t, well, "graph "+g.Name, format, args...)
	}
	must(len(g.Items) > 0, "it shows no item")
	must(g.MinType == "FIXED", "its axis must begin at zero: another misleads")
	must(g.Legend == "" || len(g.Items) == 1, "it needs a legend: nothing tells its lines apart")
	units := map[string]string{}
	for k, gi := range g.Items {
		must(gi.Item.Host == d.Name, "it shows an item of %q", gi.Item.Host)
		i := d.byKey[gi.Item.Key]
		if !must(i != nil, "there is no item %s", gi.Item.Key) {
			continue
		}
		must(isPrototype == (i.rule != nil), "%s must be a prototype where the graph is one, and only there", i.Key)
		must(slices.Contains([]string{"UNSIGNED", "FLOAT"}, i.valueType()), "%s is no number", i.Key)
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

// TestTilesGetTheirColors: fields of newer versions, which turn thresholds.color.0
// into thresholds.0.color and read both of a pair.
func TestTilesGetTheirColors(t *testing.T) {
	t.Parallel()
	colored := 0
	for _, d := range load(t) {
		for _, b := range d.Dashboards {
			for _, p := range b.Pages {
				for _, w := range p.Widgets {
					var colors, from []string
					for _, f := range w.Fields {
						if regexp.MustCompile(`^thresholds\.color\.\d$`).MatchString(f.Name) {
							d.must(t, color.MatchString(f.Value.Value), "page "+p.Name, "%q is no color", f.Value.Value)
							colors = append(colors, f.Value.Value)
						}
						if regexp.MustCompile(`^thresholds\.threshold\.\d$`).MatchString(f.Name) {
							from = append(from, f.Value.Value)
						}
					}
					sorted := slices.IsSortedFunc(from, func(a, b string) int { return cmp.Compare(atoi(t, a), atoi(t, b)) })
					d.must(t, sorted && len(from) == len(colors), "page "+p.Name, "each color needs a threshold, in order: %v, %v", colors, from)
					colored += len(colors)
				}
			}
		}
	}
	require.Positive(t, colored)
}
