package main

import (
	"go/ast"
	"go/constant"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

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
