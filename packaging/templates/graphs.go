package templates

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Colors of what a dashboard shows. Red is kept for what is bad.
var (
	lineColors = []string{"2774A4", "1A7C11", "6C59DC", "AC8C14", "4BA3C7", "A54F10", "8E44AD", "5F9E6E"}
	badColors  = []string{"E33734", "F68B1F", "9C1C1C", "D46A9A"}
	tileColors = map[string]string{"red": "E45959", "orange": "FFA059", "yellow": "FFC859", "green": "86CC89"}
)

const limitColor = "7F7F7F"

// graph makes a graph: bold lines over a white ground, from zero on. What is
// bad is drawn last, over the others, and the limits are dashed.
func (g *generator) graph(s sourceGraph, kind, prefix string) graph {
	out := graph{UUID: g.uuid(kind, prefix+s.Name), Name: prefix + s.Name, WorkPeriod: "NO", MinType: "FIXED"}
	if s.Stacked {
		out.Type = "STACKED"
	}
	if s.Untriggered {
		out.Triggers = "NO"
	}
	add := func(key, color, style string) {
		gi := graphItem{DrawType: style, Color: color, Item: hostRef{Host: g.templateName, Key: key}}
		if n := len(out.Items); n > 0 {
			gi.SortOrder = fmt.Sprint(n)
			if g.unit(key) != g.unit(out.Items[0].Item.Key) {
				gi.Side = "RIGHT" // an axis has one unit
			}
		}
		out.Items = append(out.Items, gi)
	}
	style := "BOLD_LINE"
	if s.Stacked {
		style = "" // filled as it is
	}
	if len(s.Of)+len(s.Limits)+len(s.Bad) == 1 && !s.Legend {
		out.Legend = "NO" // the title says it
	}
	for n, key := range s.Of {
		add(key, lineColors[n%len(lineColors)], style)
	}
	for _, key := range s.Limits {
		add(key, limitColor, "DASHED_LINE")
	}
	for n, key := range s.Bad {
		add(key, badColors[n%len(badColors)], style)
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
				w := g.widget(c, row.Height)
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

func (g *generator) widget(c sourceCell, height int) widget {
	number := func(name, value string) field { return makeField("INTEGER", name, value) }
	text := func(name, value string) field { return makeField("STRING", name, value) }
	switch {
	case c.Item != "":
		places, size, bold, label := "0", 29, "1", c.Label
		for _, i := range g.Items {
			if i.Key != c.Item {
				continue
			}
			if i.Unit != "" {
				places = "1"
			}
			switch {
			case c.Width > 4 && (i.As == "word" || i.As == "text"):
				size, bold = 13, "0" // a sentence
			case i.Unit == "uptime" || i.As == "word":
				size = 18 // longer than most numbers
			}
			if label == "" {
				label = i.Name // without the template's prefix
			}
		}
		// A size is in percent of the tile's height; those here are for a height of 2.
		percent := func(name string, of2 int) field { return number(name, strconv.Itoa(of2*2/height)) }
		// The name stands in the tile already.
		w := widget{Type: "ITEM", Hide: "YES", Fields: []field{
			makeField("ITEM", "itemid", hostRef{Host: g.templateName, Key: c.Item}),
			// The name and the value.
			number("show", "1"), number("show", "2"),
			number("adv_conf", "1"),
			percent("desc_size", 15), number("desc_v_pos", "0"), number("desc_h_pos", "1"),
			percent("value_size", size), number("value_bold", bold), percent("decimal_size", 20), percent("units_size", 20), number("decimal_places", places),
			text("description", label),
		}}
		for n, kv := range c.Colors {
			color := tileColors[kv[1]]
			if color == "" {
				g.fail("%s: the color %q is unknown", c.Item, kv[1])
			}
			// Zabbix 6.0 knows no such fields and passes over them.
			w.Fields = append(w.Fields, text(fmt.Sprint("thresholds.color.", n), color), text(fmt.Sprint("thresholds.threshold.", n), kv[0]))
		}
		return w
	case c.Graph != "":
		// Without a name the title is the graph's, with the template's prefix.
		return widget{Type: "GRAPH_CLASSIC", Name: c.Graph, Fields: []field{
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
