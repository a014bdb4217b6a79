package conf

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	sdkconf "golang.zabbix.com/sdk/conf"

	"redisjobs/nearest"
)

// PluginName is what the agent calls the plugin, and its options in the
// configuration.
const PluginName = "RedisJobs"

// prefix is what all options' full names begin with.
const prefix = "Plugins." + PluginName + "."

// fullName is the name as the operator writes it; "" is the plugin itself.
func fullName(name string) string { return strings.TrimSuffix(prefix+name, ".") }

// shownName keeps a name that cannot stand in a file from garbling an error.
func shownName(name string) string {
	if validName(name) && len(name) <= 80 {
		return name
	}
	return quote(name)
}

// optionError names the option and its line in the file it stands in.
type optionError struct {
	option string
	line   int // 0: not known
	err    error
}

func (e *optionError) Error() string {
	if e.line == 0 {
		return fmt.Sprintf("%s: %v", e.option, e.err)
	}
	return fmt.Sprintf("%s (line %d): %v", e.option, e.line, e.err)
}

func (e *optionError) Unwrap() error { return e.err }

// Global is what the agent tells of its own options.
type Global struct {
	// Timeout is the agent's Timeout in seconds; 0 when it is not known.
	Timeout int
}

// Decode checks the options that an agent sends with a Validate or Configure
// request: the tree of Name, Nodes, Value and Line, as encoding/json makes it
// of the request. nil stands for no options. The error is one line that names
// an option and where it stands, the first such line of the file; it never has
// the value, which may be a password in the wrong place. Options that contradict
// each other are no error of Decode, and files that options name are not looked
// at; see [Options.Broken].
func Decode(privateOptions any, global Global) (*Options, error) {
	if privateOptions == nil {
		return decode(&sdkconf.Node{}, global)
	}
	root, err := toNode(privateOptions, fullName(""), 0)
	if err != nil {
		return nil, err
	}
	return decode(root, global)
}

func decode(root *sdkconf.Node, global Global) (*Options, error) {
	d := &decoder{o: newOptions(global)}
	d.group(root, "", "", nil)
	if err := d.first(); err != nil {
		return nil, err
	}
	d.o.settleAll()
	return d.o, nil
}

// toNode checks the shape of what an agent sent. What agents do differently:
// 6.0 sends null for an option without a value.
func toNode(v any, option string, depth int) (*sdkconf.Node, error) {
	const deepest = 16
	m, ok := v.(map[string]any)
	if !ok || depth > deepest {
		return nil, &optionError{option: option, err: fmt.Errorf("the agent sent %T, not a node of options", v)}
	}
	line, err := toLine(m)
	if err != nil {
		return nil, &optionError{option: option, err: err}
	}
	node := &sdkconf.Node{Line: line}
	if node.Name, ok = m["Name"].(string); !ok {
		return nil, &optionError{option: option, line: line, err: errors.New("the agent sent an option without a name")}
	}
	if depth > 0 {
		option = join(option, shownName(node.Name))
	}
	nodes, ok := m["Nodes"].([]any)
	if !ok && m["Nodes"] != nil {
		return nil, &optionError{option: option, line: line, err: fmt.Errorf("the agent sent %T, not a list", m["Nodes"])}
	}
	for _, n := range nodes {
		var child any
		if attr, _ := n.(map[string]any); attr != nil && !has(attr, "Nodes") {
			child, err = toValue(attr, option)
		} else {
			child, err = toNode(n, option, depth+1)
		}
		if err != nil {
			return nil, err
		}
		node.Nodes = append(node.Nodes, child)
	}
	return node, nil
}

func toValue(m map[string]any, option string) (*sdkconf.Value, error) {
	line, err := toLine(m)
	if err != nil {
		return nil, &optionError{option: option, err: err}
	}
	if m["Value"] == nil {
		return &sdkconf.Value{Line: line}, nil
	}
	text, ok := m["Value"].(string)
	if !ok {
		return nil, &optionError{option: option, line: line, err: fmt.Errorf("the agent sent %T, not a text", m["Value"])}
	}
	value, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, &optionError{option: option, line: line, err: errors.New("the agent sent a value that is not in base64")}
	}
	return &sdkconf.Value{Value: value, Line: line}, nil
}

func toLine(m map[string]any) (int, error) {
	line, ok := m["Line"].(float64)
	if !ok || line < 0 || line > 1<<30 {
		return 0, errors.New("the agent sent an option without a line number")
	}
	return int(line), nil
}

func has(m map[string]any, key string) bool {
	_, ok := m[key]
	return ok
}

// decoder walks the tree and stores what it finds in o.
type decoder struct {
	o    *Options
	errs []*optionError
}

func (d *decoder) fail(option string, line int, err error) {
	d.errs = append(d.errs, &optionError{option: option, line: line, err: err})
}

// first is the error that stands first in the file.
func (d *decoder) first() error {
	if len(d.errs) == 0 {
		return nil
	}
	return slices.MinFunc(d.errs, func(a, b *optionError) int { return cmp.Compare(a.line, b.line) })
}

// group reads the options below node. pattern is the group's name in the table,
// name the one in the file; they differ in the names of sessions.
func (d *decoder) group(node *sdkconf.Node, pattern, name string, b *block) {
	for _, n := range node.Nodes {
		switch child := n.(type) {
		case *sdkconf.Value:
			if len(child.Value) > 0 {
				d.fail(fullName(name), child.Line,
					errors.New("is not an option itself, only the first part of some"))
			}
		case *sdkconf.Node:
			d.child(child, pattern, name, b)
		}
	}
}

func (d *decoder) child(node *sdkconf.Node, pattern, name string, b *block) {
	childName, childPattern := join(name, node.Name), join(pattern, node.Name)
	switch {
	case pattern == "" && (node.Name == "System" || node.Name == "Capacity"):
		// The agent's own, which some versions send along.
		return
	case !validName(node.Name) && pattern == "Sessions":
		d.fail(fullName(name), node.Line, fmt.Errorf("%s is not a valid name: %s", quote(node.Name), namesOfSessions))
		return
	case !validName(node.Name):
		d.fail(fullName(name), node.Line, fmt.Errorf("%s is not a valid name", quote(node.Name)))
		return
	case childPattern == "Default":
		b = d.o.def
	case pattern == "Sessions":
		childPattern = "Sessions.*"
		if b = d.o.sessions[node.Name]; b == nil {
			b = newBlock(childName)
			d.o.sessions[node.Name] = b
		}
	}
	if option, ok := index[childPattern]; ok {
		d.option(node, option, childName, b)
		return
	}
	if _, ok := children[childPattern]; ok {
		d.group(node, childPattern, childName, b)
		return
	}
	if pattern == "Sessions.*" && isGroup(node) { // a dot in the name of the session
		d.fail(fullName(childName), node.Line, errors.New("unknown option; "+namesOfSessions))
		return
	}
	d.fail(fullName(childName), node.Line, errors.New("unknown option"+nearest.Question(node.Name, children[pattern])))
}

// namesOfSessions says which there may be.
const namesOfSessions = "the name of a session takes letters, digits and underscores"

// isGroup reports whether there are options below a node.
func isGroup(node *sdkconf.Node) bool {
	return slices.ContainsFunc(node.Nodes, func(n any) bool { _, is := n.(*sdkconf.Node); return is })
}

// option stores the last value of an option.
func (d *decoder) option(node *sdkconf.Node, option *Option, name string, b *block) {
	var last *sdkconf.Value
	for _, n := range node.Nodes {
		switch child := n.(type) {
		case *sdkconf.Value:
			if last != nil && len(last.Value) > 0 && !bytes.Equal(last.Value, child.Value) {
				d.o.warn("%s is set twice with different values, in the lines %d and %d: the last one counts",
					fullName(name), last.Line, child.Line)
			}
			last = child
		case *sdkconf.Node:
			d.fail(fullName(join(name, shownName(child.Name))), child.Line, errors.New("unknown option"))
		}
	}
	if last == nil || len(last.Value) == 0 {
		return
	}
	if b != nil {
		b.lines[node.Name] = last.Line
	}
	err := option.set(place{options: d.o, block: b}, string(last.Value))
	switch quoted := !option.quotes && inQuotes(string(last.Value)); {
	case err != nil && quoted:
		d.fail(fullName(name), last.Line, errors.New("stands in quotes, which the agent takes for a part of the value: remove them"))
	case err != nil:
		d.fail(fullName(name), last.Line, err)
	case quoted:
		d.o.warn("%s (line %d) stands in quotes, which the agent takes for a part of the value: remove them, unless they are meant",
			fullName(name), last.Line)
	}
}

// inQuotes reports whether a value stands in quotes, as in a shell.
func inQuotes(value string) bool {
	const least = 2
	n := len(value)
	return n >= least && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0]
}
