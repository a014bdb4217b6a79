package templates

import (
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// dumper writes YAML as Zabbix's frontend does, so that a file and the export of what was imported from it are the same
// bytes. The frontend uses Symfony's Dumper.
type dumper struct {
	out strings.Builder
	// compact writes a mapping of a list beside its dash, as since Zabbix 6.4.
	compact bool
}

// dump writes a tree of mappings, lists and texts.
func dump(node *yaml.Node, compact bool) []byte {
	d := &dumper{compact: compact}
	d.block(node, 0, false)
	return []byte(d.out.String())
}

const indentation = 2

// block writes a mapping or a list; the first line of one that is inside a line already has no indent.
func (d *dumper) block(node *yaml.Node, indent int, inside bool) {
	prefix := strings.Repeat(" ", indent)
	mapping := node.Kind == yaml.MappingNode
	step := 1
	if mapping {
		step = 2
	}
	for i := 0; i < len(node.Content); i += step {
		if !inside || i > 0 {
			d.out.WriteString(prefix)
		}
		value := node.Content[i+step-1]
		if mapping {
			d.out.WriteString(quote(node.Content[i].Value) + ":")
		} else {
			d.out.WriteString("-")
		}
		switch {
		case value.Kind == yaml.ScalarNode && strings.Contains(value.Value, "\n"):
			d.literal(value.Value, prefix)
		case value.Kind == yaml.ScalarNode:
			d.out.WriteString(" " + quote(value.Value) + "\n")
		case len(value.Content) == 0:
			d.out.WriteString(" {  }\n")
		case !mapping && d.compact:
			d.out.WriteString(" ")
			d.block(value, indent+indentation, true)
		default:
			d.out.WriteString("\n")
			d.block(value, indent+indentation, false)
		}
	}
}

// literal writes a text of several lines.
func (d *dumper) literal(text, prefix string) {
	d.out.WriteString(" |")
	if strings.HasPrefix(text, " ") {
		d.out.WriteByte('0' + indentation)
	}
	d.out.WriteString("\n")
	for row := range strings.SplitSeq(text, "\n") {
		d.out.WriteString(prefix + strings.Repeat(" ", indentation) + row + "\n")
	}
}

var (
	needsEscapes = regexp.MustCompile("[\x00-\x1f\x7f\u0085\u00a0\u2028\u2029]")
	needsQuotes  = regexp.MustCompile("[\\s'\":{}\\[\\],&*#?]|^[-?|<>=!%@`]" +
		`|^(?i:null|~|true|false|y|n|yes|no|on|off)$` +
		`|^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[0-9]+[_0-9]*$|^0[xX][0-9a-fA-F]+$` +
		`|^\d{4}-\d{1,2}-\d{1,2}`)
	escapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\t", `\t`, "\r", `\r`, "\u00a0", `\_`, "\u0085", `\N`, "\u2028", `\L`, "\u2029", `\P`)
)

// quote writes a text of one line, in quotes where they are needed.
func quote(s string) string {
	switch {
	case s == "":
		return "''"
	case needsEscapes.MatchString(s):
		return `"` + escapes.Replace(s) + `"`
	case needsQuotes.MatchString(s):
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	return s
}
