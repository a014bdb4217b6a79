package templates

import "fmt"

// Colors of what a dashboard shows. Red is kept for what is bad.
var (
	lineColors = []string{"2774A4", "1A7C11", "6C59DC", "AC8C14", "4BA3C7", "A54F10", "8E44AD", "5F9E6E"}
	badColors  = []string{"E33734", "F68B1F", "9C1C1C", "D46A9A"}
	tileColors = map[string]string{"red": "E45959", "orange": "FFA059", "yellow": "FFC859", "green": "86CC89"}
)

const limitColor = "7F7F7F"

// graphPrefix is what the names of all graphs begin with. A host has each name once: "Redis: Memory" is a graph of Zabbix'
// own template, which a host may have beside this one, or may have had.
func (s *source) graphPrefix() string { return s.Name + ": " }

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
