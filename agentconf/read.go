package agentconf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Line is one setting and where it stands.
type Line struct {
	File  string
	No    int
	Name  string
	Value string
	// Variable is the environment variable that the line takes its value from,
	// on agents from 7.2 on; "" for none.
	Variable string
}

// At is the place as it is shown.
func (l Line) At() string { return l.File + ":" + strconv.Itoa(l.No) }

// Problem is why an agent does not read its configuration.
type Problem struct {
	Text string // with the place
	Fix  string
	Err  error
}

// Config is what an agent makes of its files: all settings in the order in
// which it meets them.
type Config struct {
	Main     string
	Files    []string
	Lines    []Line
	Problems []Problem
	// Variables are the lines whose value is nothing but ${NAME}, Include lines
	// among them. Unset are those of them whose variable is not set; they are not
	// in Lines when variables are replaced.
	Variables []Line
	Unset     []Line

	lookup Lookup
}

// Lookup finds the value of an environment variable.
type Lookup func(name string) (value string, set bool)

// The agent's own bounds. Source: golang.zabbix.com/sdk/conf.
const (
	maxLine  = 2048
	maxDepth = 9
)

// maxFile bounds what is read of one file, in bytes.
const maxFile = 16 << 20

// Read reads a configuration and what it includes. lookup is for the environment
// variables of agents from 7.2 on; nil leaves ${NAME} as it is, as older agents
// do.
func Read(path string, lookup Lookup) *Config {
	c := &Config{Main: path, lookup: lookup}
	c.read(path, Line{}, 1)
	return c
}

// Err is the first problem; nil when there is none.
func (c *Config) Err() error {
	if len(c.Problems) == 0 {
		return nil
	}
	p := c.Problems[0]
	return &readError{p.Text, p.Err}
}

// Unreadable reports whether a file may not be read, so that lines may be missing.
func (c *Config) Unreadable() bool {
	return slices.ContainsFunc(c.Problems, func(p Problem) bool { return errors.Is(p.Err, fs.ErrPermission) })
}

// readError has the place in its text.
type readError struct {
	text string
	err  error
}

func (e *readError) Error() string { return e.text }
func (e *readError) Unwrap() error { return e.err }

var bom = []byte("\ufeff")

// read reads one file; from is the line that includes it.
func (c *Config) read(path string, from Line, depth int) {
	data, err := readFile(path)
	if err != nil {
		c.fail(from, err, fixUnreadable(path, err))
		return
	}
	c.Files = append(c.Files, path)
	if bytes.HasPrefix(data, bom) {
		c.fail(Line{File: path, No: 1}, errors.New("the file begins with a byte order mark, which the agent takes for a part of the first line"),
			"save the file as UTF-8 without BOM: sed -i '1s/^\\xEF\\xBB\\xBF//' "+path)
		data = bytes.TrimPrefix(data, bom)
	}
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		c.fail(Line{File: path, No: 1}, errors.New("the file is in UTF-16"), "save it as UTF-8 without BOM")
		return
	}
	no := 0
	for text := range bytes.SplitSeq(data, []byte("\n")) {
		no++
		text = bytes.TrimSpace(text)
		if len(text) == 0 || text[0] == '#' {
			continue
		}
		c.line(Line{File: path, No: no}, text, depth)
	}
}

// line reads one line that is no comment.
func (c *Config) line(l Line, text []byte, depth int) {
	name, value, assigned := strings.Cut(string(text), "=")
	l.Name, l.Value = strings.TrimSpace(name), strings.TrimSpace(value)
	switch {
	case len(text) > maxLine:
		c.fail(l, fmt.Errorf("the line is longer than %d bytes", maxLine), "shorten it")
		return
	case !utf8.Valid(text):
		c.fail(l, errors.New("the line is not valid UTF-8"), "save the file as UTF-8")
		return
	case !assigned || l.Name == "":
		c.fail(l, errors.New("the line is not of the form Name=Value"), "put a # before it, or complete it")
		return
	case strings.ContainsFunc(l.Name, notNameRune):
		// What follows may be a password: a line without its "=" may have one in the value.
		shown, what := l.Name, "%.80q is not a valid name"
		if at := strings.IndexFunc(l.Name, func(r rune) bool { return r != '-' && notNameRune(r) }); at >= 0 {
			shown, what = l.Name[:at], "the name that begins with %.80q is not valid"
		}
		if parts := strings.Split(l.Name, "."); shown == l.Name && len(parts) == 5 && parts[2] == "Sessions" && strings.Contains(parts[3], "-") && !strings.Contains(parts[4], "-") {
			parts[3] = strings.ReplaceAll(parts[3], "-", "_")
			c.fail(l, fmt.Errorf(what+": the name of a session takes letters, digits and underscores: %s", shown, parts[3]), strings.Join(parts, ".")+"=...")
			return
		}
		c.fail(l, fmt.Errorf(what+": it takes letters, digits, dots and underscores", shown), "correct the name, or put the = behind it")
		return
	}
	if !c.replace(&l) {
		return
	}
	if l.Name == "Include" {
		c.include(l, depth)
	} else {
		c.Lines = append(c.Lines, l)
	}
}

// replace puts the value of an environment variable into a line, and reports
// whether the line counts.
func (c *Config) replace(l *Line) bool {
	l.Variable = variable(l.Value)
	if l.Variable == "" {
		return true
	}
	c.Variables = append(c.Variables, *l)
	if c.lookup == nil {
		return true
	}
	value, set := c.lookup(l.Variable)
	switch {
	case !set:
		c.Unset = append(c.Unset, *l)
		return false
	case strings.Contains(value, "\n") || !utf8.ValidString(value):
		c.fail(*l, fmt.Errorf("the environment variable %s holds a line end or invalid UTF-8", l.Variable), "correct the variable")
		return false
	}
	l.Value = value
	return true
}

// variable is NAME when a value is nothing but ${NAME}.
// Source: golang.zabbix.com/sdk/conf of 7.2, ^\$\{[a-zA-Z_]+[a-zA-Z0-9_]*\}$.
func variable(value string) string {
	name, begins := strings.CutPrefix(value, "${")
	name, ends := strings.CutSuffix(name, "}")
	if !begins || !ends || name == "" || name[0] >= '0' && name[0] <= '9' {
		return ""
	}
	if strings.ContainsFunc(name, func(r rune) bool { return notNameRune(r) || r == '.' }) {
		return ""
	}
	return name
}

func notNameRune(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '.')
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, inWords(path, err)
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.IsDir() {
		return nil, fmt.Errorf("%s is a folder", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil, inWords(path, err)
	}
	return data, nil
}

// inWords is an error of the operating system without the name of its call.
func inWords(path string, err error) error {
	var pe *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &readError{path + " does not exist (no such file or directory)", err}
	case errors.Is(err, fs.ErrPermission):
		return &readError{path + " may not be read (permission denied)", err}
	case errors.As(err, &pe):
		return &readError{path + " cannot be read: " + pe.Err.Error(), err}
	}
	return err
}

func fixUnreadable(path string, err error) string {
	if errors.Is(err, fs.ErrPermission) {
		return "run this as root or as the agent's user"
	}
	fix := "name the agent's configuration: -c <file>"
	if path != Default {
		fix += " (the usual one is " + Default + ")"
	}
	return fix
}

// include follows an Include line as the agent does: relative to the main file,
// a folder as all its files, a pattern only in the last part, in alphabetical
// order.
func (c *Config) include(l Line, depth int) {
	if depth >= maxDepth {
		c.fail(l, errors.New("too many Includes within Includes"), "remove this line: does the file include itself?")
		return
	}
	path := filepath.Clean(l.Value)
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(c.Main), path)
	}
	pattern := hasPattern(filepath.Base(path))
	looked := path
	if pattern {
		looked = filepath.Dir(path)
	}
	st, err := os.Stat(looked)
	switch {
	case strings.HasPrefix(l.Value, "*"):
		err = errors.New("the path must be absolute, or begin with ./")
	case hasPattern(filepath.Dir(path)):
		err = errors.New("a pattern may stand only in the name of the file, not of a folder")
	case err == nil && pattern && !st.IsDir():
		err = fmt.Errorf("%s is not a folder", looked)
	case err != nil:
		err = inWords(looked, err)
	}
	if err != nil {
		c.fail(l, fmt.Errorf("the agent cannot include this: %w", err), "create it, correct the path, or remove the line")
		return
	}
	names := []string{path}
	switch {
	case pattern:
		names, _ = filepath.Glob(path) // as the agent: a pattern that is none was seen above
	case st.IsDir():
		names, _ = filepath.Glob(filepath.Join(path, "*"))
	}
	for _, name := range names {
		if st, err := os.Stat(name); err == nil && st.IsDir() {
			continue
		}
		c.read(name, l, depth+1)
	}
}

func hasPattern(path string) bool {
	if runtime.GOOS == "windows" {
		return strings.ContainsAny(path, "*?[")
	}
	return strings.ContainsAny(path, `*?[\`)
}

func (c *Config) fail(l Line, err error, fix string) {
	text := err.Error()
	if l.File != "" {
		text = l.At() + ": " + text
	}
	c.Problems = append(c.Problems, Problem{Text: text, Fix: fix, Err: err})
}

// All are the lines with a name, in order.
func (c *Config) All(name string) []Line {
	var out []Line
	for _, l := range c.Lines {
		if l.Name == name {
			out = append(out, l)
		}
	}
	return out
}

// Below are the lines whose names begin with a prefix, in order, less those
// without a value.
func (c *Config) Below(prefix string) []Line {
	var out []Line
	for _, l := range c.Lines {
		if strings.HasPrefix(l.Name, prefix) && l.Value != "" {
			out = append(out, l)
		}
	}
	return out
}

// Last is the line that counts for a name.
func (c *Config) Last(name string) (Line, bool) {
	all := c.All(name)
	if len(all) == 0 {
		return Line{}, false
	}
	return all[len(all)-1], true
}
