package templates

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// each has the rows as they are; what eachScript makes of them a real server shows in test/zabbix.
func each(value string) (string, error) {
	var rows []map[string]any
	if err := json.Unmarshal([]byte(value), &rows); err != nil {
		return "", err
	}
	var out []string
	for _, row := range rows {
		out = append(out, fmt.Sprint(row))
	}
	return cmp.Or(strings.Join(out, "\n"), "none"), nil
}

// names is what namesScript does.
func names(value string) (string, error) {
	var all []string
	if err := json.Unmarshal([]byte(value), &all); err != nil {
		return "", err
	}
	more := len(all) - 10
	if more > 0 {
		all = append(all[:10:10], fmt.Sprint(more, " more"))
	}
	return cmp.Or(strings.Join(all, "; "), "none"), nil
}

// groupsScript is what failuresScript returns.
var groupsScript = regexp.MustCompile(`^var rows = JSON\.parse\(value\), n = (\d+); var lines = rows\.slice\(0, n\)\.map\(function \(r\) \{ return r\.count \+ ' x '`)

// groupsText is what failuresScript does.
func groupsText(value string, n int) (string, error) {
	var rows []map[string]any
	if err := json.Unmarshal([]byte(value), &rows); err != nil {
		return "", err
	}
	var out []string
	for _, row := range rows[:min(n, len(rows))] {
		text := []string{label(row)}
		for _, member := range []string{"class", "error", "message"} {
			if t, _ := row[member].(string); t != "" {
				text = append(text, t)
			}
		}
		out = append(out, fmt.Sprint(row["count"], " x ", strings.Join(text, ": ")))
	}
	if len(rows) > n {
		out = append(out, fmt.Sprint(len(rows)-n, " more"))
	}
	between := map[bool]string{true: "; ", false: "\n"}[n <= 3]
	return cmp.Or(strings.Join(out, between), "none"), nil
}
