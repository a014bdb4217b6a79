package doctor

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"unicode/utf8"
)

// line is one setting where it stands.
type line struct {
	file  string
	no    int
	name  string
	value string
}

// at is the place as it is shown.
func (l line) at() string { return l.file + ":" + strconv.Itoa(l.no) }

// config is what an agent makes of its files: all settings in the order in
// which it meets them.
type config struct {
	main  string
	files []string
	lines []line
	// problems are what keeps the agent from reading the files.
	problems []finding
}

// The agent's own bounds. Source: golang.zabbix.com/sdk/conf.
const (
	maxLine  = 2048
	maxDepth = 9
)

// maxFile bounds what is read of one file.
const maxFile = 16 << 20

// readConfig reads a configuration and what it includes. What the agent would
// refuse becomes a problem, and the rest is read nevertheless.
func readConfig(path string) *config {
	c := &config{main: path}
	c.read(path, line{}, 1)
	return c
}

// read reads one file; from is the line that includes it.
func (c *config) read(path string, from line, depth int) {
	data, err := readFile(path)
	if err != nil {
		c.fail(from, err, fixUnreadable(path, err))
		return
	}
	c.files = append(c.files, path)
	no := 0
	for text := range bytes.SplitSeq(data, []byte("\n")) {
		no++
		l := line{file: path, no: no}
		text = bytes.TrimSpace(text)
		if len(text) == 0 || text[0] == '#' {
			continue
		}
		name, value, assigned := strings.Cut(string(text), "=")
		l.name, l.value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case len(text) > maxLine:
			c.fail(l, fmt.Errorf("the line is longer than %d bytes", maxLine), "shorten it")
		case !utf8.Valid(text):
			c.fail(l, errors.New("the line is not valid UTF-8"), "save the file as UTF-8")
		case !assigned || l.name == "":
			c.fail(l, errors.New("the line is no Name=Value"), "put a # before it, or complete it")
		case strings.ContainsFunc(l.name, notNameRune):
			c.fail(l, fmt.Errorf("%q is no valid name: it takes letters, digits, dots and underscores", l.name), "correct the name")
		case l.name == "Include":
			c.include(l, depth)
		default:
			c.lines = append(c.lines, l)
		}
	}
}

func notNameRune(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '.')
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.IsDir() {
		return nil, fmt.Errorf("%s is a folder", path)
	}
	return io.ReadAll(io.LimitReader(f, maxFile))
}

func fixUnreadable(path string, err error) string {
	if errors.Is(err, os.ErrPermission) {
		return "run this as root or as the agent's user"
	}
	return "name the agent's configuration: doctor -c <file>" + orElse(path)
}

func orElse(path string) string {
	if path == defaultConfig {
		return ""
	}
	return " (the usual one is " + defaultConfig + ")"
}

// include follows an Include line as the agent does: relative to the main file,
// a folder as all its files, a pattern only in the last part, in alphabetical
// order.
func (c *config) include(l line, depth int) {
	if depth >= maxDepth {
		c.fail(l, errors.New("too many Includes within Includes"), "remove this line: does the file include itself?")
		return
	}
	path := filepath.Clean(l.value)
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(c.main), path)
	}
	pattern := hasPattern(filepath.Base(path))
	looked := path
	if pattern {
		looked = filepath.Dir(path)
	}
	st, err := os.Stat(looked)
	switch {
	case strings.HasPrefix(l.value, "*"):
		err = errors.New("the path must be absolute, or begin with ./")
	case hasPattern(filepath.Dir(path)):
		err = errors.New("a pattern may stand only in the name of the file, not of a folder")
	case err == nil && pattern && !st.IsDir():
		err = fmt.Errorf("%s is no folder", looked)
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

func (c *config) fail(l line, err error, fix string) {
	text := err.Error()
	if l.file != "" {
		text = l.at() + ": " + text
	}
	c.problems = append(c.problems, finding{level: problem, subject: "configuration", text: text, fix: fix})
}

// all are the lines with a name, in order.
func (c *config) all(name string) []line {
	var out []line
	for _, l := range c.lines {
		if l.name == name {
			out = append(out, l)
		}
	}
	return out
}

// last is the line that counts for a name.
func (c *config) last(name string) (line, bool) {
	all := c.all(name)
	if len(all) == 0 {
		return line{}, false
	}
	return all[len(all)-1], true
}
