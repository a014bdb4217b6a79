package templates

import (
	"cmp"
	"regexp"
	"slices"
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
			require.False(t, names[g.Name] || prototypes[g.Name], g.Name)
			isPrototype := !slices.ContainsFunc(d.export.Graphs, func(o graph) bool { return o.UUID == g.UUID })
			names[g.Name], prototypes[g.Name] = !isPrototype, isPrototype
			require.NotEmpty(t, g.Items)
			require.Equal(t, "FIXED", g.MinType, "%s: what does not start at zero misleads", g.Name)
			require.True(t, g.Legend == "" || len(g.Items) == 1, "%s: nothing tells the lines", g.Name)
			units := map[string]string{}
			for k, gi := range g.Items {
				require.Equal(t, d.Name, gi.Item.Host)
				i := d.byKey[gi.Item.Key]
				require.NotNil(t, i, "%s shows %s, which does not exist", g.Name, gi.Item.Key)
				require.Equal(t, isPrototype, i.rule != nil, g.Name)
				require.Contains(t, []string{"UNSIGNED", "FLOAT"}, i.valueType(), g.Name)
				require.Regexp(t, `^[0-9A-F]{6}$`, gi.Color)
				require.Equal(t, k, atoi(t, gi.SortOrder))
				side, other := cmp.Or(gi.Side, "LEFT"), i.Units
				if unit, ok := units[side]; ok {
					require.Equal(t, unit, other, "%s: two units on one axis", g.Name)
				}
				units[side] = other
				if slices.Contains(badColors, gi.Color) {
					require.Regexp(t, bad, gi.Item.Key, "%s: a color of what is bad", g.Name)
				}
			}
		}
		require.NotEmpty(t, d.Dashboards, d.file)
		for _, b := range d.Dashboards {
			for _, p := range b.Pages {
				require.LessOrEqual(t, len(p.Widgets), 14, p.Name)
				taken := map[[2]cells]bool{}
				for _, w := range p.Widgets {
					refField, ok := widgets[w.Type]
					require.True(t, ok, "%s: no widget of format 6.0", w.Type)
					require.LessOrEqual(t, int(w.X+w.Width), 24, p.Name)
					require.GreaterOrEqual(t, int(w.Height), 2, "%s: Zabbix 6.0 takes nothing lower", p.Name)
					if w.Type == "GRAPH_CLASSIC" {
						require.NotEmpty(t, w.Name, p.Name)
						require.NotContains(t, w.Name, ": ", "%s: the template's prefix", p.Name)
					}
					for x := w.X; x < w.X+w.Width; x++ {
						for y := w.Y; y < w.Y+w.Height; y++ {
							require.False(t, taken[[2]cells{x, y}], "%s: widgets overlap at %d, %d", p.Name, x, y)
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
						require.Equal(t, d.Name, ref.Host)
						switch w.Type {
						case "GRAPH_CLASSIC":
							require.True(t, names[ref.Name], "no graph %q", ref.Name)
							shown[ref.Name] = true
						case "GRAPH_PROTOTYPE":
							require.True(t, prototypes[ref.Name], "no graph prototype %q", ref.Name)
						default:
							i := d.byKey[ref.Key]
							require.True(t, i != nil && i.rule == nil, "no item %q", ref.Key)
							require.NotEqual(t, "0", i.History, ref.Key)
						}
					}
					require.Positive(t, refs, p.Name)
				}
			}
		}
		for name := range names {
			require.True(t, !names[name] || shown[name], "no page shows the graph %q", name)
		}
	}
}

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
							require.Regexp(t, `^[0-9A-F]{6}$`, f.Value.Value)
							colors = append(colors, f.Value.Value)
						}
						if regexp.MustCompile(`^thresholds\.threshold\.\d$`).MatchString(f.Name) {
							from = append(from, f.Value.Value)
						}
					}
					require.Len(t, from, len(colors))
					require.True(t, slices.IsSortedFunc(from, func(a, b string) int { return cmp.Compare(atoi(t, a), atoi(t, b)) }))
					colored += len(colors)
				}
			}
		}
	}
	require.Positive(t, colored)
}
