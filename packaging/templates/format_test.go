package templates

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestExportsOfServersStay: what a server has exported is canonical: read and written it is the same bytes. The servers
// 6.0 and 7.0 hold all templates to that in test/zabbix; of 7.4 there are only exports.
func TestExportsOfServersStay(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/exported/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		f := format(strings.SplitN(filepath.Base(file), "-", 2)[0])
		require.Contains(t, Formats, f, file)
		e, err := f.read(text)
		require.NoError(t, err, file)
		for k := range e.Templates { // YAML ends a text of several lines by a line's end, and the frontend takes it off
			e.Templates[k].Description = strings.TrimSpace(e.Templates[k].Description)
			e.Templates[k].Readme = strings.TrimSpace(e.Templates[k].Readme)
		}
		got, err := f.write(e)
		require.NoError(t, err, file)
		require.Equal(t, string(text), string(got), file)
	}
}

// TestFormatsAreOneTemplate: a template is the same in all formats but for what only newer servers know.
func TestFormatsAreOneTemplate(t *testing.T) {
	t.Parallel()
	newest := map[string]*document{}
	for _, d := range load(t) {
		newest[d.Name] = d
	}
	for _, d := range loadAll(t) {
		same := newest[d.Name]
		require.NotNil(t, same, d.file)
		must := func(well bool, thing string) {
			d.must(t, well, thing, "it differs between the formats %s and %s", d.format, same.format)
		}
		require.Len(t, d.items, len(same.items), d.file)
		for k, i := range d.items {
			other := *same.items[k]
			must(i.Key == other.Key, i.Key)
			d.must(t, (i.Timeout != "") == (d.format.modern() && asks(i.Type)), i.Key, "an item that asks has a timeout since 7.0, and no other: %q", i.Timeout)
			// Triggers are compared below, and 7.4 leaves out empty parameters.
			mine := *i
			for _, one := range []*item{&mine, &other} {
				one.Timeout, one.Triggers, one.Prototypes, one.rule = "", nil, nil, nil
				one.Preprocessing = slices.Clone(one.Preprocessing)
				for n := range one.Preprocessing {
					if s := &one.Preprocessing[n]; len(s.Parameters) == 0 {
						s.Parameters = []string{""}
					}
				}
			}
			must(reflect.DeepEqual(mine, other), i.Key)
		}
		require.Len(t, d.triggers, len(same.triggers), d.file)
		for k, tr := range d.triggers {
			mine, other := *tr, *same.triggers[k]
			must((mine.rule == nil) == (other.rule == nil), tr.Name)
			mine.rule, other.rule = nil, nil
			must(reflect.DeepEqual(mine, other), tr.Name)
		}
		require.Equal(t, same.graphs, d.graphs, d.file)
		require.Len(t, d.Rules, len(same.Rules), d.file)
		for k, r := range d.Rules {
			other := same.Rules[k]
			must(r.Key == other.Key && r.Delay == other.Delay && r.Lifetime == other.Lifetime && reflect.DeepEqual(r.MacroPaths, other.MacroPaths) &&
				reflect.DeepEqual(r.Preprocessing, other.Preprocessing) && reflect.DeepEqual(withoutGroups(r.Hosts), withoutGroups(other.Hosts)), r.Key)
			d.must(t, (r.Disable == "DISABLE_NEVER") == (d.format.modern() && len(r.Hosts) == 0), r.Key,
				"what is no longer discovered must stay, with its problem, and a host must be disabled")
		}
	}
}

// withoutGroups are host prototypes without the groups that the format 6.0 leaves out.
func withoutGroups(hosts []hostPrototype) (out []hostPrototype) {
	for _, h := range hosts {
		h.Groups = nil
		out = append(out, h)
	}
	return out
}

// TestWizard: what the Host Wizard of Zabbix 7.4 wants, which older servers refuse.
func TestWizard(t *testing.T) {
	t.Parallel()
	for _, d := range loadAll(t) {
		must := func(well bool, format string, args ...any) { d.must(t, well, d.Name, format, args...) }
		ready := d.format == "7.4"
		must((d.WizardReady == "YES") == ready && (d.Readme != "") == ready, "only 7.4 has the Host Wizard")
		must((d.Vendor != vendor{}) == ready, "a version that is not ready for the wizard is counted by its banner")
		must(!ready || regexp.MustCompile(`^7\.4-\d+$`).MatchString(d.Vendor.Version), "its version must be like 7.4-1, not %q", d.Vendor.Version)
		asked := map[string]bool{}
		for _, m := range d.Macros {
			c := m.Config
			if c == nil {
				continue
			}
			must(ready, "%s: only 7.4 asks for macros", m.Macro)
			must(c.Label != "" && len(c.Label) <= 255 && len(c.Section) <= 255 && len(c.Regex) <= 255, "%s: its label must be there and short", m.Macro)
			must(!asked[c.Priority], "%s: another has the priority %s", m.Macro, c.Priority)
			asked[c.Priority] = true
			must((c.Type == "TEXT") == (len(c.Options) == 0), "%s: a choice needs options, and nothing else has any", m.Macro)
			must(c.Type == "TEXT" || c.Regex == "", "%s: only a text has a pattern", m.Macro)
			values := func(o configOption) bool { return o.Value == m.Value }
			must(c.Type != "LIST" || slices.ContainsFunc(c.Options, values), "%s: its value must be a choice", m.Macro)
			if strings.HasSuffix(m.Macro, ".CONN}") {
				must(c.Required == "YES" && regexp.MustCompile(c.Regex).MatchString(m.Value), "%s: it is required, and its value fits the pattern", m.Macro)
			}
		}
		must(!ready || len(asked) > 0, "the wizard must ask for something")
	}
}

// TestEverythingIsInOneFile: a newcomer imports once.
func TestEverythingIsInOneFile(t *testing.T) {
	t.Parallel()
	for _, f := range Formats {
		text, err := os.ReadFile(filepath.Join(string(f), everything))
		require.NoError(t, err)
		whole, err := f.read(text)
		require.NoError(t, err)
		var together export
		for _, d := range loadFormat(t, f) {
			together.add(d.export)
		}
		require.Len(t, whole.Templates, len(together.Templates))
		require.ElementsMatch(t, together.Triggers, whole.Triggers)
		require.ElementsMatch(t, together.Graphs, whole.Graphs)
		for _, one := range together.Templates {
			at := slices.IndexFunc(whole.Templates, func(o template) bool { return o.UUID == one.UUID })
			require.GreaterOrEqual(t, at, 0, one.Name)
		}
	}
}

// TestNaturalOrder: as PHP's strnatcasecmp sorts.
func TestNaturalOrder(t *testing.T) {
	t.Parallel()
	for _, ordered := range [][]string{
		{"img1", "img2", "img10", "img12"},
		{"ab", "a[b", "A_b"}, // letters are compared as capitals
		{"node.memory.max", `node.memory["x"]`},
		{"1.001", "1.002", "1.010", "1.02", "1.1", "1.3"},
		{"x 1", "x  2", "X3"},
		{"", "a", "ab"},
		{"rj.a", "rj.a.b", "RJ.B"},
	} {
		for k := 1; k < len(ordered); k++ {
			require.Negative(t, natural(ordered[k-1], ordered[k]), "%q before %q", ordered[k-1], ordered[k])
			require.Positive(t, natural(ordered[k], ordered[k-1]), "%q after %q", ordered[k], ordered[k-1])
			require.Zero(t, natural(ordered[k], strings.ToLower(ordered[k])))
		}
	}
}
