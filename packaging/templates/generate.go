package templates

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

//go:generate go run ./generate

// Generate makes the templates of a folder's sources, in the export format of
// Zabbix 6.0. It returns the texts of the files by their path in that folder,
// the list of uuids among them: what has no uuid there yet gets one.
func Generate(dir string) (map[string][]byte, error) {
	ids, err := readUUIDs(filepath.Join(dir, uuidList))
	if err != nil {
		return nil, err
	}
	names, err := filepath.Glob(filepath.Join(dir, "source", "*.yaml"))
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, name := range names {
		s, err := readSource(name)
		if err != nil {
			return nil, err
		}
		for _, active := range []bool{false, true} {
			g := &generator{source: s, ids: ids, active: active, templateName: s.Name}
			file := filepath.Base(name)
			if active {
				g.templateName += " active"
				file = strings.TrimSuffix(file, ".yaml") + "_active.yaml"
			}
			text, err := g.generate()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			files[filepath.Join("6.0", file)] = text
		}
	}
	files[uuidList] = ids.text()
	return files, nil
}

// generator makes one template of a source.
type generator struct {
	*source
	ids          *uuids
	active       bool
	templateName string

	export   export
	triggers map[string]*trigger // by name
	errs     []error
}

// groups are those of Zabbix' own templates.
var groups = map[string]string{
	"Databases":    "748ad4d098d447d492bb935c907f652f",
	"Applications": "a571c0d144b14fd4a87a9d9b2aa9fcd6",
}

func (g *generator) fail(format string, args ...any) {
	g.errs = append(g.errs, fmt.Errorf(format, args...))
}

func (g *generator) uuid(kind, name string) string {
	return g.ids.of(g.templateName + ": " + kind + ": " + name)
}

func (g *generator) generate() ([]byte, error) {
	about := strings.TrimSpace(g.About)
	if g.active {
		about += "\n\nThis variant asks by active checks: the agent's ServerActive must name the Zabbix server or proxy, and its Hostname this host."
	}
	if len(g.Roots) == 0 || groups[g.Group] == "" {
		return nil, errors.New("no roots, or an unknown group")
	}
	t := template{
		UUID: g.uuid("template", g.templateName), Template: g.templateName, Name: g.templateName, Description: about,
		Groups: []group{{Name: "Templates/" + g.Group}}, Tags: g.Tags.tags(),
	}
	g.export = export{Version: "6.0", Date: "2026-11-21T00:00:00Z", Groups: []group{{UUID: groups[g.Group], Name: "Templates/" + g.Group}}}
	g.triggers = map[string]*trigger{}
	g.collectTriggers()
	for _, m := range g.Macros {
		t.Macros = append(t.Macros, macro{Macro: m.Name, Value: &m.Value, Description: m.About})
	}
	slices.SortFunc(t.Macros, func(a, b macro) int { return cmp.Compare(a.Macro, b.Macro) })
	for _, name := range sortedKeys(g.Maps) {
		m := valueMap{UUID: g.uuid("value map", name), Name: name}
		for _, kv := range g.Maps[name] {
			row := mapping{Value: kv[0], NewValue: kv[1]}
			if kv[0] == "default" {
				row = mapping{Type: "DEFAULT", NewValue: kv[1]}
			}
			m.Mappings = append(m.Mappings, row)
		}
		t.ValueMaps = append(t.ValueMaps, m)
	}
	for _, s := range g.Items {
		i := g.item(s, nil)
		for _, st := range s.Triggers {
			g.place(st, i, nil)
		}
		t.Items = append(t.Items, i)
	}
	for _, st := range g.Triggers {
		g.place(st, nil, nil)
	}
	for _, s := range g.Rules {
		t.Rules = append(t.Rules, g.rule(s))
	}
	for _, s := range g.Graphs {
		g.export.Graphs = append(g.export.Graphs, g.graph(s, "graph", g.Prefix+": "))
	}
	for _, s := range g.Dashboards {
		t.Dashboards = append(t.Dashboards, g.dashboard(s))
	}
	g.export.Templates = []template{t}
	if len(g.errs) > 0 {
		return nil, errors.Join(g.errs...)
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	err := enc.Encode(map[string]export{"zabbix_export": g.export})
	return out.Bytes(), err
}

func sortedKeys[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func (m ordered) tags() []tag {
	var out []tag
	for _, kv := range m {
		out = append(out, tag{kv[0], kv[1]})
	}
	return out
}
