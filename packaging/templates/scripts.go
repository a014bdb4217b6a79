package templates

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"redisjobs/metrics/jobs"
)

// wordsScript writes the members of an object, or the rows of an array, in one line.
const wordsScript = "var all = JSON.parse(value), words = Object.keys(all).map(function (k) { " +
	"return Array.isArray(all) ? all[k] : k + ': ' + all[k]; }); return words.length > 0 ? words.join('; ') : 'none';"

// namesScript writes the first texts of an array in one line, short enough for the name of a problem.
const namesScript = "var all = JSON.parse(value), more = all.length - 10; " +
	"return all.length === 0 ? 'none' : all.slice(0, 10).join('; ') + (more > 0 ? '; ' + more + ' more' : '');"

// eachScript writes the first rows of an array, a line each.
func eachScript(n int, expression string) string {
	return fmt.Sprintf("var rows = JSON.parse(value); if (rows.length === 0) { return 'none'; } var lines = rows.slice(0, %d).map(function (r) { return %s; }); "+
		"if (rows.length > %[1]d) { lines.push((rows.length - %[1]d) + ' more'); } return lines.join('\\n');", n, expression)
}

// oneScript begins the script that writes an object as a text.
const oneScript = "var r = JSON.parse(value); return "

// failuresScript writes groups of failed jobs as people say it: how many, whose, which class and which error. Up to three
// are one line, which fits into the name of a problem; more are a line each.
func failuresScript(n int) string {
	between := "\\n"
	if n <= 3 {
		between = "; "
	}
	return "var rows = JSON.parse(value), n = " + fmt.Sprint(n) + "; var lines = rows.slice(0, n).map(function (r) { " +
		"return r.count + ' x ' + [" + labelScript + ", r.class, r.error, r.message].filter(function (t) { return t; }).join(': '); }); " +
		"if (rows.length > n) { lines.push((rows.length - n) + ' more'); } return lines.length > 0 ? lines.join('" + between + "') : 'none';"
}

// refusingScript has as n how many nodes of a cluster refuse commands while it is up: of one that is down all do, and some
// still do for a moment when it comes back.
const refusingScript = `var d = JSON.parse(value); return JSON.stringify(d.state === "fail" ? {n: 0} : {n: d.refusing});`

// labelScript calls a queue or a job system as people do: celery: mail, and with the prefix where it is not the system's
// default, as metrics/jobs has them.
var labelScript = "r.system + (/" + defaultPrefix + "/.test(r.prefix) ? '' : '/' + r.prefix) + (r.queue === undefined ? '' : ': ' + r.queue)"

// defaultPrefix matches the usual prefix of each job system.
var defaultPrefix = func() string {
	var all []string
	for _, d := range jobs.Describe() {
		if d.DefaultPrefix != "" {
			all = append(all, regexp.QuoteMeta(d.DefaultPrefix))
		}
	}
	slices.Sort(all)
	return "^(" + strings.Join(slices.Compact(all), "|") + ")?$"
}()

// deniedScript does the same with what was refused and can be had by a permission: not with commands that the server does
// not have, nor with what a macro expects to be missing. MISCONF is a failed save, which has a problem of its own.
func deniedScript(macro string) string {
	return "var all = JSON.parse(value), may = new RegExp('" + macro + "'), words = Object.keys(all).filter(function (k) { " +
		"return !may.test(k) && !/" + notDenied + "/i.test(all[k]); }).map(function (k) { return k + ': ' + all[k]; }); " +
		"return words.length > 0 ? words.join('; ') : 'none';"
}

const notDenied = "unknown (sub)?command|MISCONF"

// tableRows is how many rows a table has at most.
const tableRows = 20

// tableScript writes rows as a table with the worst first: "table name, latency Oldest s, waiting Waiting" has a column
// for each member; the first says what a row is. The rows are sorted by the members from left to right, the greatest first,
// or the least where the member has a - before it.
// A member is shown in its unit s, B or %, and as - where it is not known.
func tableScript(spec string) (string, error) {
	columns, err := scriptColumns(spec)
	return columns + ", rows = JSON.parse(value), n = " + fmt.Sprint(tableRows) + ";" + showScript + tableBody, err
}

// lineScript writes the members of an object that are known in one line: "line waiting waiting, latency oldest job s" is
// "waiting 3, oldest job 20m". The members are said as in tableScript.
func lineScript(spec string) (string, error) {
	columns, err := scriptColumns(spec)
	return columns + ", r = JSON.parse(value);" + showScript + lineBody, err
}

// scriptColumns are members with their titles and units, as a script has them.
func scriptColumns(spec string) (string, error) {
	var columns []string
	for k, column := range strings.Split(spec, ", ") {
		f := strings.Fields(column)
		if k == 0 && len(f) == 1 {
			f = append(f, "")
		}
		if len(f) < 2 {
			return "", fmt.Errorf("%q is no member and its title", column)
		}
		unit := ""
		if last := f[len(f)-1]; len(f) > 2 && (last == "s" || last == "B" || last == "%") {
			unit, f = last, f[:len(f)-1]
		}
		member, least := strings.CutPrefix(f[0], "-")
		sign := map[bool]int{false: 1, true: -1}[least]
		columns = append(columns, fmt.Sprintf("['%s', '%s', '%s', %d]", member, strings.Join(f[1:], " "), unit, sign))
	}
	return "var c = [" + strings.Join(columns, ", ") + "]", nil
}

// lineBody is the same for all lines.
const lineBody = " var line = c.filter(function (x) { return typeof r[x[0]] === 'number'; }).map(function (x) { return x[1] + ' ' + show(r[x[0]], x[2]); }).join(', ');" +
	" return line === '' ? 'none' : line;"

// showScript shows a value in its unit, in the JavaScript of Zabbix, ES5.
const showScript = " function show(v, u) { if (typeof v !== 'number') { return v || '-'; }" +
	" var s = u === 's' ? [[86400, 'd'], [3600, 'h'], [60, 'm'], [0, 's']] : u === 'B' ? [[1073741824, 'G'], [1048576, 'M'], [1024, 'K'], [0, 'B']] : [[1e9, 'G'], [1e6, 'M'], [0, u]];" +
	" for (var i = 0; i < s.length; i++) { if (v >= s[i][0]) { return Math.round(v / (s[i][0] || 1) * 10) / 10 + s[i][1]; } } return String(Math.round(v * 10) / 10) + u; }"

// tableBody is the same for all tables.
const tableBody = " function num(v) { return typeof v === 'number' ? v : -1; }" +
	" rows.sort(function (a, b) { for (var i = 1; i < c.length; i++) { var d = c[i][3] * (num(b[c[i][0]]) - num(a[c[i][0]])); if (d !== 0) { return d; } } return a[c[0][0]] < b[c[0][0]] ? -1 : 1; });" +
	" var lines = [c.map(function (x) { return x[1]; })].concat(rows.slice(0, n).map(function (r) { return c.map(function (x) { return String(show(r[x[0]], x[2])); }); }));" +
	" var text = lines.map(function (l) { return l.map(function (t, i) { var w = 0; lines.forEach(function (o) { w = Math.max(w, o[i].length); }); while (t.length < w) { t = i === 0 ? t + ' ' : ' ' + t; } return t; }).join('  '); });" +
	" return rows.length === 0 ? 'none' : text.join('\\n') + (rows.length > n ? '\\n... ' + (rows.length - n) + ' more' : '');"
