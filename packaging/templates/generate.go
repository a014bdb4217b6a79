package templates

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

//go:generate go run ./generate

// Generate makes the templates of a folder's sources, in all formats. It returns
// the texts of the files by their path in that folder, the list of uuids among
// them: what has no uuid there yet gets one.
func Generate(dir string) (map[string][]byte, error) {
	ids, err := readUUIDs(filepath.Join(dir, uuidList))
	if err != nil {
		return nil, err
	}
	names, err := filepath.Glob(filepath.Join(dir, "source", "*.yaml"))
	if err != nil {
		return nil, err
	}
	var sources []*source
	for _, name := range names {
		s, err := readSource(name)
		if err != nil {
			return nil, err
		}
		sources = append(sources, s)
	}
	files := map[string][]byte{}
	for _, f := range Formats {
		whole := f.export()
		for k, s := range sources {
			for _, active := range []bool{false, true} {
				if active && s.Passive {
					continue
				}
				g := &generator{source: s, ids: ids, format: f, active: active, templateName: s.Name}
				file := filepath.Base(names[k])
				if active {
					g.templateName += " active"
					file = strings.TrimSuffix(file, ".yaml") + "_active.yaml"
				}
				e, err := g.generate()
				if err != nil {
					return nil, fmt.Errorf("%s: %w", names[k], err)
				}
				whole.add(e)
				if files[filepath.Join(string(f), file)], err = f.write(e); err != nil {
					return nil, err
				}
			}
		}
		if files[filepath.Join(string(f), everything)], err = f.write(whole); err != nil {
			return nil, err
		}
	}
	if gone := ids.unused(); len(gone) > 0 {
		return nil, fmt.Errorf("%s: these are no more: write their new names there, which keeps their history, or delete the lines:\n%s", uuidList, strings.Join(gone, "\n"))
	}
	files[uuidList] = ids.text()
	return files, nil
}

// everything is the file of a format that has all its templates, for those who import once.
const everything = "all_templates.yaml"

// export is an empty one.
func (f format) export() export {
	e := export{Version: string(f)}
	if !f.modern() {
		e.Date = "2026-11-21T00:00:00Z" // the format has one, which nobody reads
	}
	return e
}

// add puts what is in another export into this one.
func (e *export) add(other export) {
	join := func(mine, theirs []group) []group {
		for _, g := range theirs {
			if !slices.Contains(mine, g) {
				mine = append(mine, g)
			}
		}
		return mine
	}
	e.Groups, e.NewGroups, e.HostGroups = join(e.Groups, other.Groups), join(e.NewGroups, other.NewGroups), join(e.HostGroups, other.HostGroups)
	e.Templates = append(e.Templates, other.Templates...)
	e.Triggers = append(e.Triggers, other.Triggers...)
	e.Graphs = append(e.Graphs, other.Graphs...)
}

// generator makes one template of a source.
type generator struct {
	*source
	ids          *uuids
	format       format
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

func (g *generator) generate() (export, error) {
	about := strings.TrimSpace(g.About)
	if g.active {
		about += "\n\nThis variant asks by active checks: the agent's ServerActive must name the Zabbix server or proxy, and its Hostname this host."
	}
	if len(g.Roots) == 0 || groups[g.Group] == "" {
		return export{}, errors.New("no roots, or an unknown group")
	}
	t := template{
		UUID: g.uuid("template", g.templateName), Template: g.templateName, Name: g.templateName, Description: about,
		Groups: []group{{Name: "Templates/" + g.Group}}, Tags: g.Tags.tags(),
	}
	g.export = g.format.export()
	group := []group{{UUID: groups[g.Group], Name: "Templates/" + g.Group}}
	if g.format.modern() {
		g.export.NewGroups = group
	} else {
		g.export.Groups = group
	}
	g.triggers = map[string]*trigger{}
	g.collectTriggers()
	t.Macros = g.macros()
	if g.format.wizard() {
		t.WizardReady, t.Readme, t.Vendor = "YES", g.readme(), vendor{"RedisJobs", string(g.format) + "-" + revision}
	}
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
		g.export.Graphs = append(g.export.Graphs, g.graph(s, "graph", g.graphPrefix()))
	}
	for _, s := range g.Dashboards {
		t.Dashboards = append(t.Dashboards, g.dashboard(s))
	}
	g.export.Templates = []template{t}
	return g.export, errors.Join(g.errs...)
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
