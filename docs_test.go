package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/constant"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/conf"
	"redisjobs/internal/redistest"
	"redisjobs/metrics"
	"redisjobs/plugin"
)

// examples are the item keys whose answers docs/keys.md shows, by metric. The
// hosts in them are those of docsWorld.
var examples = map[string]string{
	"redis.server.info":          "redis.server.info[tcp://redis:6379,,clients]",
	"redis.server.config":        "redis.server.config[tcp://redis:6379,,maxmem*]",
	"redis.server.ping":          "redis.server.ping[tcp://redis:6379]",
	"redis.server.slowlog.count": "redis.server.slowlog.count[tcp://redis:6379]",
	"redis.get":                  "redis.get[tcp://redis:6379]",
	"redis.status":               "redis.status[tcp://redis:6379]",
	"redis.cluster.get":          "redis.cluster.get[tcp://node:6379]",
	"redis.sentinel.get":         "redis.sentinel.get[tcp://sentinel:26379]",
	"redis.sessions.discovery":   "redis.sessions.discovery",
	"redis.instances.discovery":  "redis.instances.discovery",
	"redis.instances.get":        "redis.instances.get",
	"redis.pool.get":             "redis.pool.get",
	"redis.slowlog.get":          "redis.slowlog.get[tcp://redis:6379]",
	"redis.latency.get":          "redis.latency.get[tcp://redis:6379]",
	"redis.clients.get":          "redis.clients.get[tcp://redis:6379]",
	"redis.key.get":              "redis.key.get[tcp://redis:6379/10,,,queue:mails]",
	"redis.key.length":           "redis.key.length[tcp://redis:6379/10,,,queue:mails]",
	"redis.key.ttl":              "redis.key.ttl[tcp://redis:6379/10,,,lock:nightly]",
	"redis.key.value":            "redis.key.value[tcp://redis:6379/10,,,lock:nightly]",
	"redis.keys.count":           "redis.keys.count[tcp://redis:6379/10,,,storm:job:*]",
	"redis.keyspace.sample":      "redis.keyspace.sample[tcp://redis:6379/10]",
	"redis.stream.get":           "redis.stream.get[tcp://redis:6379/9,,,orders]",
	"redis.command":              "redis.command[Docs,,,SCARD,storm:jobs]",
	"job.get":                    "job.get[tcp://redis:6379/13]",
	"job.queue.get":              "job.queue.get[tcp://redis:6379/13,,,sidekiq,unserved]",
	"storm.job.status":           "storm.job.status[tcp://redis:6379/10,,,wordcount]",
	"storm.job.get":              "storm.job.get[tcp://redis:6379/10,,,wordcount]",
	"storm.jobs.get":             "storm.jobs.get[tcp://redis:6379/10]",
	"storm.job.discovery":        "storm.job.discovery[tcp://redis:6379/10]",
}

// docsWorld starts the servers of the examples and returns what stands for each
// host of theirs.
func docsWorld(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	rdb, err := os.ReadFile("metrics/jobs/testdata/job-systems.rdb")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "dump.rdb"), rdb, 0o600))
	redis := redistest.Start(t, redistest.Config{
		Args:  []string{"--latency-monitor-threshold", "1"},
		Lines: []string{"dir " + strconv.Quote(dir), "dbfilename dump.rdb", "slowlog-log-slower-than 0", "enable-debug-command local"},
	})
	now := strconv.FormatInt(time.Now().Unix(), 10)
	for _, cmd := range [][]string{
		{"SELECT", "10"}, {"RPUSH", "queue:mails", "1", "2", "3"}, {"SET", "lock:nightly", "host-7", "EX", "600"},
		{"SADD", "storm:jobs", "wordcount", "backup"},
		{"HSET", "storm:job:wordcount", "status", "ACTIVE", "updated_at", now, "interval", "30", "processed", "1200", "failed", "3"},
		{"HSET", "storm:job:backup", "status", "SUCCESS", "updated_at", now, "last_success_at", now, "duration_ms", "52000", "type", "batch"},
		{"DEBUG", "SLEEP", "0.01"}, {"CONFIG", "SET", "slowlog-log-slower-than", "-1"},
	} {
		redis.Do(t, cmd...)
	}
	replica := redistest.Start(t, redistest.Config{})
	host, port, _ := strings.Cut(redis.Addr, ":")
	replica.Do(t, "REPLICAOF", host, port)
	node := redistest.Start(t, redistest.Config{Args: []string{"--cluster-enabled", "yes"}})
	node.Do(t, "CLUSTER", "ADDSLOTSRANGE", "0", "16383")
	sentinel := redistest.Start(t, redistest.Config{Args: []string{"--sentinel"}, Lines: []string{
		"sentinel monitor mymaster " + host + " " + port + " 1",
	}})
	await(t, "a replica and a cluster", func() bool {
		return strings.Contains(redis.Do(t, "INFO", "replication"), "state=online") &&
			strings.Contains(node.Do(t, "CLUSTER", "INFO"), "cluster_state:ok") &&
			strings.Contains(sentinel.Do(t, "INFO", "sentinel"), "slaves=1")
	})
	return map[string]string{
		"redis:6379": redis.Addr, "replica:6379": replica.Addr, "node:6379": node.Addr, "sentinel:26379": sentinel.Addr,
	}
}

// await waits for what real servers do in their own time.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(20 * time.Millisecond) {
		require.True(t, time.Now().Before(deadline), "no %s", what)
	}
}

// TestKeyReference holds docs/keys.md to the metrics: parameters and meaning come
// from the code, and every member that an example shows must be in a real answer.
func TestKeyReference(t *testing.T) {
	t.Parallel()
	old, err := os.ReadFile("docs/keys.md")
	require.True(t, err == nil || *update, "run: go test . -run TestKeyReference -update")
	shown := shownExamples(string(old))
	world := docsWorld(t)
	texts := metricComments(t)
	var b strings.Builder
	b.WriteString(keysIntro)
	for _, m := range metrics.All() {
		if strings.HasPrefix(m.Key, "redis.test.") {
			continue // only in the build for end-to-end tests
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", m.Key, m.Description)
		writeParams(&b, m)
		b.WriteString(texts[m.Key])
		if len(m.Commands) > 0 {
			fmt.Fprintf(&b, "\nIt sends: `%s`.\n", strings.Join(m.Commands, "`, `"))
		}
		example, ok := examples[m.Key]
		if !ok {
			continue
		}
		answer := abridged(t, answerTo(t, world, example))
		if !*update && answer != "" {
			requireShown(t, m.Key, shown[example], answer)
			answer = shown[example]
		}
		language := "json"
		if !strings.ContainsAny(answer[:1], "[{") {
			language = "text"
		}
		fmt.Fprintf(&b, "\nExample: `%s`\n\n```%s\n%s\n```\n", example, language, answer)
	}
	if *update {
		require.NoError(t, os.WriteFile("docs/keys.md", []byte(b.String()), 0o644))
		return
	}
	require.Equal(t, b.String(), string(old), "run: go test . -run TestKeyReference -update")
}

const keysIntro = `# Item keys

<!-- Written by: go test . -run TestKeyReference -update -->

Every key, its parameters and its answer. The first parameter of most keys is the name of a session of the agent's
configuration, or a URI; see the [README](../README.md#item-keys). Examples are real answers, cut short: a member "…"
says how much was left out. What is not known is left out of an answer, never 0.
`

func writeParams(b *strings.Builder, m *metrics.Metric) {
	if len(m.Params) == 0 {
		b.WriteString("It has no parameters.\n")
		return
	}
	b.WriteString("| | parameter | default | meaning |\n|---:|---|---|---|\n")
	for i, p := range m.Params {
		def := p.Default
		if p.Required {
			def = "required"
		}
		fmt.Fprintf(b, "| %d | %s | %s | %s |\n", i+1, p.Name, cell(def), cell(p.Description))
	}
}

// answerTo asks the plugin as -t does, with the world's hosts in place of the
// example's and back again.
func answerTo(t *testing.T, world map[string]string, key string) string {
	t.Helper()
	config := filepath.Join(t.TempDir(), "redisjobs.conf")
	text := "Plugins.RedisJobs.CustomCommands=1\nPlugins.RedisJobs.Sessions.Docs.Uri=tcp://" + world["redis:6379"] + "/10\n"
	require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
	for host, addr := range world {
		key = strings.ReplaceAll(key, host, addr)
	}
	value, err := plugin.Check(key, config, "0.0.0-dev")
	require.NoError(t, err, key)
	for host, addr := range world {
		value = strings.ReplaceAll(value, addr, host)
	}
	return value
}

const (
	left    = "…" // stands for members that were left out
	atMost  = 5   // members of an object below the first level
	longest = 90  // characters of a text
)

// abridged is a document as the reference shows it, or a single value.
func abridged(t *testing.T, value string) string {
	t.Helper()
	if value == "" || !strings.ContainsAny(value[:1], "[{") {
		return value
	}
	dec := json.NewDecoder(strings.NewReader(value))
	dec.UseNumber()
	var b bytes.Buffer
	shorten(t, dec, &b, 0)
	var out bytes.Buffer
	require.NoError(t, json.Indent(&out, b.Bytes(), "", "  "))
	return out.String()
}

// shorten copies one value, with the first members of each object and list.
func shorten(t *testing.T, dec *json.Decoder, b *bytes.Buffer, depth int) {
	t.Helper()
	token, err := dec.Token()
	require.NoError(t, err)
	delim, nested := token.(json.Delim)
	if !nested {
		if s, ok := token.(string); ok && len([]rune(s)) > longest {
			token = string([]rune(s)[:longest]) + left
		}
		raw, err := json.Marshal(token)
		require.NoError(t, err)
		b.Write(raw)
		return
	}
	b.WriteString(delim.String())
	n, most := 0, 1
	if delim == '{' {
		if most = atMost; depth == 0 {
			most = 1000
		}
	}
	for ; dec.More(); n++ {
		dst := b
		if n >= most {
			dst = &bytes.Buffer{}
		} else if n > 0 {
			b.WriteString(",")
		}
		if delim == '{' {
			name, err := dec.Token()
			require.NoError(t, err)
			fmt.Fprintf(dst, "%q:", name)
		}
		shorten(t, dec, dst, depth+1)
	}
	if n > most {
		more := fmt.Sprintf("%d more", n-most)
		if delim == '{' {
			fmt.Fprintf(b, ",%q:%q", left, more)
		} else {
			fmt.Fprintf(b, ",%q", left+" "+more)
		}
	}
	end, err := dec.Token()
	require.NoError(t, err)
	b.WriteString(end.(json.Delim).String())
}

// shownExamples are the answers in the reference, by item key.
func shownExamples(text string) map[string]string {
	out := map[string]string{}
	for _, m := range regexp.MustCompile("(?s)Example: `([^`]*)`\n\n```[a-z]+\n(.*?)\n```").FindAllStringSubmatch(text, -1) {
		out[m[1]] = m[2]
	}
	return out
}

// requireShown fails when the reference shows a member that a real answer has
// not, or of another type, or when it lacks one on the first level.
func requireShown(t *testing.T, key, shown, answer string) {
	t.Helper()
	require.NotEmpty(t, shown, "%s has no example: run: go test . -run TestKeyReference -update", key)
	if !strings.ContainsAny(answer[:1], "[{") {
		return // a single value
	}
	var a, b any
	require.NoError(t, json.Unmarshal([]byte(shown), &a), key)
	require.NoError(t, json.Unmarshal([]byte(answer), &b), key)
	requireShape(t, key, a, b, true)
}

// mayVary are members that depend on the moment or on the machine.
var mayVary = []string{"last_tried", "failures_in_a_row", "latency_events", "events", "sample", "progress"}

func requireShape(t *testing.T, path string, shown, real any, whole bool) {
	t.Helper()
	switch shown := shown.(type) {
	case map[string]any:
		members, ok := real.(map[string]any)
		require.True(t, ok, "%s is no object", path)
		for name, v := range shown {
			if name == left || slices.Contains(mayVary, name) {
				continue
			}
			if r, ok := members[name]; ok {
				requireShape(t, path+"."+name, v, r, false)
			} else {
				require.False(t, whole, "no answer has %s.%s any more", path, name)
			}
		}
		for name := range members {
			if whole && !slices.Contains(mayVary, name) {
				require.Contains(t, shown, name, "%s.%s is new: run: go test . -run TestKeyReference -update", path, name)
			}
		}
	case []any:
		list, ok := real.([]any)
		require.True(t, ok, "%s is no list", path)
		if len(shown) > 0 && len(list) > 0 {
			requireShape(t, path+"[]", shown[0], list[0], false)
		}
	default:
		require.IsType(t, shown, real, path)
	}
}

// metricComments are the comments on each metric and on the function that
// collects it, as Markdown, by key.
func metricComments(t *testing.T) map[string]string {
	t.Helper()
	fset := token.NewFileSet()
	files := map[string][]*ast.File{}
	for _, dir := range []string{"metrics", "metrics/jobs", "metrics/storm"} {
		names, err := filepath.Glob(dir + "/*.go")
		require.NoError(t, err)
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
			require.NoError(t, err)
			files[dir] = append(files[dir], f)
		}
	}
	constants, comments := map[string]string{}, map[string]string{}
	for _, dir := range slices.Sorted(maps.Keys(files)) {
		numbers(fset, files[dir], constants)
		for _, f := range files[dir] {
			durations(f, constants)
			declared(f, comments, strings.TrimPrefix(filepath.Base(dir)+".", "metrics."))
		}
	}
	comments["jobs.Figure"] = jobFigures(files["metrics/jobs"])
	// What collects a metric is called by its key.
	for _, f := range files["metrics"] {
		eachMetric(f, func(key, owner, collect string) {
			constants[owner], constants[collect] = key, key
		})
	}
	out := map[string]string{}
	for _, f := range files["metrics"] {
		eachMetric(f, func(key, owner, collect string) {
			var b strings.Builder
			for _, subject := range []string{owner, collect} {
				if doc := comments[subject]; doc != "" {
					b.WriteString(prose(subject, key, doc, constants, comments, 0))
				}
			}
			out[key] = b.String()
		})
	}
	return out
}

// eachMetric calls do with the key of each metric in a file, the variable that it
// is, or "", and the function that collects it.
func eachMetric(f *ast.File, do func(key, owner, collect string)) {
	ast.Inspect(f, func(n ast.Node) bool {
		literal, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		name, isText := fieldOf(literal, "Key").(*ast.BasicLit)
		collect, isFunc := fieldOf(literal, "Collect").(*ast.Ident)
		if isText && isFunc {
			key, _ := strconv.Unquote(name.Value)
			do(key, literalOwner(f, literal), collect.Name)
		}
		return true
	})
}

// jobFigures makes one text of the comments on the figures of job systems.
func jobFigures(files []*ast.File) string {
	names, rows := map[string]string{}, []string{}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				if n.Names[0].Name != "figureNames" {
					return true
				}
				for _, e := range n.Values[0].(*ast.CompositeLit).Elts {
					pair := e.(*ast.KeyValueExpr)
					names[pair.Key.(*ast.Ident).Name], _ = strconv.Unquote(pair.Value.(*ast.BasicLit).Value)
				}
			case *ast.GenDecl:
				if n.Doc == nil || !strings.HasPrefix(n.Doc.Text(), "The figures. ") {
					return true
				}
				rows = append(rows, "The figures:"+strings.TrimPrefix(n.Doc.Text(), "The figures."))
				for _, spec := range n.Specs {
					if doc := spec.(*ast.ValueSpec).Doc; doc != nil {
						rows = append(rows, " - "+strings.ReplaceAll(strings.TrimSpace(doc.Text()), "\n", "\n   "))
					}
				}
			}
			return true
		})
	}
	return regexp.MustCompile(`\b[A-Z][A-Za-z]+\b`).ReplaceAllStringFunc(strings.Join(rows, "\n"), func(s string) string {
		if name, ok := names[s]; ok {
			return name
		}
		return s
	})
}

// durations notes the constants of a file that are times, as a person says them.
func durations(f *ast.File, out map[string]string) {
	units := map[string]time.Duration{
		"Millisecond": time.Millisecond, "Second": time.Second, "Minute": time.Minute, "Hour": time.Hour,
	}
	unit := func(e ast.Expr) time.Duration {
		if s, ok := e.(*ast.SelectorExpr); ok {
			return units[s.Sel.Name]
		}
		return 0
	}
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			if len(v.Values) != 1 {
				continue
			}
			length := unit(v.Values[0])
			if product, ok := v.Values[0].(*ast.BinaryExpr); ok && product.Op == token.MUL {
				if n, ok := product.X.(*ast.BasicLit); ok {
					times, _ := strconv.Atoi(n.Value)
					length = time.Duration(times) * unit(product.Y)
				}
			}
			if length > 0 {
				out[v.Names[0].Name] = regexp.MustCompile(`(m)0s$|(h)0m0s$|(h)0m$`).ReplaceAllString(length.String(), "$1$2$3")
			}
		}
	}
}

func fieldOf(literal *ast.CompositeLit, name string) ast.Expr {
	for _, e := range literal.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			if id, ok := kv.Key.(*ast.Ident); ok && id.Name == name {
				return kv.Value
			}
		}
	}
	return nil
}

// literalOwner is the variable that is that metric; "" for one in a list.
func literalOwner(f *ast.File, literal *ast.CompositeLit) string {
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, s := range g.Specs {
			if v, ok := s.(*ast.ValueSpec); ok && len(v.Values) == 1 {
				if u, ok := v.Values[0].(*ast.UnaryExpr); ok && u.X == literal {
					return v.Names[0].Name
				}
			}
		}
	}
	return ""
}

// numbers evaluates the constants of a package that are numbers.
func numbers(fset *token.FileSet, files []*ast.File, out map[string]string) {
	config := types.Config{Error: func(error) {}, Importer: nil}
	info := &types.Info{Defs: map[*ast.Ident]types.Object{}}
	_, _ = config.Check("x", fset, files, info) // what it imports is not known, and need not be
	for id, object := range info.Defs {
		if c, ok := object.(*types.Const); ok && c.Val().Kind() == constant.Int && c.Parent() == c.Pkg().Scope() {
			out[id.Name] = c.Val().String()
		}
	}
}

// declared notes the comments of a file's declarations by qualified name.
func declared(f *ast.File, out map[string]string, qualifier string) {
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			name := d.Name.Name
			if d.Recv != nil {
				of := d.Recv.List[0].Type
				if p, ok := of.(*ast.StarExpr); ok {
					of = p.X
				}
				name = types.ExprString(of) + "." + name
			}
			if d.Doc != nil {
				out[qualifier+name] = d.Doc.Text()
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.ValueSpec:
					if text := cmpDoc(s.Doc, d.Doc); text != "" {
						out[qualifier+s.Names[0].Name] = text
					}
				case *ast.TypeSpec:
					if text := cmpDoc(s.Doc, d.Doc); text != "" {
						out[qualifier+s.Name.Name] = text
					}
				}
			}
		}
	}
}

func cmpDoc(groups ...*ast.CommentGroup) string {
	for _, g := range groups {
		if g != nil {
			return g.Text()
		}
	}
	return ""
}

var seeRE = regexp.MustCompile(`\(?\bsee ([A-Za-z]+(?:\.[A-Za-z]+)*)\b\)?`)

// prose makes Markdown of a comment: its subject is called by the key, numbers
// stand for constants, and what it says to see follows.
func prose(subject, key, text string, constants, comments map[string]string, depth int) string {
	called := key
	if depth > 0 {
		subject = subject[strings.LastIndexByte(subject, '.')+1:]
		called = strings.ToUpper(subject[:1]) + subject[1:]
	}
	text = strings.Replace(text, subject+" ", called+" ", 1)
	var more []string
	text = strings.ReplaceAll(text, "derived (see there)", "derived (see derived)")
	text = seeRE.ReplaceAllStringFunc(text, func(s string) string {
		name := seeRE.FindStringSubmatch(s)[1]
		if comments[name] == "" || depth > 0 {
			return s
		}
		if !slices.Contains(more, name) {
			more = append(more, name)
		}
		return strings.Replace(s, seeRE.FindStringSubmatch(s)[1], "below", 1)
	})
	text = regexp.MustCompile(`\b[A-Za-z][a-z]+[A-Z][A-Za-z]*\b`).ReplaceAllStringFunc(text, func(s string) string {
		if n, ok := constants[s]; ok {
			return n
		}
		return s
	})
	parsed := new(comment.Parser).Parse(text)
	out := "\n" + string((&comment.Printer{HeadingLevel: 4}).Markdown(parsed))
	for _, name := range more {
		out += prose(name, key, comments[name], constants, comments, depth+1)
	}
	return out
}

// TestConfigurationReference holds docs/configuration.md to the options.
func TestConfigurationReference(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(configurationIntro)
	for _, o := range conf.Table() {
		if strings.HasPrefix(o.Name, "Default.") {
			continue // as in a session
		}
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n", strings.ReplaceAll(o.Name, "*", "&lt;name&gt;"), o.Doc)
		def := o.DefaultNote
		if def == "" && o.Default != "" {
			def = "`" + o.Default + "`"
		}
		if def == "" {
			def = "nothing"
		}
		fmt.Fprintf(&b, "Default: %s.", def)
		if o.Range != "" {
			fmt.Fprintf(&b, " Range: %s.", o.Range)
		}
		fmt.Fprintf(&b, "\n\n```conf\nPlugins.RedisJobs.%s=%s\n```\n", strings.ReplaceAll(o.Name, "*", "Prod"), o.Example)
	}
	if *update {
		require.NoError(t, os.WriteFile("docs/configuration.md", []byte(b.String()), 0o644))
	}
	old, err := os.ReadFile("docs/configuration.md")
	require.NoError(t, err)
	require.Equal(t, b.String(), string(old), "run: go test . -run TestConfigurationReference -update")
}

const configurationIntro = `# Configuration

<!-- Written by: go test . -run TestConfigurationReference -update -->

The options stand in the agent's configuration, by default in
` + "`/etc/zabbix/zabbix_agent2.d/plugins.d/redisjobs.conf`" + `, each in a line ` + "`Plugins.RedisJobs.<option>=<value>`" + `. The agent
reads them when it starts, and at ` + "`zabbix_agent2 -R userparameter_reload`" + ` no more: restart it. An unknown option, a
value out of range or a file that cannot be read keeps the agent from starting, with a message that names the line.
` + "`zabbix-agent2-plugin-redisjobs doctor`" + ` says beforehand what is wrong.

Each field of a connection is taken from the first that has it: item key, session, ` + "`Default.…`" + `, built-in default.
` + "`Default.`" + ` takes every field of a session.

Times are seconds, or have a unit: ` + "`90`, `90s`, `5m`, `1h`" + `. Sizes are bytes, or have one: ` + "`64K`, `1M`" + `.
`
