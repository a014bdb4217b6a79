package driver

import (
	"encoding/base64"
	"strings"
)

// tree makes the tree in which agents send a configuration, of lines below Plugins.RedisJobs. such as
// "Sessions.A.Uri=tcp://localhost". A node has a name and nodes of its own, a value is in base64 and has none.
func tree(lines []string) map[string]any {
	root := map[string]any{"Name": "RedisJobs", "Nodes": []any{}, "Line": 1}
	for i, line := range lines {
		name, value, _ := strings.Cut(line, "=")
		node := root
		for part := range strings.SplitSeq(name, ".") {
			node = childOf(node, part, i+2)
		}
		node["Nodes"] = append(node["Nodes"].([]any), map[string]any{
			"Value": base64.StdEncoding.EncodeToString([]byte(value)), "Line": i + 2,
		})
	}
	return root
}

func childOf(node map[string]any, name string, line int) map[string]any {
	for _, n := range node["Nodes"].([]any) {
		if m := n.(map[string]any); m["Name"] == name {
			return m
		}
	}
	m := map[string]any{"Name": name, "Nodes": []any{}, "Line": line}
	node["Nodes"] = append(node["Nodes"].([]any), m)
	return m
}
