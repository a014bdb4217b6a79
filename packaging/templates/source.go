package templates

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// These are the parts of a source: a template as it is written by hand, in
// short words, with everything left out that follows from the rest.
//
// In expressions //key stands for an item of the template itself. A trigger
// depends on the first of Roots without saying so. Names of items and triggers
// get the Prefix, those of prototypes begin with their entity instead, which a
// rule's own Prefix may say for all of them.
type (
	source struct {
		Name       string             `yaml:"name"`
		Group      string             `yaml:"group"`
		Prefix     string             `yaml:"prefix"`
		Tags       ordered            `yaml:"tags"`
		Interval   string             `yaml:"interval"` // of the items that ask the plugin
		Passive    bool               `yaml:"passive"`  // no active variant
		Roots      []string           `yaml:"roots"`
		About      string             `yaml:"about"`
		Picture    string             `yaml:"picture"` // of its dashboard, in docs/images
		Example    string             `yaml:"example"` // of a session's address
		Macros     []sourceMacro      `yaml:"macros"`
		Maps       map[string]ordered `yaml:"maps"`
		Items      []sourceItem       `yaml:"items"`
		Rules      []sourceRule       `yaml:"rules"`
		Triggers   []sourceTrigger    `yaml:"triggers"`
		Graphs     []sourceGraph      `yaml:"graphs"`
		Dashboards []sourceDashboard  `yaml:"dashboards"`
	}
	sourceMacro struct {
		Name  string `yaml:"name"`
		Value string `yaml:"value"`
		About string `yaml:"about"`
		Ask   ask    `yaml:"ask"` // the Host Wizard shows it
	}
	// ask is how the Host Wizard asks for a macro: by a text, a choice or a box to tick.
	ask struct {
		Label    string  `yaml:"label"`
		Section  string  `yaml:"section"`
		Required bool    `yaml:"required"`
		Regex    string  `yaml:"regex"`
		Choice   ordered `yaml:"choice"` // values and what they are called
		Tick     bool    `yaml:"tick"`   // 1 and 0
	}
	sourceItem struct {
		Key      string          `yaml:"key"`
		Name     string          `yaml:"name"`
		Asks     bool            `yaml:"asks"`    // asks the plugin itself
		Every    string          `yaml:"every"`   // how often, if not as often as the others
		Of       string          `yaml:"of"`      // key of the item it depends on; the first that asks if empty
		Formula  string          `yaml:"formula"` // of a calculated item
		As       string          `yaml:"as"`      // count, float, word, text, raw; what follows from the rest if empty
		From     steps           `yaml:"from"`
		Unit     string          `yaml:"unit"`
		Map      string          `yaml:"map"`
		Part     string          `yaml:"part"` // the tag component
		About    string          `yaml:"about"`
		Tags     ordered         `yaml:"tags"`
		Triggers []sourceTrigger `yaml:"triggers"`
	}
	sourceRule struct {
		Key      string          `yaml:"key"`
		Name     string          `yaml:"name"`
		Asks     bool            `yaml:"asks"`
		Every    string          `yaml:"every"` // how often, if not as often as the items
		Of       string          `yaml:"of"`
		From     steps           `yaml:"from"`
		Rows     ordered         `yaml:"rows"`    // macro and the member of a row that is its value, or label: see labelScript
		Once     string          `yaml:"once"`    // one row, with {#SINGLETON}, when the value is this
		Filters  ordered         `yaml:"filters"` // macro and its name in the macros that filter it
		About    string          `yaml:"about"`
		Tags     ordered         `yaml:"tags"` // of all items and triggers of the rule
		Items    []sourceItem    `yaml:"items"`
		Triggers []sourceTrigger `yaml:"triggers"`
		Graphs   []sourceGraph   `yaml:"graphs"`
		Prefix   string          `yaml:"prefix"` // of the names of its items, triggers and graphs
		Borrow   borrowing       `yaml:"borrow"` // from another source
		Hosts    []sourceHost    `yaml:"hosts"`
	}
	// sourceHost is a host for each row. It has the interfaces of the host whose rule it is.
	sourceHost struct {
		Host     string   `yaml:"host"` // technical name
		Name     string   `yaml:"name"` // visible name
		Template string   `yaml:"template"`
		Group    string   `yaml:"group"`  // that all of them are in
		Groups   []string `yaml:"groups"` // that the rows name; since Zabbix 7.0
		Macros   ordered  `yaml:"macros"`
		Tags     ordered  `yaml:"tags"`
	}
	sourceTrigger struct {
		Name  string   `yaml:"name"`
		If    string   `yaml:"if"`
		Until string   `yaml:"until"` // the recovery expression
		Stays bool     `yaml:"stays"` // until it is closed by hand
		Event string   `yaml:"event"` // what follows the name; after + without a blank, after = instead of it
		Shows string   `yaml:"shows"` // operational data
		Is    string   `yaml:"is"`    // severity and scope
		Close bool     `yaml:"close"` // may be closed by hand
		After []string `yaml:"after"` // what it depends on besides the first root
		About string   `yaml:"about"`
		Tags  ordered  `yaml:"tags"`
	}
	sourceGraph struct {
		Name    string   `yaml:"name"`
		Of      []string `yaml:"of"`
		Limits  []string `yaml:"limits"` // what the others should stay below
		Bad     []string `yaml:"bad"`    // what should be zero
		Stacked bool     `yaml:"stacked"`
		// Untriggered graphs have no lines for the thresholds of triggers.
		Untriggered bool `yaml:"untriggered"`
		Legend      bool `yaml:"legend"` // also of a single line, for the thresholds of its triggers
	}
	sourceDashboard struct {
		Name  string `yaml:"name"`
		Pages []struct {
			Name string      `yaml:"name"`
			Rows []sourceRow `yaml:"rows"`
		} `yaml:"pages"`
	}
	// sourceRow is a row of widgets of one height that share its width, but for
	// those that say theirs.
	sourceRow struct {
		Only   string       `yaml:"only"` // modern: since Zabbix 7.0; old: before
		Height int          `yaml:"height"`
		Cells  []sourceCell `yaml:"cells"`
	}
	// sourceCell is one widget. Where it has both, a modern dashboard has Gauge,
	// Lines and Comb, and an older one the tile, Graphs and Text.
	sourceCell struct {
		Item     string   `yaml:"item"`     // a tile with the value of an item
		Gauge    string   `yaml:"gauge"`    // a tile, or a gauge of a percentage
		Label    string   `yaml:"label"`    // of a tile or gauge
		Colors   ordered  `yaml:"colors"`   // from these values on, since Zabbix 7.0
		Graph    string   `yaml:"graph"`    // a graph's name
		Graphs   string   `yaml:"graphs"`   // a graph prototype's name
		Grid     string   `yaml:"grid"`     // columns x rows of Graphs
		Lines    []string `yaml:"lines"`    // patterns of items' names, each perhaps with = and a color
		Comb     []string `yaml:"comb"`     // patterns of items' names, with a cell for each item
		Text     string   `yaml:"text"`     // the last values of an item of texts
		Rows     int      `yaml:"rows"`     // how many of Text
		Pie      []string `yaml:"pie"`      // patterns of the names of items that make a whole
		Problems bool     `yaml:"problems"` // the host's
		Title    string   `yaml:"title"`
		Width    int      `yaml:"width"`
	}
)

// steps is one step of preprocessing or a list of them; see step.
type steps []string

func (s *steps) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*s = steps{node.Value}
		return nil
	}
	return node.Decode((*[]string)(s))
}

// ordered is a mapping whose order counts.
type ordered [][2]string

func (m *ordered) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: a mapping is wanted", node.Line)
	}
	for i := 0; i < len(node.Content); i += 2 {
		*m = append(*m, [2]string{node.Content[i].Value, node.Content[i+1].Value})
	}
	return nil
}

// readSource reads a source, with what it borrows of others.
func readSource(file string) (*source, error) {
	s, err := decodeSource(file)
	if err != nil {
		return nil, err
	}
	for i := range s.Rules {
		if s.Rules[i].Borrow.From == "" {
			continue
		}
		from, err := decodeSource(filepath.Join(filepath.Dir(file), s.Rules[i].Borrow.From))
		if err != nil {
			return nil, err
		}
		if err := s.borrow(&s.Rules[i], from); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return s, nil
}

// decodeSource refuses words that it does not know.
func decodeSource(file string) (*source, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	s := &source{}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(s); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return s, nil
}

// parseStep reads one step of preprocessing:
//
//	$.path           the value at that path; what has none there is discarded
//	$.path !         the same, and the item is unsupported when there is none
//	$.path ?? 0      the same, and 0 when there is none
//	rate             change per second
//	times 0.001      multiplied
//	bool             true, up, ok to 1 and false, down, err to 0
//	within 0..100    what is outside is discarded; an end may be missing
//	unless REGEXP    what matches is discarded
//	or WORD          the word in place of an empty text
//	keep 1h          equal values are kept back for that long, of words and texts
//	                 always if not "keep nothing"
//	words            the members of a JSON object, or the rows of an array, in one
//	                 line, and "none" when there are none
//	denied MACRO     words of what a permission is missing for: see deniedScript
//	table COLUMNS    rows as a table, the worst first: see tableScript
//	line COLUMNS     an object's members in one line: see lineScript
//	failures N       the first N groups of failed jobs, with class and error: see failuresScript
//	each N: EXPR     the first N rows, a line each, as JavaScript says of the row r; "none" when there are none
//	one: EXPR        what JavaScript says of the object r
//	names            the first ten of an array's texts in one line, or "none": see namesScript
//	refusing         nodes that refuse commands, as the member n: see refusingScript
//	hosts of WHAT    rows for host prototypes: see hostScripts
//	js SCRIPT        JavaScript
func parseStep(text string) (step, error) {
	word, rest, _ := strings.Cut(text, " ")
	discard := func(kind string, parameters ...string) (step, error) {
		return step{Type: kind, Parameters: parameters, Handler: "DISCARD_VALUE"}, nil
	}
	switch {
	case strings.HasPrefix(text, "$"):
		if path, ok := strings.CutSuffix(text, " !"); ok {
			return step{Type: "JSONPATH", Parameters: []string{path}}, nil
		}
		if path, value, ok := strings.Cut(text, " ?? "); ok {
			return step{Type: "JSONPATH", Parameters: []string{path}, Handler: "CUSTOM_VALUE", HandlerParams: value}, nil
		}
		return discard("JSONPATH", text)
	case text == "rate":
		return step{Type: "CHANGE_PER_SECOND", Parameters: []string{""}}, nil
	case text == "bool":
		return step{Type: "BOOL_TO_DECIMAL", Parameters: []string{""}}, nil
	case word == "times":
		return step{Type: "MULTIPLIER", Parameters: []string{rest}}, nil
	case word == "within":
		if low, high, ok := strings.Cut(rest, ".."); ok {
			return discard("IN_RANGE", low, high)
		}
	case word == "unless":
		return discard("NOT_MATCHES_REGEX", rest)
	case word == "or":
		return step{Type: "NOT_MATCHES_REGEX", Parameters: []string{"^$"}, Handler: "CUSTOM_VALUE", HandlerParams: rest}, nil
	case word == "keep":
		return step{Type: "DISCARD_UNCHANGED_HEARTBEAT", Parameters: []string{rest}}, nil
	case text == "words":
		return step{Type: "JAVASCRIPT", Parameters: []string{wordsScript}}, nil
	case word == "denied":
		return step{Type: "JAVASCRIPT", Parameters: []string{deniedScript(rest)}}, nil
	case word == "table":
		script, err := tableScript(rest)
		return step{Type: "JAVASCRIPT", Parameters: []string{script}}, err
	case word == "line":
		script, err := lineScript(rest)
		return step{Type: "JAVASCRIPT", Parameters: []string{script}}, err
	case word == "failures":
		n, err := strconv.Atoi(rest)
		return step{Type: "JAVASCRIPT", Parameters: []string{failuresScript(n)}}, err
	case word == "each":
		count, expression, _ := strings.Cut(rest, ": ")
		n, err := strconv.Atoi(count)
		return step{Type: "JAVASCRIPT", Parameters: []string{eachScript(n, expression)}}, err
	case word == "one:":
		return step{Type: "JAVASCRIPT", Parameters: []string{oneScript + rest + ";"}}, nil
	case text == "refusing":
		return step{Type: "JAVASCRIPT", Parameters: []string{refusingScript}}, nil
	case text == "names":
		return step{Type: "JAVASCRIPT", Parameters: []string{namesScript}}, nil
	case word == "hosts":
		if script, ok := hostScripts[strings.TrimPrefix(rest, "of ")]; ok {
			return step{Type: "JAVASCRIPT", Parameters: []string{script}}, nil
		}
	case word == "js":
		return step{Type: "JAVASCRIPT", Parameters: []string{rest}}, nil
	}
	return step{}, fmt.Errorf("unknown step %q", text)
}
