package templates

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// These are the parts of Zabbix's export format 6.0 that the templates use.
// Decoding refuses any other, those of newer formats above all.
type (
	export struct {
		Version   string     `yaml:"version"`
		Date      string     `yaml:"date"`
		Groups    []group    `yaml:"groups"`
		Templates []template `yaml:"templates"`
		Triggers  []*trigger `yaml:"triggers"`
		Graphs    []graph    `yaml:"graphs"`
	}
	group struct {
		UUID string `yaml:"uuid"`
		Name string `yaml:"name"`
	}
	template struct {
		UUID        string      `yaml:"uuid"`
		Template    string      `yaml:"template"`
		Name        string      `yaml:"name"`
		Description string      `yaml:"description"`
		Groups      []group     `yaml:"groups"`
		Items       []*item     `yaml:"items"`
		Rules       []*rule     `yaml:"discovery_rules"`
		Tags        []tag       `yaml:"tags"`
		Macros      []macro     `yaml:"macros"`
		Dashboards  []dashboard `yaml:"dashboards"`
		ValueMaps   []valueMap  `yaml:"valuemaps"`
	}
	item struct {
		UUID          string     `yaml:"uuid"`
		Name          string     `yaml:"name"`
		Type          string     `yaml:"type"`
		Key           string     `yaml:"key"`
		Delay         string     `yaml:"delay"`
		History       string     `yaml:"history"`
		Trends        string     `yaml:"trends"`
		ValueType     string     `yaml:"value_type"`
		Units         string     `yaml:"units"`
		Params        string     `yaml:"params"`
		Description   string     `yaml:"description"`
		ValueMap      nameRef    `yaml:"valuemap"`
		Preprocessing []step     `yaml:"preprocessing"`
		MasterItem    keyRef     `yaml:"master_item"`
		Tags          []tag      `yaml:"tags"`
		Triggers      []*trigger `yaml:"triggers"`
		Prototypes    []*trigger `yaml:"trigger_prototypes"`

		rule *rule // of a prototype
	}
	rule struct {
		UUID          string      `yaml:"uuid"`
		Name          string      `yaml:"name"`
		Type          string      `yaml:"type"`
		Key           string      `yaml:"key"`
		Delay         string      `yaml:"delay"`
		Filter        filter      `yaml:"filter"`
		Lifetime      string      `yaml:"lifetime"`
		Description   string      `yaml:"description"`
		Items         []*item     `yaml:"item_prototypes"`
		Triggers      []*trigger  `yaml:"trigger_prototypes"`
		Graphs        []graph     `yaml:"graph_prototypes"`
		MasterItem    keyRef      `yaml:"master_item"`
		MacroPaths    []macroPath `yaml:"lld_macro_paths"`
		Preprocessing []step      `yaml:"preprocessing"`
	}
	filter struct {
		EvalType   string      `yaml:"evaltype"`
		Conditions []condition `yaml:"conditions"`
	}
	condition struct {
		Macro     string `yaml:"macro"`
		Value     string `yaml:"value"`
		Operator  string `yaml:"operator"`
		FormulaID string `yaml:"formulaid"`
	}
	macroPath struct {
		Macro string `yaml:"lld_macro"`
		Path  string `yaml:"path"`
	}
	step struct {
		Type          string   `yaml:"type"`
		Parameters    []string `yaml:"parameters"`
		Handler       string   `yaml:"error_handler"`
		HandlerParams string   `yaml:"error_handler_params"`
	}
	trigger struct {
		UUID         string       `yaml:"uuid"`
		Expression   string       `yaml:"expression"`
		RecoveryMode string       `yaml:"recovery_mode"`
		Recovery     string       `yaml:"recovery_expression"`
		Name         string       `yaml:"name"`
		EventName    string       `yaml:"event_name"`
		OpData       string       `yaml:"opdata"`
		Priority     string       `yaml:"priority"`
		Description  string       `yaml:"description"`
		ManualClose  string       `yaml:"manual_close"`
		Dependencies []dependency `yaml:"dependencies"`
		Tags         []tag        `yaml:"tags"`

		rule *rule // of a prototype
	}
	dependency struct {
		Name       string `yaml:"name"`
		Expression string `yaml:"expression"`
		Recovery   string `yaml:"recovery_expression"`
	}
	graph struct {
		UUID  string      `yaml:"uuid"`
		Name  string      `yaml:"name"`
		Type  string      `yaml:"type"`
		Items []graphItem `yaml:"graph_items"`
	}
	graphItem struct {
		SortOrder string  `yaml:"sortorder"`
		Color     string  `yaml:"color"`
		Item      hostRef `yaml:"item"`
	}
	dashboard struct {
		UUID  string `yaml:"uuid"`
		Name  string `yaml:"name"`
		Pages []struct {
			Name    string   `yaml:"name"`
			Widgets []widget `yaml:"widgets"`
		} `yaml:"pages"`
	}
	widget struct {
		Type   string  `yaml:"type"`
		X      cells   `yaml:"x"`
		Y      cells   `yaml:"y"`
		Width  cells   `yaml:"width"`
		Height cells   `yaml:"height"`
		Fields []field `yaml:"fields"`
	}
	field struct {
		Type  string    `yaml:"type"`
		Name  string    `yaml:"name"`
		Value yaml.Node `yaml:"value"`
	}
	hostRef struct {
		Host string `yaml:"host"`
		Key  string `yaml:"key"`
		Name string `yaml:"name"`
	}
	keyRef struct {
		Key string `yaml:"key"`
	}
	nameRef struct {
		Name string `yaml:"name"`
	}
	tag struct {
		Tag   string `yaml:"tag"`
		Value string `yaml:"value"`
	}
	macro struct {
		Macro       string  `yaml:"macro"`
		Type        string  `yaml:"type"`
		Value       *string `yaml:"value"`
		Description string  `yaml:"description"`
	}
	valueMap struct {
		UUID     string `yaml:"uuid"`
		Name     string `yaml:"name"`
		Mappings []struct {
			Type     string `yaml:"type"`
			Value    string `yaml:"value"`
			NewValue string `yaml:"newvalue"`
		} `yaml:"mappings"`
	}
)

// cells is a number on a dashboard's grid; the format has it as a text.
type cells int

func (c *cells) UnmarshalYAML(node *yaml.Node) error {
	n, err := strconv.Atoi(node.Value)
	*c = cells(n)
	return err
}

// document is one file with its one template, looked up in several ways.
type document struct {
	file string
	text string
	export
	template
	items    []*item // prototypes included
	triggers []*trigger
	graphs   []graph
	byKey    map[string]*item
}

// load reads all templates.
func load(t *testing.T) []*document {
	t.Helper()
	files, err := filepath.Glob("6.0/*.yaml")
	require.NoError(t, err)
	require.Len(t, files, 3)
	var docs []*document
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		docs = append(docs, parse(t, file, text))
	}
	return docs
}

func parse(t *testing.T, file string, text []byte) *document {
	t.Helper()
	var root struct {
		Export export `yaml:"zabbix_export"`
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	require.NoError(t, dec.Decode(&root), file)
	require.Len(t, root.Export.Templates, 1, file)
	d := &document{file: file, text: string(text), export: root.Export, template: root.Export.Templates[0], byKey: map[string]*item{}}
	add := func(r *rule, items []*item) {
		for _, i := range items {
			i.rule = r
			d.items = append(d.items, i)
			require.NotContains(t, d.byKey, i.Key, file)
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

// itemType is the type with the format's default.
func itemType(s string) string {
	if s == "" {
		return "ZABBIX_PASSIVE"
	}
	return s
}

// valueType is the type of values with the format's default.
func (i *item) valueType() string {
	if i.ValueType == "" {
		return "UNSIGNED"
	}
	return i.ValueType
}

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
