package templates

import (
	"fmt"
	"strings"
)

// These are the widgets that templates may have since Zabbix 7.0.

// gauge shows how much of a whole is used.
func (g *generator) gauge(c sourceCell) widget {
	f := fields{format: g.format}
	f.refers("ITEM", "itemid", hostRef{Host: g.templateName, Key: c.Gauge})
	f.text("description", c.Label)
	f.number("desc_size", 8)
	f.number("decimal_places", 0)
	f.number("value_size", 22)
	f.number("value_bold", 1)
	f.number("scale_show_units", 0)
	f.number("th_show_arc", 1)
	g.thresholds(&f, append(ordered{{"0", "green"}}, c.Colors...))
	return widget{Type: "gauge", Hide: "YES", Fields: f.list}
}

// lines is one graph of all items whose names match, each line in a shade of its set's color.
func (g *generator) lines(c sourceCell) widget {
	f := fields{format: g.format}
	for n, pattern := range c.Lines {
		set := fmt.Sprintf("ds.%d.", n)
		pattern, color, ok := strings.Cut(pattern, " = ")
		if !ok {
			color = lineColors[n%len(lineColors)]
		} else if color = tileColors[color]; color == "" {
			g.fail("a line of %s has an unknown color", pattern)
		}
		f.text(set+"color", color)
		f.text(set+"items.0", pattern)
		f.number(set+"fill", 0)
		f.number(set+"width", 2)
	}
	f.text("lefty_min", "0")
	f.number("legend_lines_mode", 1) // as many as it takes
	f.number("legend_lines", 6)
	f.number("legend_columns", 3)
	f.number("legend_statistic", 0)
	return widget{Type: "svggraph", Name: c.Title, Fields: f.list}
}

// honeycomb has a cell for each item whose name matches: what stands in its place of the pattern, colored by its value.
func (g *generator) honeycomb(c sourceCell) widget {
	f := fields{format: g.format}
	for n, pattern := range c.Comb {
		f.text(fmt.Sprint("items.", n), pattern)
	}
	name, rest, _ := strings.Cut(c.Comb[0], "*")
	f.text("primary_label", fmt.Sprintf(`{{ITEM.NAME}.regsub("^%s(.*)%s$", "\1")}`, name, rest))
	f.number("primary_label_size_type", 1)
	f.number("primary_label_size", 15)
	f.number("secondary_label_size_type", 1)
	f.number("secondary_label_size", 20)
	f.text("secondary_label", "{ITEM.LASTVALUE}")
	f.number("secondary_label_type", 0)
	g.thresholds(&f, c.Colors)
	return widget{Type: "honeycomb", Name: c.Title, Fields: f.list}
}

// pie shows what parts a whole has: the items whose names match.
func (g *generator) pie(c sourceCell) widget {
	f := fields{format: g.format}
	for n, pattern := range c.Pie {
		f.text(fmt.Sprintf("ds.%d.color", n), lineColors[n%len(lineColors)])
		f.text(fmt.Sprintf("ds.%d.items.0", n), pattern)
	}
	f.number("draw_type", 1)
	f.number("legend_lines", 4)
	f.number("legend_columns", 1)
	f.number("total_show", 1)
	f.number("units_show", 1)
	return widget{Type: "piechart", Name: c.Title, Fields: f.list}
}

// history lists the last values of a text.
func (g *generator) history(c sourceCell) widget {
	f := fields{format: g.format}
	if !g.format.modern() {
		f.refers("ITEM", "itemids", hostRef{Host: g.templateName, Key: c.Text})
		f.number("show_lines", max(c.Rows, 1))
		return widget{Type: "PLAIN_TEXT", Name: c.Title, Fields: f.list}
	}
	f.list = append(f.list, makeField("ITEM", "columns.0.itemid", hostRef{Host: g.templateName, Key: c.Text}))
	f.text("columns.0.name", c.Title)
	f.number("columns.0.monospace_font", 1) // a table
	f.number("layout", 1)
	f.number("show_lines", max(c.Rows, 1))
	f.number("show_column_header", 0)
	return widget{Type: "itemhistory", Name: c.Title, Fields: f.list}
}

// problems are the host's, with their operational data.
func (g *generator) problems(c sourceCell) widget {
	f := fields{format: g.format}
	f.number("show", 3)
	f.number("show_opdata", 2)
	f.number("sort_triggers", 1) // the most severe first
	return widget{Type: "problems", Name: c.Title, Fields: f.list}
}
