package templates

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// outcome is what preprocessing makes of a value.
type outcome struct {
	value string
	// discarded: no value, on purpose.
	discarded bool
	// handled: a failed step was given a value by its handler.
	handled bool
	// err: the item becomes unsupported.
	err error
}

// preprocess runs steps on a value as Zabbix would. A rate needs two values:
// here it is the one that would be stored last, so that its sign and type can
// be judged.
func preprocess(steps []step, value string) outcome {
	o := outcome{value: value}
	for _, s := range steps {
		v, err := s.run(o.value)
		switch {
		case err == nil:
			o.value = v
		case s.Handler == "DISCARD_VALUE":
			return outcome{discarded: true}
		case s.Handler == "CUSTOM_VALUE":
			o.value = s.HandlerParams
			o.handled = o.handled || s.Type == "JSONPATH" // another step has a value that it does not like
		default:
			return outcome{err: fmt.Errorf("%s %q: %w", s.Type, s.Parameters, err)}
		}
	}
	return o
}

func (s step) run(value string) (string, error) {
	switch s.Type {
	case "JSONPATH":
		p, err := compilePath(s.Parameters[0])
		if err != nil {
			return "", err
		}
		return p.find(value)
	case "JAVASCRIPT":
		return runScript(s.Parameters[0], value)
	case "BOOL_TO_DECIMAL":
		return boolToDecimal(value)
	case "MULTIPLIER":
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return "", err
		}
		f, err := strconv.ParseFloat(s.Parameters[0], 64)
		return strconv.FormatFloat(n*f, 'g', -1, 64), err
	case "CHANGE_PER_SECOND":
		n, err := strconv.ParseFloat(value, 64)
		if err == nil && n < 0 {
			err = errors.New("a counter is not negative")
		}
		return value, err
	case "IN_RANGE":
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return "", err
		}
		for i, sign := range []float64{1, -1} {
			if s.Parameters[i] == "" {
				continue
			}
			limit, err := strconv.ParseFloat(s.Parameters[i], 64)
			if err != nil {
				return "", err
			}
			if sign*(n-limit) < 0 {
				return "", errors.New("out of range")
			}
		}
		return value, nil
	case "NOT_MATCHES_REGEX":
		re, err := regexp.Compile(s.Parameters[0])
		if err != nil {
			return "", err
		}
		if re.MatchString(value) {
			return "", errors.New("the pattern matches")
		}
		return value, nil
	case "DISCARD_UNCHANGED_HEARTBEAT":
		return value, nil
	}
	return "", fmt.Errorf("the templates must not use this kind of step")
}

// boolToDecimal knows Zabbix's words, lower-case or not.
// Source: Zabbix manual, "Item value preprocessing", Boolean to decimal.
func boolToDecimal(value string) (string, error) {
	switch strings.ToLower(value) {
	case "true", "t", "yes", "y", "on", "up", "running", "enabled", "available", "ok", "master":
		return "1", nil
	case "false", "f", "no", "n", "off", "down", "unused", "disabled", "unavailable", "err", "slave":
		return "0", nil
	}
	n, err := strconv.ParseFloat(value, 64)
	if err == nil && n != 0 {
		return "1", nil
	}
	return "0", err
}

// scripts are the JavaScript steps, each with what it does in Go: a script
// that is changed must be reviewed here again.
var scripts = map[string]func(d any) any{
	`return JSON.stringify(JSON.parse(value).tls ? [{singleton: ''}] : []);`: func(d any) any {
		if d.(map[string]any)["tls"] != nil {
			return []any{map[string]any{"singleton": ""}}
		}
		return []any{}
	},
}

var (
	// singletonScript makes one row, without a name, for one value.
	singletonScript = regexp.MustCompile(`^return JSON\.stringify\(value === '(\w+)' \? \[\{singleton: ''\}\] : \[\]\);$`)
	// equalScript makes 1 of one word and 0 of all others.
	equalScript = regexp.MustCompile(`^return value === '(\w+)' \? 1 : 0;$`)
	// rowsScript keeps of each row what tells it from the others.
	rowsScript = regexp.MustCompile(`^return JSON\.stringify\(JSON\.parse\(value\)\.map\(function \(r\) \{ return \{(.*)\}; \}\)\);$`)
	rowMember  = regexp.MustCompile(`^(\w+): r(?:\.|\[")(\w+|\{#\w+\})(?:"\])?(?: \|\| '(\w+)')?$`)
)

// words is what wordsScript does.
func words(value string) (string, error) {
	var members map[string]any
	var rows, out []string
	if strings.HasPrefix(value, "[") {
		if err := json.Unmarshal([]byte(value), &rows); err != nil {
			return "", err
		}
		out = rows
	} else if err := json.Unmarshal([]byte(value), &members); err != nil {
		return "", err
	}
	for _, k := range slices.Sorted(maps.Keys(members)) { // as encoding/json has them
		out = append(out, fmt.Sprint(k, ": ", members[k]))
	}
	return cmp.Or(strings.Join(out, "; "), "none"), nil
}

// label is what labelScript does.
func label(row map[string]any) string {
	text := row["system"].(string)
	if prefix := row["prefix"].(string); !regexp.MustCompile(defaultPrefix).MatchString(prefix) {
		text += "/" + prefix
	}
	if queue, ok := row["queue"].(string); ok {
		text += ": " + queue
	}
	return text
}

// denied is what deniedScript does when the macro expects nothing to be missing.
func denied(value string) (string, error) {
	var members map[string]string
	if err := json.Unmarshal([]byte(value), &members); err != nil {
		return "", err
	}
	maps.DeleteFunc(members, func(_, why string) bool { return regexp.MustCompile("(?i)" + notDenied).MatchString(why) })
	left, err := json.Marshal(members)
	if err != nil {
		return "", err
	}
	return words(string(left))
}

// table has the titles and what the rows are called; what tableScript makes of them a real server shows in test/zabbix.
func table(script, value string) (string, error) {
	var rows []map[string]any
	if err := json.Unmarshal([]byte(value), &rows); err != nil {
		return "", err
	}
	columns := regexp.MustCompile(`\['(\w+)', '([^']+)', '[sB%]?', -?1\]`).FindAllStringSubmatch(script, -1)
	var out []string
	for _, c := range columns {
		out = append(out, c[2])
	}
	for _, row := range rows {
		name, ok := row[columns[0][1]]
		if !ok && !strings.HasSuffix(script, lineBody) {
			return "", fmt.Errorf("a row has no %s", columns[0][1])
		}
		out = append(out, fmt.Sprint(name))
	}
	return strings.Join(out, "\n"), nil
}

func runScript(script, value string) (string, error) {
	encode := func(v any) (string, error) {
		out, err := json.Marshal(v)
		return string(out), err
	}
	if twin, ok := scripts[script]; ok {
		var d any
		if err := json.Unmarshal([]byte(value), &d); err != nil {
			return "", err
		}
		return encode(twin(d))
	}
	if m := singletonScript.FindStringSubmatch(script); m != nil {
		if value == m[1] {
			return `[{"singleton":""}]`, nil
		}
		return "[]", nil
	}
	if m := equalScript.FindStringSubmatch(script); m != nil {
		return strconv.Itoa(int(truth(value == m[1]))), nil
	}
	if m := rowsScript.FindStringSubmatch(script); m != nil {
		rows := []map[string]any{}
		if err := json.Unmarshal([]byte(value), &rows); err != nil {
			return "", err
		}
		for i, row := range rows {
			kept := map[string]any{}
			for part := range strings.SplitSeq(m[1], ", ") {
				if part == "label: "+labelScript {
					kept["label"] = label(row)
					continue
				}
				m := rowMember.FindStringSubmatch(part)
				if m == nil {
					return "", fmt.Errorf("unreviewed member %q", part)
				}
				if v, ok := row[m[2]]; ok {
					kept[m[1]] = v
				} else if m[3] != "" {
					kept[m[1]] = m[3]
				}
			}
			rows[i] = kept
		}
		return encode(rows)
	}
	if script == wordsScript {
		return words(value)
	}
	if script == namesScript {
		return names(value)
	}
	if m := groupsScript.FindStringSubmatch(script); m != nil {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			return "", err
		}
		return groupsText(value, n)
	}
	if strings.HasPrefix(script, "var rows = JSON.parse(value); if (rows.length === 0) { return 'none'; }") {
		return each(value)
	}
	if strings.HasPrefix(script, oneScript) {
		return value, nil // what it makes of the object a real server shows in test/zabbix
	}
	if strings.HasPrefix(script, "var all = JSON.parse(value), may = ") {
		return denied(value)
	}
	if strings.HasSuffix(script, tableBody) {
		return table(script, value)
	}
	if strings.HasSuffix(script, lineBody) {
		return table(script, "["+value+"]")
	}
	return "", errors.New("this script has not been reviewed")
}

// stored says whether a value can be stored as the item's type.
func (i *item) stored(value string) error {
	if value == "null" {
		return errors.New("a null")
	}
	switch i.ValueType {
	case "UNSIGNED":
		_, err := strconv.ParseUint(value, 10, 64)
		return err
	case "FLOAT":
		_, err := strconv.ParseFloat(value, 64)
		return err
	case "CHAR":
		if utf8.RuneCountInString(value) > 255 {
			return errors.New("longer than a short text")
		}
	}
	return nil
}

// discovered are the rows that a rule makes of a master's answer, as macros
// and their values. ok is false when the rule gets no value.
func (r *rule) discovered(t *testing.T, answer string) (rows []map[string]string, ok bool) {
	t.Helper()
	o := preprocess(r.Preprocessing, answer)
	require.NoError(t, o.err, r.Name)
	if o.discarded {
		return nil, false
	}
	var objects []map[string]any
	dec := json.NewDecoder(strings.NewReader(o.value))
	dec.UseNumber()
	require.NoError(t, dec.Decode(&objects), r.Name)
	for _, object := range objects {
		row := map[string]string{}
		for name, v := range object {
			if strings.HasPrefix(name, "{#") {
				row[name] = fmt.Sprint(v)
			}
		}
		for _, p := range r.MacroPaths {
			path, err := compilePath(p.Path)
			require.NoError(t, err)
			text, err := json.Marshal(object)
			require.NoError(t, err)
			value, err := path.find(string(text))
			require.NoError(t, err, "%s: %s of %s", r.Name, p.Path, text)
			row[p.Macro] = value
		}
		if !slices.Contains(rows2texts(rows), fmt.Sprint(row)) {
			rows = append(rows, row)
		}
	}
	return rows, true
}

func rows2texts(rows []map[string]string) []string {
	var out []string
	for _, r := range rows {
		out = append(out, fmt.Sprint(r))
	}
	return out
}

// expand puts a row's values into a prototype's steps, in JSONPath escaped as
// Zabbix does within double quotes.
func expand(steps []step, row map[string]string) []step {
	out := slices.Clone(steps)
	for i := range out {
		out[i].Parameters = slices.Clone(out[i].Parameters)
		for j, p := range out[i].Parameters {
			for name, value := range row {
				if out[i].Type == "JSONPATH" {
					value = strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value)
				}
				p = strings.ReplaceAll(p, name, value)
			}
			out[i].Parameters[j] = p
		}
	}
	return out
}
