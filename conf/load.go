package conf

import (
	"fmt"
	"strconv"
	"strings"

	sdkconf "golang.zabbix.com/sdk/conf"

	"redisjobs/agentconf"
)

// Load reads the options of what [agentconf.Read] has read: an agent's
// configuration, or the plugin's own file alone. nil stands for no file, and the
// defaults. Options that are not the plugin's are ignored, except for the agent's
// Timeout. It is for the command line.
func Load(c *agentconf.Config) (*Options, error) {
	if c == nil {
		o, err := Decode(nil, Global{})
		if err == nil {
			o.origin = noFile
		}
		return o, err
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	var global Global
	if l, ok := c.Last("Timeout"); ok && l.Value != "" {
		n, err := strconv.ParseUint(l.Value, 10, 16)
		if err != nil || n > 3600 {
			return nil, fmt.Errorf("%s: Timeout: is not a number of seconds from 0 to 3600", l.At())
		}
		global.Timeout = int(n)
	}
	o, err := decode(tree(c.Lines), global)
	if err == nil {
		o.origin = fromFile
	}
	return o, err
}

// origin is where options come from, which decides what makes a change of them
// effective.
type origin int

const (
	fromAgent origin = iota // it sends them once, when it starts
	fromFile                // which is read each time, for the command line
	noFile                  // was named
)

// afterChange is what to do where a session was not found.
func (o origin) afterChange() string {
	switch o {
	case fromFile:
		return ""
	case noFile:
		return "; no configuration was read: name the file with -c"
	}
	return "; restart the agent after a change"
}

// LoadFile reads the options of a file and of what it includes, and leaves
// environment variables in values as they are.
func LoadFile(path string) (*Options, error) { return Load(agentconf.Read(path, nil)) }

// tree makes of lines what an agent would send of them.
func tree(lines []agentconf.Line) *sdkconf.Node {
	root := &sdkconf.Node{Name: PluginName}
	for _, l := range lines {
		name, ours := strings.CutPrefix(l.Name+".", prefix)
		if !ours {
			continue
		}
		node := root
		if name = strings.TrimSuffix(name, "."); name != "" {
			for part := range strings.SplitSeq(name, ".") {
				node = below(node, part, l.No)
			}
		}
		node.Nodes = append(node.Nodes, &sdkconf.Value{Value: []byte(l.Value), Line: l.No})
	}
	return root
}

// below finds or makes a node of that name.
func below(node *sdkconf.Node, name string, line int) *sdkconf.Node {
	for _, n := range node.Nodes {
		if child, ok := n.(*sdkconf.Node); ok && child.Name == name {
			return child
		}
	}
	child := &sdkconf.Node{Name: name, Line: line}
	node.Nodes = append(node.Nodes, child)
	return child
}
