package docs_test

import (
	"errors"
	"go/ast"
	"go/constant"
	"go/doc"
	"go/doc/comment"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// metricsFolder is where the metrics and all that their comments refer to are,
// at any depth.
const metricsFolder = "metrics"

// sources are the packages below metricsFolder, by folder.
type sources map[string]*sourcePackage

// sourcePackage is what docs/keys.md takes from the code of one package.
type sourcePackage struct {
	name      string
	files     []*ast.File
	comments  map[string]string // by Name or Type.Method
	constants map[string]string // numbers and times, as a person writes them
	metrics   []sourceMetric
}

// sourceMetric is a composite literal with a Key and a Collect.
type sourceMetric struct {
	key string
	// subjects are the names whose comments describe it: the variable that it is,
	// if any, and the function that collects it.
	subjects []string
}

// metricComments are the comments on each metric and on the function that
// collects it, as Markdown, by key.
func metricComments(t *testing.T) map[string]string {
	t.Helper()
	src := readSources(t)
	out := map[string]string{}
	for _, p := range src.sorted() {
		for _, m := range p.metrics {
			var b strings.Builder
			for _, subject := range m.subjects {
				text, at := p.comments[subject], p
				if strings.Contains(subject, ".") {
					text, at = src.comment(p, subject)
				}
				if text != "" {
					b.WriteString(src.prose(at, subject, m.key, text, 0))
				}
			}
			out[m.key] = b.String()
		}
	}
	for _, k := range allKeys() {
		if _, ok := out[k.key]; !ok {
			t.Errorf("docs/keys.md: no Go file in %s/ has a composite literal with Key: %q and Collect", metricsFolder, k.key)
		}
	}
	return out
}

// readSources parses the packages and finds metrics, comments and constants.
func readSources(t *testing.T) sources {
	t.Helper()
	fset, src := token.NewFileSet(), sources{}
	require.NoError(t, filepath.WalkDir(top(metricsFolder), func(name string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		dir := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(name)), "../")
		if src[dir] == nil {
			src[dir] = &sourcePackage{name: f.Name.Name, comments: map[string]string{}, constants: map[string]string{}}
		}
		src[dir].files = append(src[dir].files, f)
		return nil
	}))
	checked := &checker{fset: fset, src: src, done: map[string]*types.Package{}, std: importer.ForCompiler(fset, "source", nil)}
	for dir, p := range src {
		checked.constants(dir, p)
		p.readComments(t, fset, dir)
		p.readMetrics()
		// What collects a metric is called by its key.
		for _, m := range p.metrics {
			for _, subject := range m.subjects {
				p.constants[subject] = m.key
			}
		}
	}
	return src
}

func (src sources) sorted() []*sourcePackage {
	var out []*sourcePackage
	for _, dir := range slices.Sorted(maps.Keys(src)) {
		out = append(out, src[dir])
	}
	return out
}

// lookup finds what a package means by a name: its own declaration, that of the
// package before the dot, or else that of the only package that has one.
func (src sources) lookup(from *sourcePackage, name string, in func(*sourcePackage) map[string]string) (string, *sourcePackage) {
	if text := in(from)[name]; text != "" {
		return text, from
	}
	qualifier, rest, qualified := strings.Cut(name, ".")
	var text string
	var at *sourcePackage
	for _, p := range src.sorted() {
		if qualified && p.name == qualifier && in(p)[rest] != "" {
			return in(p)[rest], p
		}
		if other := in(p)[name]; other != "" {
			if at != nil && other != text {
				return "", nil
			}
			text, at = other, p
		}
	}
	return text, at
}

func (src sources) comment(from *sourcePackage, name string) (string, *sourcePackage) {
	return src.lookup(from, name, func(p *sourcePackage) map[string]string { return p.comments })
}

func (src sources) constant(from *sourcePackage, name string) string {
	text, _ := src.lookup(from, name, func(p *sourcePackage) map[string]string { return p.constants })
	return text
}

// readComments notes the comments of a package's declarations.
func (p *sourcePackage) readComments(t *testing.T, fset *token.FileSet, dir string) {
	t.Helper()
	docs, err := doc.NewFromFiles(fset, p.files, dir, doc.AllDecls|doc.PreserveAST)
	require.NoError(t, err)
	values := slices.Concat(docs.Consts, docs.Vars)
	functions := docs.Funcs
	for _, typ := range docs.Types {
		p.comments[typ.Name] = typ.Doc
		values = slices.Concat(values, typ.Consts, typ.Vars)
		functions = slices.Concat(functions, typ.Funcs)
		for _, m := range typ.Methods {
			p.comments[typ.Name+"."+m.Name] = m.Doc
		}
	}
	for _, f := range functions {
		p.comments[f.Name] = f.Doc
	}
	for _, v := range values {
		for _, spec := range v.Decl.Specs {
			s := spec.(*ast.ValueSpec)
			if p.comments[s.Names[0].Name] = s.Doc.Text(); s.Doc == nil {
				p.comments[s.Names[0].Name] = v.Doc
			}
		}
		if rows, ok := strings.CutPrefix(v.Doc, "The figures."); ok {
			p.readFigures(v.Decl, "The figures:"+rows)
		}
	}
}

// readFigures makes one text of the comments on the constants that are the
// figures of job systems; their type has it.
func (p *sourcePackage) readFigures(decl *ast.GenDecl, text string) {
	var names map[string]string // of the constants in documents: the largest table that has such rows
	for _, f := range p.files {
		ast.Inspect(f, func(n ast.Node) bool {
			if table, ok := n.(*ast.CompositeLit); ok {
				if rows := texts(table); len(rows) > len(names) {
					names = rows
				}
			}
			return true
		})
	}
	rows := []string{text}
	for _, spec := range decl.Specs {
		if doc := spec.(*ast.ValueSpec).Doc; doc != nil {
			rows = append(rows, " - "+strings.ReplaceAll(strings.TrimSpace(doc.Text()), "\n", "\n   "))
		}
	}
	typ := types.ExprString(decl.Specs[0].(*ast.ValueSpec).Type)
	p.comments[typ] = word.ReplaceAllStringFunc(strings.Join(rows, "\n"), func(s string) string {
		if name, ok := names[s]; ok {
			return name
		}
		return s
	})
}

// readMetrics finds the metrics of a package.
func (p *sourcePackage) readMetrics() {
	owners := map[ast.Expr][]string{} // the variable that a literal is the value of
	for _, f := range p.files {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				for i, value := range n.Values {
					if address, ok := value.(*ast.UnaryExpr); ok {
						value = address.X
					}
					owners[value] = []string{n.Names[i].Name}
				}
			case *ast.CompositeLit:
				key, ok := textOf(field(n, "Key"))
				if collect := field(n, "Collect"); ok && collect != nil {
					p.metrics = append(p.metrics, sourceMetric{key, append(owners[n], functions(collect)...)})
				}
			}
			return true
		})
	}
}

func field(literal *ast.CompositeLit, name string) ast.Expr {
	for _, e := range literal.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			if id, ok := kv.Key.(*ast.Ident); ok && id.Name == name {
				return kv.Value
			}
		}
	}
	return nil
}

// functions are the names in the expression that is a metric's Collect: of the
// function, or of those that it is made of.
func functions(collect ast.Expr) []string {
	switch e := collect.(type) {
	case *ast.Ident:
		return []string{e.Name}
	case *ast.SelectorExpr:
		return []string{types.ExprString(e)}
	case *ast.CallExpr:
		var out []string
		for _, argument := range e.Args {
			out = append(out, functions(argument)...)
		}
		return out
	}
	return nil
}

// texts are the rows of a table that are a name and a text.
func texts(table *ast.CompositeLit) map[string]string {
	out := map[string]string{}
	for _, e := range table.Elts {
		if pair, ok := e.(*ast.KeyValueExpr); ok {
			name, isName := pair.Key.(*ast.Ident)
			if text, ok := textOf(pair.Value); ok && isName {
				out[name.Name] = text
			}
		}
	}
	return out
}

func textOf(e ast.Expr) (string, bool) {
	literal, ok := e.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(literal.Value)
	return text, err == nil
}

// checker evaluates constants: it checks the types of the packages below
// metricsFolder and of package time, and does without all others.
type checker struct {
	fset *token.FileSet
	src  sources
	done map[string]*types.Package
	std  types.Importer
}

func (c *checker) constants(dir string, p *sourcePackage) {
	info := &types.Info{Defs: map[*ast.Ident]types.Object{}}
	config := types.Config{Error: func(error) {}, Importer: c}
	checked, _ := config.Check(dir, c.fset, p.files, info)
	c.done[dir] = checked
	for name, object := range info.Defs {
		k, ok := object.(*types.Const)
		if !ok || k.Parent() != checked.Scope() || k.Val().Kind() != constant.Int {
			continue
		}
		p.constants[name.Name] = k.Val().ExactString()
		if k.Type().String() == "time.Duration" {
			ns, _ := constant.Int64Val(k.Val())
			p.constants[name.Name] = zeroUnits.ReplaceAllString(time.Duration(ns).String(), "$1$2$3")
		}
	}
}

// zeroUnits are the units of a time.Duration that say nothing.
var zeroUnits = regexp.MustCompile(`(m)0s$|(h)0m0s$|(h)0m$`)

// Import is that of types.Importer.
func (c *checker) Import(name string) (*types.Package, error) {
	if name == "time" {
		return c.std.Import(name)
	}
	dir := strings.TrimPrefix(name, "redisjobs/")
	p := c.src[dir]
	if p == nil {
		return nil, errors.New("not needed: " + path.Base(name))
	}
	if c.done[dir] == nil {
		c.constants(dir, p)
	}
	return c.done[dir], nil
}

var (
	seeRE  = regexp.MustCompile(`\(?\bsee ([A-Za-z]+(?:\.[A-Za-z]+)*)\b\)?`)
	word   = regexp.MustCompile(`\b[A-Za-z]+\b`)
	joined = regexp.MustCompile(`\b[a-z]+\.[A-Z][A-Za-z]*\b|\b[A-Za-z][a-z]+[A-Z][A-Za-z]*\b`) // names of constants
)

// prose makes Markdown of a comment: its subject is called by the key, numbers
// stand for constants, and what it says to see follows.
func (src sources) prose(at *sourcePackage, subject, key, text string, depth int) string {
	subject = subject[strings.LastIndexByte(subject, '.')+1:]
	called := key
	if depth > 0 {
		called = strings.ToUpper(subject[:1]) + subject[1:]
	}
	text = strings.Replace(text, subject+" ", called+" ", 1)
	var more []string
	text = strings.ReplaceAll(text, "derived (see there)", "derived (see derived)")
	text = seeRE.ReplaceAllStringFunc(text, func(s string) string {
		name := seeRE.FindStringSubmatch(s)[1]
		if other, _ := src.comment(at, name); other == "" || depth > 0 {
			return s
		}
		if !slices.Contains(more, name) {
			more = append(more, name)
		}
		return strings.Replace(s, name, "below", 1)
	})
	text = joined.ReplaceAllStringFunc(text, func(s string) string {
		if n := src.constant(at, s); n != "" {
			return n
		}
		return s
	})
	parsed := new(comment.Parser).Parse(text)
	out := "\n" + string((&comment.Printer{HeadingLevel: 4}).Markdown(parsed))
	for _, name := range more {
		other, there := src.comment(at, name)
		out += src.prose(there, name, key, other, depth+1)
	}
	return out
}
