package templates

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

// grid is the width of a dashboard in the sources, in the columns of Zabbix 6.0; a modern one has three for each.
const grid = 24

func (g *generator) dashboard(s sourceDashboard) dashboard {
	d := dashboard{UUID: g.uuid("dashboard", s.Name), Name: s.Name}
	for _, sp := range s.Pages {
		p := page{Name: sp.Name}
		y := 0
		for _, row := range sp.Rows {
			if row.Only != "" && (row.Only == "modern") != g.format.modern() {
				continue
			}
			widgets, ok := g.row(sp.Name, row)
			if !ok {
				return d
			}
			for _, w := range widgets {
				w.Y = cells(y)
				w.refer(len(d.Pages), y)
				p.Widgets = append(p.Widgets, w)
			}
			y += row.Height
		}
		d.Pages = append(d.Pages, p)
	}
	return d
}

// row makes the widgets of a row, one beside the other.
func (g *generator) row(page string, row sourceRow) (out []widget, ok bool) {
	left, shared := grid, 0
	for _, c := range row.Cells {
		left -= c.Width
		if c.Width == 0 {
			shared++
		}
	}
	if left < 0 || shared > 0 && left%shared != 0 {
		g.fail("%s: %d columns for %d widgets", page, left, shared)
		return nil, false
	}
	scale := g.format.columns() / grid
	x := 0
	for _, c := range row.Cells {
		width := c.Width
		if width == 0 {
			width = left / shared
		}
		w := g.widget(c, width, row.Height)
		w.X, w.Width, w.Height = cells(x*scale), cells(width*scale), cells(row.Height)
		out = append(out, w)
		x += width
	}
	return out, true
}

// widget shows what a cell wants in the way that the format has for it.
func (g *generator) widget(c sourceCell, width, height int) widget {
	modern := g.format.modern()
	switch {
	case c.Gauge != "" && modern:
		return g.gauge(c)
	case c.Item != "", c.Gauge != "":
		return g.tile(c, width, height)
	case c.Graph != "":
		return g.classic(c)
	case len(c.Lines) > 0 && modern:
		return g.lines(c)
	case c.Graphs != "":
		return g.prototypes(c)
	case len(c.Comb) > 0 && modern:
		return g.honeycomb(c)
	case c.Text != "":
		return g.history(c)
	case len(c.Pie) > 0 && modern:
		return g.pie(c)
	case c.Problems && modern:
		return g.problems(c)
	}
	g.fail("a cell that shows nothing in the format %s: %+v", g.format, c)
	return widget{}
}

// fields are those of a widget, under the names of the format.
type fields struct {
	format format
	list   []field
}

func (f *fields) number(name string, value any) {
	f.list = append(f.list, makeField("INTEGER", name, fmt.Sprint(value)))
}

func (f *fields) text(name, value string) { f.list = append(f.list, makeField("STRING", name, value)) }

// refers is a reference to an item or a graph. Since Zabbix 7.0 it is the first of several.
func (f *fields) refers(kind, name string, ref hostRef) {
	if f.format.modern() {
		name += ".0"
	}
	f.list = append(f.list, makeField(kind, name, ref))
}

// thresholds are colors from values on. Zabbix 6.0 does not show them.
func (g *generator) thresholds(f *fields, colors ordered) {
	for n, kv := range colors {
		color := tileColors[kv[1]]
		if color == "" {
			g.fail("the color %q is unknown", kv[1])
		}
		if g.format.modern() {
			f.text(fmt.Sprintf("thresholds.%d.color", n), color)
			f.text(fmt.Sprintf("thresholds.%d.threshold", n), kv[0])
		}
	}
}

// tile is the value of an item, with its name.
func (g *generator) tile(c sourceCell, width, height int) widget {
	key := c.Item + c.Gauge
	places, size, bold, label := "0", 29, "1", c.Label
	for _, i := range g.Items {
		if i.Key != key {
			continue
		}
		if i.Unit != "" {
			places = "1"
		}
		switch {
		case width > 4 && (i.As == "word" || i.As == "text"):
			size, bold = 13, "0" // a sentence
		case i.Unit == "uptime" || i.As == "word":
			size = 18 // longer than most numbers
		}
		if label == "" {
			label = i.Name // without the template's prefix
		}
	}
	f := fields{format: g.format}
	// A size is in percent of the tile's height; those here are for a height of 2.
	percent := func(name string, of2 int) { f.number(name, of2*2/height) }
	f.refers("ITEM", "itemid", hostRef{Host: g.templateName, Key: key})
	// The name and the value.
	if g.format.modern() {
		f.number("show.0", "1")
		f.number("show.1", "2")
	} else {
		f.number("show", "1")
		f.number("show", "2")
		f.number("adv_conf", "1")
	}
	percent("desc_size", 15)
	f.number("desc_v_pos", "0")
	f.number("desc_h_pos", "1")
	percent("value_size", size)
	f.number("value_bold", bold)
	percent("decimal_size", 20)
	percent("units_size", 20)
	f.number("decimal_places", places)
	f.text("description", label)
	g.thresholds(&f, c.Colors)
	// The name stands in the tile already.
	return widget{Type: g.kind("ITEM", "item"), Hide: "YES", Fields: f.list}
}

// kind is the name of a kind of widget.
func (g *generator) kind(old, modern string) string {
	if g.format.modern() {
		return modern
	}
	return old
}

// classic is a graph. Without a name the title is the graph's, with the template's prefix.
func (g *generator) classic(c sourceCell) widget {
	f := fields{format: g.format}
	if !g.format.modern() {
		f.number("source_type", "0")
	}
	f.refers("GRAPH", "graphid", hostRef{Host: g.templateName, Name: g.graphPrefix() + c.Graph})
	return widget{Type: g.kind("GRAPH_CLASSIC", "graph"), Name: c.Graph, Fields: f.list}
}

// prototypes are the graphs of what is discovered.
func (g *generator) prototypes(c sourceCell) widget {
	wide, high, ok := strings.Cut(c.Grid, "x")
	if !ok {
		g.fail("the grid of %s is no columns x rows", c.Graphs)
	}
	f := fields{format: g.format}
	if !g.format.modern() {
		f.number("source_type", "2")
	}
	if wide != "2" || !g.format.modern() { // the default
		f.number("columns", wide)
	}
	if high != "1" || !g.format.modern() {
		f.number("rows", high)
	}
	f.refers("GRAPH_PROTOTYPE", "graphid", hostRef{Host: g.templateName, Name: c.Graphs})
	return widget{Type: g.kind("GRAPH_PROTOTYPE", "graphprototype"), Name: c.Title, Fields: f.list}
}

// refer names the widgets to which others of a dashboard may listen; the frontend gives each such a name.
func (w *widget) refer(page, row int) {
	switch w.Type {
	case "graph", "graphprototype", "svggraph", "honeycomb", "itemhistory", "problems":
	default:
		return
	}
	sum := sha256.Sum256([]byte(fmt.Sprint(page, row, w.X)))
	name := make([]byte, 5)
	for k := range name {
		name[k] = 'A' + sum[k]%26
	}
	w.Fields = append(w.Fields, makeField("STRING", "reference", string(name)))
}

func makeField(kind, name string, value any) field {
	f := field{Type: kind, Name: name}
	if err := f.Value.Encode(value); err != nil {
		panic(err) // plain structs and strings
	}
	return f
}
