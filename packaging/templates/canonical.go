package templates

import (
	"cmp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// canonical puts all into the order in which the frontend exports it, and leaves out what it leaves out. Then a second
// import shows no difference, and a template that was imported and exported is the same file.
func (f format) canonical(e *export) {
	sortBy(e.Groups, groupName)
	sortBy(e.NewGroups, groupName)
	sortBy(e.HostGroups, groupName)
	sortBy(e.Templates, func(t template) string { return t.Template })
	for k := range e.Templates {
		f.sortTemplate(&e.Templates[k])
	}
	sortTriggers(e.Triggers)
	sortGraphs(e.Graphs)
	leaveOut(f.presets(e))
}

func groupName(g group) string { return g.Name }

func sortBy[T any](list []T, keys ...func(T) string) {
	slices.SortStableFunc(list, func(a, b T) int {
		for _, key := range keys {
			if c := natural(key(a), key(b)); c != 0 {
				return c
			}
		}
		return 0
	})
}

func (f format) sortTemplate(t *template) {
	sortBy(t.Groups, groupName)
	f.sortItems(t.Items)
	sortBy(t.Rules, func(r *rule) string { return r.Key })
	for _, r := range t.Rules {
		f.sortItems(r.Items)
		sortTriggers(r.Triggers)
		sortGraphs(r.Graphs)
		sortHosts(r.Hosts)
		sortBy(r.MacroPaths, func(p macroPath) string { return p.Macro })
		if f == "7.4" {
			sortBy(r.Filter.Conditions, func(c condition) string { return c.Macro })
		}
	}
	sortTags(t.Tags)
	sortBy(t.Macros, func(m macro) string { return m.Macro[2 : len(m.Macro)-1] })
	sortBy(t.ValueMaps, func(m valueMap) string { return m.Name })
	sortBy(t.Dashboards, func(d dashboard) string { return d.Name })
	for _, d := range t.Dashboards {
		for _, p := range d.Pages {
			f.sortWidgets(p.Widgets)
		}
	}
}

func (f format) sortItems(items []*item) {
	sortBy(items, func(i *item) string { return i.Key })
	for _, i := range items {
		sortTags(i.Tags)
		sortTriggers(i.Triggers)
		sortTriggers(i.Prototypes)
		for k := range i.Preprocessing {
			s := &i.Preprocessing[k]
			if f == "7.4" && len(s.Parameters) == 1 && s.Parameters[0] == "" {
				s.Parameters = nil
			}
		}
	}
}

func sortTags(tags []tag) {
	sortBy(tags, func(t tag) string { return t.Tag }, func(t tag) string { return t.Value })
}

func sortTriggers(triggers []*trigger) {
	sortBy(triggers, func(t *trigger) string { return t.Name }, func(t *trigger) string { return t.Expression }, func(t *trigger) string { return t.Recovery })
	for _, t := range triggers {
		sortTags(t.Tags)
		sortBy(t.Dependencies, func(d dependency) string { return d.Name }, func(d dependency) string { return d.Expression },
			func(d dependency) string { return d.Recovery })
	}
}

func sortGraphs(graphs []graph) {
	sortBy(graphs, func(g graph) string { return g.Name }, func(g graph) string { return g.Items[0].Item.Host })
}

// sortWidgets sorts widgets and their fields. Before Zabbix 7.0 those of one name, and fields of one type, stay as they
// were imported.
func (f format) sortWidgets(widgets []widget) {
	for k := range widgets {
		w := &widgets[k]
		if w.Width == 1 {
			w.Width = 0 // what a widget is that does not say it
		}
		if w.Height == 2 {
			w.Height = 0
		}
	}
	if !f.modern() {
		sortBy(widgets, func(w widget) string { return w.Name })
		for _, w := range widgets {
			sortBy(w.Fields, func(f field) string { return fieldTypes[f.Type] })
		}
		return
	}
	slices.SortStableFunc(widgets, func(a, b widget) int {
		if a.X != b.X {
			return int(a.X - b.X)
		}
		return int(a.Y - b.Y)
	})
	for _, w := range widgets {
		sortBy(w.Fields, func(f field) string { return f.Name }, func(f field) string { return fieldTypes[f.Type] },
			func(f field) string { return f.text() })
	}
}

// fieldTypes are the numbers of the types, by which they are sorted.
var fieldTypes = map[string]string{
	"INTEGER": "0", "STRING": "1", "GROUP": "2", "HOST": "3", "ITEM": "4", "ITEM_PROTOTYPE": "5", "GRAPH": "6", "GRAPH_PROTOTYPE": "7",
}

// text is a value in one text, for comparing.
func (f *field) text() string {
	var ref hostRef
	if f.Value.Kind == yaml.MappingNode && f.Value.Decode(&ref) == nil {
		return ref.Host + "\n" + ref.Key + ref.Name
	}
	return f.Value.Value
}

// write is the text of a file.
func (f format) write(e export) ([]byte, error) {
	f.canonical(&e)
	var node yaml.Node
	if err := node.Encode(map[string]export{"zabbix_export": e}); err != nil {
		return nil, err
	}
	if !f.modern() {
		oldOrder(&node)
	}
	return dump(&node, f.modern()), nil
}

// oldOrder moves the type of an item's values behind how long they are kept, where it stands before Zabbix 6.4.
func oldOrder(node *yaml.Node) {
	for _, child := range node.Content {
		oldOrder(child)
	}
	if node.Kind != yaml.MappingNode {
		return
	}
	c := node.Content
	for k := 0; k+3 < len(c); k += 2 {
		if c[k].Value == "value_type" && c[k+2].Value == "trends" {
			c[k], c[k+1], c[k+2], c[k+3] = c[k+2], c[k+3], c[k], c[k+1]
		}
	}
}

// read is the contrary of write: what an export leaves out is there.
func (f format) read(text []byte) (export, error) {
	var root struct {
		Export export `yaml:"zabbix_export"`
	}
	dec := yaml.NewDecoder(strings.NewReader(string(text)))
	dec.KnownFields(true)
	err := dec.Decode(&root)
	fill(f.presets(&root.Export))
	for _, t := range root.Export.Templates {
		for _, d := range t.Dashboards {
			for _, p := range d.Pages {
				for k := range p.Widgets {
					w := &p.Widgets[k]
					w.Width, w.Height = cmp.Or(w.Width, 1), cmp.Or(w.Height, 2)
				}
			}
		}
	}
	return root.Export, err
}
