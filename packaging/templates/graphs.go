package templates

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

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

// columns is the width of a dashboard in the format 6.0; 7.0 triples it.
const columns = 24

func (g *generator) dashboard(s sourceDashboard) dashboard {
	d := dashboard{UUID: g.uuid("dashboard", s.Name), Name: s.Name}
	for _, sp := range s.Pages {
		p := page{Name: sp.Name}
		y := 0
		for _, row := range sp.Rows {
			left, shared := columns, 0
			for _, c := range row.Cells {
				left -= c.Width
				if c.Width == 0 {
					shared++
				}
			}
			if left < 0 || shared > 0 && left%shared != 0 {
				g.fail("%s: %d columns for %d widgets", sp.Name, left, shared)
				return d
			}
			x := 0
			for _, c := range row.Cells {
				width := c.Width
				if width == 0 {
					width = left / shared
				}
				w := g.widget(c)
				w.X, w.Y, w.Width, w.Height = cells(x), cells(y), cells(width), cells(row.Height)
				p.Widgets = append(p.Widgets, w)
				x += width
			}
			y += row.Height
		}
		d.Pages = append(d.Pages, p)
	}
	return d
}

func (g *generator) widget(c sourceCell) widget {
	number := func(name, value string) field { return makeField("INTEGER", name, value) }
	switch {
	case c.Item != "":
		// In Zabbix' own size a value of more than five letters does not fit.
		places, size, label := "0", "29", c.Label
		for _, i := range g.Items {
			if i.Key != c.Item {
				continue
			}
			if i.Unit != "" {
				places = "1"
			}
			if i.Unit == "uptime" || i.As == "word" {
				size = "22"
			}
			if label == "" {
				label = i.Name // without the template's prefix
			}
		}
		// The name stands in the tile already.
		w := widget{Type: "ITEM", Hide: "YES", Fields: []field{
			makeField("ITEM", "itemid", hostRef{Host: g.templateName, Key: c.Item}),
			// The name and the value.
			number("show", "1"), number("show", "2"),
			number("adv_conf", "1"),
			number("desc_size", "15"), number("desc_v_pos", "0"), number("desc_h_pos", "1"),
			number("value_size", size), number("decimal_size", "20"), number("units_size", "20"), number("decimal_places", places),
			makeField("STRING", "description", label),
		}}
		return w
	case c.Graph != "":
		return widget{Type: "GRAPH_CLASSIC", Fields: []field{
			number("source_type", "0"),
			makeField("GRAPH", "graphid", hostRef{Host: g.templateName, Name: g.Prefix + ": " + c.Graph}),
		}}
	case c.Graphs != "":
		wide, high, ok := strings.Cut(c.Grid, "x")
		if !ok {
			g.fail("the grid of %s is no columns x rows", c.Graphs)
		}
		return widget{Type: "GRAPH_PROTOTYPE", Fields: []field{
			number("source_type", "2"), number("columns", wide), number("rows", high),
			makeField("GRAPH_PROTOTYPE", "graphid", hostRef{Host: g.templateName, Name: c.Graphs}),
		}}
	case len(c.Text) > 0:
		var w widget
		w.Type = "PLAIN_TEXT"
		w.Name = c.Label
		for _, key := range c.Text {
			w.Fields = append(w.Fields, makeField("ITEM", "itemids", hostRef{Host: g.templateName, Key: key}))
		}
		w.Fields = append(w.Fields, number("show_lines", fmt.Sprint(5*len(c.Text))))
		return w
	}
	g.fail("a cell that shows nothing")
	return widget{}
}

func makeField(kind, name string, value any) field {
	f := field{Type: kind, Name: name}
	if err := f.Value.Encode(value); err != nil {
		panic(err) // plain structs and strings
	}
	if f.Value.Kind == yaml.ScalarNode {
		f.Value.Style = yaml.SingleQuotedStyle
	}
	return f
}
