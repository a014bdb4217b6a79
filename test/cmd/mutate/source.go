package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// mutant is one change as gremlins reports it.
type mutant struct {
	Type   string `json:"type"`
	Status string `json:"status"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
}

// The states of a mutant, in gremlins' words.
const (
	killed     = "KILLED"
	lived      = "LIVED"
	timedOut   = "TIMED OUT"
	notCovered = "NOT COVERED"
	notViable  = "NOT VIABLE"
)

// changes are gremlins', by type.
var changes = map[string]map[string]string{
	"CONDITIONALS_NEGATION": {"==": "!=", "!=": "==", "<=": ">", ">=": "<", "<": ">=", ">": "<="},
	"CONDITIONALS_BOUNDARY": {"<=": "<", ">=": ">", "<": "<=", ">": ">="},
	"INVERT_LOGICAL":        {"&&": "||", "||": "&&"},
	"ARITHMETIC_BASE":       {"+": "-", "-": "+", "*": "/", "/": "*", "%": "*"},
	"INVERT_ASSIGNMENTS":    {"+=": "-=", "-=": "+=", "*=": "/=", "/=": "*=", "%=": "*="},
	"REMOVE_SELF_ASSIGNMENTS": {
		"+=": "=", "-=": "=", "*=": "=", "/=": "=", "%=": "=", "&=": "=", "|=": "=", "^=": "=", "<<=": "=", ">>=": "=", "&^=": "=",
	},
	"INCREMENT_DECREMENT": {"++": "--", "--": "++"},
	"INVERT_NEGATIVES":    {"-": "+"},
	"INVERT_LOOPCTRL":     {"break": "continue", "continue": "break"},
}

// source is a file of the package.
type source struct {
	path string
	text string
	file *token.File
	tree *ast.File
}

func read(path string) (*source, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	tree, err := parser.ParseFile(fset, path, text, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	return &source{path, string(text), fset.File(tree.Pos()), tree}, nil
}

// judge corrects the state of a mutant where gremlins cannot know it.
func (s *source) judge(dir, pkg string, m *mutant) error {
	var args []string
	switch {
	case m.Status == notCovered && s.unmeasured(s.pos(*m)):
		args = []string{"test", "-failfast", "-timeout", "1m"}
	case m.Status == timedOut:
		args = []string{"test", "-failfast", "-timeout", "20s"}
	case m.Status == killed && (m.Type == "ARITHMETIC_BASE" || m.Type == "INVERT_ASSIGNMENTS"):
		args = []string{"build"}
	default:
		return nil
	}
	overlay, ok, err := s.overlay(dir, *m)
	if err != nil || !ok {
		return err
	}
	err = exec.Command("go", append(args, "-overlay", overlay, "./"+pkg)...).Run()
	var failed *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &failed):
		return err
	case m.Status == killed && err != nil:
		m.Status = notViable
	case m.Status == notCovered && err != nil:
		m.Status = killed
	case err == nil && m.Status != killed:
		m.Status = lived
	}
	return nil
}

// try runs the package's tests on a mutant that gremlins has only listed.
func (s *source) try(dir, pkg string, m *mutant) error {
	if m.Status == notCovered && !s.unmeasured(s.pos(*m)) {
		return nil
	}
	overlay, ok, err := s.overlay(dir, *m)
	if err != nil || !ok {
		m.Status = notViable
		return err
	}
	for _, step := range []struct {
		args   []string
		failed string
	}{
		{[]string{"build"}, notViable},
		{[]string{"test", "-failfast", "-timeout", "1m"}, killed},
	} {
		err := exec.Command("go", append(step.args, "-overlay", overlay, "./"+pkg)...).Run()
		var failed *exec.ExitError
		switch {
		case errors.As(err, &failed):
			m.Status = step.failed
			return nil
		case err != nil:
			return err
		}
	}
	m.Status = lived
	return nil
}

// overlay writes the changed file and what `go test -overlay` wants to know of it.
// ok is false for a change that is not known here.
func (s *source) overlay(dir string, m mutant) (path string, ok bool, err error) {
	at := s.file.Offset(s.pos(m))
	was := ""
	for op := range changes[m.Type] {
		if len(op) > len(was) && strings.HasPrefix(s.text[at:], op) {
			was = op
		}
	}
	if was == "" {
		return "", false, nil
	}
	changed := filepath.Join(dir, "changed.go")
	path = filepath.Join(dir, "overlay.json")
	original, err := filepath.Abs(s.path)
	if err != nil {
		return "", false, err
	}
	text := s.text[:at] + changes[m.Type][was] + s.text[at+len(was):]
	if err := os.WriteFile(changed, []byte(text), 0o600); err != nil {
		return "", false, err
	}
	list, err := json.Marshal(map[string]any{"Replace": map[string]string{original: changed}})
	if err != nil {
		return "", false, err
	}
	return path, true, os.WriteFile(path, list, 0o600)
}

func (s *source) pos(m mutant) token.Pos {
	return s.file.LineStart(m.Line) + token.Pos(m.Column-1)
}

// unmeasured reports whether pos is where Go's coverage counts nothing: in the
// condition of a case, or in no function.
func (s *source) unmeasured(pos token.Pos) bool {
	inFunction, inCase := false, false
	ast.Inspect(s.tree, func(n ast.Node) bool {
		if n == nil || pos < n.Pos() || n.End() <= pos {
			return false
		}
		switch n := n.(type) {
		case *ast.FuncDecl, *ast.FuncLit:
			inFunction, inCase = true, false
		case *ast.CaseClause:
			inCase = pos < n.Colon
		}
		return true
	})
	return inCase || !inFunction
}

// function names the function or variable that pos is in.
func (s *source) function(pos token.Pos) string {
	for _, decl := range s.tree.Decls {
		if pos < decl.Pos() || decl.End() <= pos {
			continue
		}
		switch d := decl.(type) {
		case *ast.FuncDecl:
			return d.Name.Name
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if v, ok := spec.(*ast.ValueSpec); ok && v.Pos() <= pos && pos < v.End() {
					return v.Names[0].Name
				}
			}
		}
	}
	return "?"
}

// line is the source line of a mutant.
func (s *source) line(m mutant) string {
	line, _, _ := strings.Cut(s.text[s.file.Offset(s.file.LineStart(m.Line)):], "\n")
	return fmt.Sprintf("%d:%d %s", m.Line, m.Column, strings.TrimSpace(line))
}
