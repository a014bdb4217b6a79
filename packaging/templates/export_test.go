package templates

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// document is one file with its one template, looked up in several ways.
type document struct {
	file   string
	text   string
	format format
	export
	template
	items    []*item // prototypes included
	triggers []*trigger
	graphs   []graph
	byKey    map[string]*item
}

// load reads all templates in the newest format. TestFormatsAreOneTemplate holds the others to it.
func load(t *testing.T) []*document {
	t.Helper()
	return loadFormat(t, Formats[len(Formats)-1])
}

// loadAll reads all templates in all formats.
func loadAll(t *testing.T) (docs []*document) {
	t.Helper()
	for _, f := range Formats {
		docs = append(docs, loadFormat(t, f)...)
	}
	return docs
}

// loadFormat reads all templates in one format.
func loadFormat(t *testing.T, f format) (docs []*document) {
	t.Helper()
	files, err := filepath.Glob(string(f) + "/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		if filepath.Base(file) == everything {
			continue
		}
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		docs = append(docs, parse(t, f, file, text))
	}
	return docs
}

func parse(t *testing.T, f format, file string, text []byte) *document {
	t.Helper()
	e, err := f.read(text)
	require.NoError(t, err, file)
	require.Len(t, e.Templates, 1, file)
	d := &document{file: file, text: string(text), format: f, export: e, template: e.Templates[0], byKey: map[string]*item{}}
	add := func(r *rule, items []*item) {
		for _, i := range items {
			i.rule = r
			d.items = append(d.items, i)
			d.must(t, d.byKey[i.Key] == nil, i.Key, "another item has the same key")
			d.byKey[i.Key] = i
			for _, tr := range append(i.Triggers, i.Prototypes...) {
				tr.rule = r
				d.triggers = append(d.triggers, tr)
			}
		}
	}
	add(nil, d.template.Items)
	d.triggers = append(d.triggers, d.export.Triggers...)
	d.graphs = append(d.graphs, d.export.Graphs...)
	for _, r := range d.Rules {
		add(r, r.Items)
		for _, tr := range r.Triggers {
			tr.rule = r
			d.triggers = append(d.triggers, tr)
		}
		d.graphs = append(d.graphs, r.Graphs...)
	}
	return d
}

// base is the name of the template without the variant.
func (d *document) base() string { return strings.TrimSuffix(d.Name, " active") }

func (d *document) active() bool { return d.base() != d.Name }

// asks: the item or rule asks the plugin itself.
func asks(kind string) bool { return kind == "ZABBIX_PASSIVE" || kind == "ZABBIX_ACTIVE" }

// heartbeat is how long the item may keep equal values back; 0 when it does not.
func heartbeat(steps []step) time.Duration {
	for _, s := range steps {
		if s.Type == "DISCARD_UNCHANGED_HEARTBEAT" {
			d, _ := duration(s.Parameters[0])
			return d
		}
	}
	return 0
}

// suffixes of numbers in Zabbix.
var suffixes = map[byte]float64{
	's': 1, 'm': 60, 'h': 3600, 'd': 86400, 'w': 604800,
	'K': 1 << 10, 'M': 1 << 20, 'G': 1 << 30, 'T': 1 << 40,
}

// number reads a number with one of Zabbix's suffixes.
func number(s string) (float64, bool) {
	factor := 1.0
	if s != "" {
		if f, ok := suffixes[s[len(s)-1]]; ok {
			factor, s = f, s[:len(s)-1]
		}
	}
	n, err := strconv.ParseFloat(s, 64)
	return n * factor, err == nil && !strings.ContainsAny(s, "xXpP_iInN")
}

// duration reads a number of seconds with a suffix.
func duration(s string) (time.Duration, bool) {
	n, ok := number(s)
	return time.Duration(n * float64(time.Second)), ok
}
