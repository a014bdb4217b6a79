package templates

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// roots are the triggers that say that nothing is known: all others depend on
// the first of their template.
var roots = map[string][]string{
	"Redis by RedisJobs":                  {"Redis: Server is down", "Redis: No data from the plugin"},
	"Storm jobs by RedisJobs":             {"Storm: Job records cannot be read", "Storm: No data from the plugin"},
	"Redis Cluster by RedisJobs":          {"Cluster: Cluster is unreachable", "Cluster: No data from the plugin"},
	"Redis Sentinel by RedisJobs":         {"Sentinel: No sentinel is reachable", "Sentinel: No data from the plugin"},
	"Redis job queues by RedisJobs":       {"Jobs: Job systems cannot be read", "Jobs: No data from the plugin"},
	"Redis keys and streams by RedisJobs": {"Keys: Keys cannot be read", "Keys: No data from the plugin"},
	"RedisJobs plugin health":             {"RedisJobs: No data from the plugin"},
	"Redis sessions by RedisJobs":         {"Sessions: No data from the plugin"},
	"Redis hosts by RedisJobs":            {"Hosts: No data from the plugin"},
	"Redis Cluster hosts by RedisJobs":    {"Nodes: No data from the plugin"},
	"Redis Sentinel hosts by RedisJobs":   {"Masters: No data from the plugin"},
	"Redis group by RedisJobs":            {"Group: No session of the group answers", "Group: No data from the plugin"},
}

// macroValue is the value of the macro with that context, else of that without.
func (d *document) macroValue(name string) string {
	for _, m := range d.Macros {
		if m.Macro == name {
			return m.Value
		}
	}
	name, _, _ = strings.Cut(strings.TrimSuffix(name, "}"), ":")
	for _, m := range d.Macros {
		if m.Macro == name+"}" {
			return m.Value
		}
	}
	return ""
}

// gauge are figures in a section of counters that go up and down.
var gauge = regexp.MustCompile(`latest_fork_usec$`)

// isCounter: the item keeps a counter as it is.
func isCounter(i *item) bool {
	if slices.Contains(stepKinds(i.Preprocessing), "CHANGE_PER_SECOND") || strings.HasPrefix(i.Key, "rj.jobs.") {
		return false // a job system's failed jobs are those that are kept
	}
	for _, s := range i.Preprocessing {
		if s.Type == "JSONPATH" && regexp.MustCompile(`^\$\.(stats|counters)\.|^\$\.(processed|failed|emitted)$`).MatchString(s.Parameters[0]) {
			return !gauge.MatchString(s.Parameters[0])
		}
	}
	return false
}

func TestTriggerExpressions(t *testing.T) {
	t.Parallel()
	for _, d := range load(t) {
		for _, tr := range d.triggers {
			d.must(t, (tr.Recovery != "") == (tr.RecoveryMode == "RECOVERY_EXPRESSION"), tr.Name, "a recovery expression needs the mode for it, and the mode an expression")
			for _, expression := range []string{tr.Expression, tr.Recovery} {
				if expression != "" {
					d.checkExpression(t, tr, expression)
				}
			}
		}
	}
}

var (
	windowSize = regexp.MustCompile(`^(\d+)[smhd]$`)
	notZero    = regexp.MustCompile(`^[1-9]\d*$`)
)

// checkExpression holds the expression of a trigger to its items.
func (d *document) checkExpression(t *testing.T, tr *trigger, expression string) {
	t.Helper()
	must := func(well bool, format string, args ...any) bool { return d.must(t, well, tr.Name, format, args...) }
	_, e := evaluate(t, expression, func(string) string { return "1" }, func(call) any { return 1.0 })
	for _, divisor := range e.divisors {
		must(notZero.MatchString(divisor), "it divides by %s, which may be 0", divisor)
	}
	for _, c := range e.calls {
		if c.fn == "now" {
			continue
		}
		_, known := constant(call{fn: c.fn, args: []string{"", "like", ""}}, "1", true, 0)
		must(known, "the test does not know the function %s: add it to constant (expression_test.go)", c.fn)
		must(c.host == d.Name, "it reads an item of %q", c.host)
		i := d.byKey[c.key]
		if !must(i != nil, "there is no item %s", c.key) {
			continue
		}
		must(i.rule == nil || i.rule == tr.rule, "the item %s is of another rule", c.key)
		must(i.History != "0", "the item %s keeps no history", c.key)
		must(c.fn != "last" || !isCounter(i), "%s is a counter, whose last value says nothing", c.key)
		text := i.ValueType == "CHAR" || i.ValueType == "TEXT"
		must(!text || !slices.Contains([]string{"min", "max", "avg", "change"}, c.fn), "%s of the text %s", c.fn, c.key)
		if len(c.args) == 0 || c.args[0] == "" || c.fn == "last" {
			continue
		}
		size, _, shifted := strings.Cut(c.args[0], ":now-")
		if strings.HasPrefix(size, "{$") {
			size = d.macroValue(size)
		}
		held := heartbeat(i.Preprocessing)
		if strings.HasPrefix(size, "#") {
			must(held == 0 || size == "#1", "it counts values of %s, which holds equal ones back", c.key)
			continue
		}
		long, _ := duration(size)
		must(!shifted || c.fn == "count", "only a count looks at what was before")
		must(windowSize.MatchString(size) && long.Minutes() >= 5, "the period over %s must be 5m or longer, not %q", c.key, size)
		must(long > held, "the period %s over %s may be empty: it holds equal values back for %v", size, c.key, held)
	}
}

// linkHost is a value in the middle of an event's name.
var linkHost = regexp.MustCompile(` \{\?last\(//rj\.redis\.link\.host\[[^\]]*\]\)\}`)

func TestTriggerTexts(t *testing.T) {
	t.Parallel()
	var reviewed []string
	for _, d := range load(t) {
		names := map[string]bool{}
		if !says(t, len(roots[d.base()]) > 0, folder+"trigger_test.go: roots needs a row for the template "+d.base()) {
			continue
		}
		prefix, _, _ := strings.Cut(roots[d.base()][0], ":")
		for _, tr := range d.triggers {
			must := func(well bool, format string, args ...any) bool { return d.must(t, well, tr.Name, format, args...) }
			must(!names[tr.Name], "another trigger has the same name")
			names[tr.Name] = true
			must(strings.HasPrefix(tr.Name, prefix+": ") || tr.rule != nil && strings.HasPrefix(tr.Name, "Session {#SESSION}: "), "its name must begin with %q", prefix+": ")
			must(!regexp.MustCompile(`\{HOST\.|\{ITEM\.|\{\$`).MatchString(tr.Name), "its name must have no macro of a host, item or user")
			must(len(tr.Description) > 40, "it needs a description (about) that says what to do")
			must(slices.Contains(severities, tr.Priority), "unknown severity: %s", tr.Priority)
			must(slices.Contains(scopes, tagValue(tr.Tags, "scope")), "its scope must be one of %v, not %q", scopes, tagValue(tr.Tags, "scope"))
			reviewed = append(reviewed, fmt.Sprintf("%s %s %s", tr.Priority, tagValue(tr.Tags, "scope"), tr.Name))
			d.checkEvent(t, tr)
			must(tr.RecoveryMode != "NONE" || tr.ManualClose == "YES", "without recovery it must be closed by hand")
			must(!strings.Contains(tr.Expression, "#1)<>") || tr.RecoveryMode == "NONE", "it would end unseen with the next value: it must have no recovery")
		}
	}
	if *update {
		byName := func(a, b string) int {
			return strings.Compare(strings.SplitN(a, " ", 3)[2], strings.SplitN(b, " ", 3)[2])
		}
		slices.SortStableFunc(reviewed, byName)
		require.NoError(t, os.WriteFile(reviewedFile, []byte(strings.Join(slices.Compact(reviewed), "\n")+"\n"), 0o644))
		return
	}
	requireLines(t, reviewedFile, reviewed, "run make generate, and review its severity")
}

// reviewedFile has the severity and scope of each trigger, so that a review sees
// what has changed.
const reviewedFile = "testdata/triggers.txt"

// unsaid are macros that an event need not show: whether there is such a check, how many polls it waits, and a limit whose
// items it names.
var unsaid = regexp.MustCompile(`\.(CHECK|POLLS|TARGETS\.FAILING\.MAX\.WARN)\}$`)

// checkEvent holds the name of a trigger's events and its data to its expressions.
func (d *document) checkEvent(t *testing.T, tr *trigger) {
	t.Helper()
	must := func(well bool, format string, args ...any) bool { return d.must(t, well, tr.Name, format, args...) }
	judged, shown := macrosOf(tr.Expression+tr.Recovery), macrosOf(tr.EventName)
	isUnsaid := func(m string) bool { return unsaid.MatchString(m) }
	judged, shown = slices.DeleteFunc(judged, isUnsaid), slices.DeleteFunc(shown, isUnsaid)
	must(slices.Equal(judged, shown), "an event says the limits that it was judged by: %v, not %v", judged, shown)
	must(tr.EventName == "" || strings.HasPrefix(linkHost.ReplaceAllString(tr.EventName, ""), tr.Name), "its event must begin with its name: %s", tr.EventName)
	var windows []string
	for _, c := range append(calls(t, tr.Expression), calls(t, tr.Recovery)...) {
		windows = append(windows, c.args...)
	}
	for _, m := range regexp.MustCompile(`(?:for|in) (\d+[smhd])\b`).FindAllStringSubmatch(tr.EventName, -1) {
		must(slices.Contains(windows, m[1]), "its event says %s, and its expression has no such period", m[1])
	}
	for _, m := range regexp.MustCompile(`\{\?([^{}]*(?:\{#\w+\}[^{}]*)*)\}`).FindAllStringSubmatch(tr.EventName, -1) {
		must(strings.HasPrefix(m[1], "last(//"), "Zabbix replaces no template's name in an event: write last(//key), not %s", m[1])
		key := strings.TrimSuffix(strings.TrimPrefix(m[1], "last(//"), ")")
		i := d.byKey[key]
		must(i != nil && (i.rule == nil || i.rule == tr.rule), "its event shows the item %s, which does not exist or is of another rule", key)
	}
	distinct := []string{}
	for _, c := range calls(t, tr.Expression) {
		if c.key != "" && !slices.Contains(distinct, c.key) {
			distinct = append(distinct, c.key)
		}
	}
	for _, m := range regexp.MustCompile(`\{ITEM\.LASTVALUE(\d)\}`).FindAllStringSubmatch(tr.OpData, -1) {
		must(atoi(t, m[1]) <= len(distinct), "its data shows item %s, and its expression has %d", m[1], len(distinct))
	}
}

func TestTriggersDependOnTheirCause(t *testing.T) {
	t.Parallel()
	for _, d := range load(t) {
		byName := map[string]*trigger{}
		for _, tr := range d.triggers {
			byName[tr.Name] = tr
		}
		var reaches func(tr *trigger, path []string) bool
		reaches = func(tr *trigger, path []string) bool {
			if !d.must(t, !slices.Contains(path, tr.Name), tr.Name, "its dependencies go in a circle") {
				return true
			}
			found := tr.Name == roots[d.base()][0]
			for _, dep := range tr.Dependencies {
				on := byName[dep.Name]
				if !d.must(t, on != nil, tr.Name, "it depends on %q, which does not exist", dep.Name) {
					continue
				}
				d.must(t, on.Expression == dep.Expression && on.Recovery == dep.Recovery, tr.Name, "it names %q by another expression", dep.Name)
				d.must(t, on.rule == nil || on.rule == tr.rule, tr.Name, "it depends on %q, which is of another rule", dep.Name)
				found = reaches(on, append(path, tr.Name)) || found
			}
			return found
		}
		for _, tr := range d.triggers {
			if slices.Contains(roots[d.base()], tr.Name) {
				d.must(t, len(tr.Dependencies) == 0, tr.Name, "it must depend on nothing: all others depend on it")
				continue
			}
			d.must(t, reaches(tr, nil), tr.Name, "it must depend on %q, at least by others (after)", roots[d.base()][0])
		}
	}
}
