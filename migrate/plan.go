package migrate

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"redisjobs/agentconf"
	"redisjobs/conf"
)

// plan is a change: what is written, and what has to be done before it.
type plan struct {
	dir   string
	files []file
	// obstacles keep it from being made; notes do not.
	obstacles []string
	notes     []string
	sessions  []string // that are asked
	options   *conf.Options
}

// file is one that the plan writes.
type file struct {
	path string
	text string
	what string   // it is for
	show []string // its lines as they may be printed
	// model is a file that the same users may read; "" for what all may.
	model string
	// closed: it may hold passwords, and must not be for all, whatever model is.
	closed bool
}

func (p *plan) stop(format string, args ...any) {
	p.obstacles = append(p.obstacles, fmt.Sprintf(format, args...))
}

func (p *plan) note(format string, args ...any) {
	p.notes = append(p.notes, fmt.Sprintf(format, args...))
}

// settings is an agent's configuration as the agent takes it, and as it is written.
type settings struct {
	live, raw *agentconf.Config
	version   agentconf.Version // of the agent; the zero value when it is not known
}

// readSettings reads a configuration as the agent of that program does, which is asked
// for its version only where that matters.
func readSettings(path, agent string) settings {
	s := settings{raw: agentconf.Read(path, nil)}
	if _, timeout := s.raw.Last(builtinPrefix + "Timeout"); timeout || len(s.raw.Variables) > 0 {
		s.version, _ = agentconf.VersionOf(agent) // without one, as of today
	}
	if s.live = s.raw; len(s.raw.Variables) > 0 && s.version.ReplacesVariables() {
		s.live = agentconf.Read(path, os.LookupEnv)
	}
	return s
}

// base is what is the same for both ways.
func base(s settings) *plan {
	p := &plan{dir: folder(s.live)}
	for _, problem := range s.live.Problems {
		p.stop("%s (%s)", problem.Text, problem.Fix)
	}
	if _, known := s.live.Last(prefix + "System.Path"); !known && !s.live.Unreadable() {
		p.stop("the agent does not know this plugin: no line sets %sSystem.Path; %s doctor says more", prefix, program)
	}
	return p
}

// forth plans the change to this plugin.
func forth(s settings) *plan {
	p := base(s)
	c := copySettings(s.raw)
	c.dropTimeout(s)
	p.obstacles = append(p.obstacles, c.clash...)
	p.notes = append(p.notes, c.left...)
	if len(c.lines) > 0 {
		path := filepath.Join(p.dir, sessionsName)
		text := c.text()
		if old, err := os.ReadFile(path); err == nil { // of an earlier change
			text = strings.TrimRight(string(old), "\n") + "\n" + text[strings.Index(text, "\n\n")+2:]
		}
		f := file{path: path, text: text, what: "the built-in plugin's settings, copied", model: c.source(), closed: true}
		for _, l := range c.lines {
			f.show = append(f.show, shown(l)+"   (from "+l.At()+")")
		}
		p.files = append(p.files, f)
	}
	for _, group := range c.there {
		p.note("%s%s is there already, and leads to the same server", prefix, group)
	}
	p.aliasesOn(s.live)
	for _, g := range gaps(s.live, false) {
		p.stop("%s", g)
	}
	p.check(s, c)
	return p
}

// aliasesOn plans the file of the aliases, unless they are on.
func (p *plan) aliasesOn(c *agentconf.Config) {
	ours, others := builtinAliases(c)
	for _, a := range others {
		p.stop("%s: %s is an alias of %s: remove the line", a.At(), a.Written(), a.Target)
	}
	if len(ours) > 0 {
		p.note("%s: the aliases are on already", ours[0].At())
		return
	}
	f := file{path: filepath.Join(p.dir, aliasesName), text: AliasFile(true), what: "the aliases, switched on"}
	for line := range strings.Lines(f.text) {
		if strings.HasPrefix(line, "Alias=") {
			f.show = append(f.show, strings.TrimSpace(line))
		}
	}
	p.files = append(p.files, f)
}

// check reads the configuration as it will be, and lists the sessions to ask.
func (p *plan) check(s settings, c copies) {
	future := *s.live
	future.Problems = nil
	future.Lines = slices.Clone(s.live.Lines)
	for _, l := range s.live.Below(builtinPrefix) { // with the variables replaced
		l.Name = prefix + strings.TrimPrefix(l.Name, builtinPrefix)
		if slices.ContainsFunc(c.lines, func(copied agentconf.Line) bool { return copied.Name == l.Name }) {
			future.Lines = append(future.Lines, l)
		}
	}
	options, err := conf.Load(&future)
	if err != nil {
		p.stop("%v", err)
		return
	}
	p.options = options
	var broken []string
	for _, b := range options.Broken() {
		p.stop("%v", b.Err)
		broken = append(broken, b.Session)
	}
	for _, l := range s.live.Below(builtinPrefix + "Sessions.") {
		name, _, _ := strings.Cut(strings.TrimPrefix(l.Name, builtinPrefix+"Sessions."), ".")
		if !slices.Contains(p.sessions, name) && !slices.Contains(broken, name) {
			p.sessions = append(p.sessions, name)
		}
	}
	if l, ok := s.live.Last(builtinPrefix + "Default.Uri"); ok && l.Value != "" && !slices.Contains(broken, "") {
		p.sessions = append(p.sessions, "") // what an empty parameter means
	}
}

// back plans the way to the built-in plugin.
func back(s settings) *plan {
	p := &plan{dir: folder(s.live)}
	path := filepath.Join(p.dir, aliasesName)
	ours, _ := builtinAliases(s.live)
	elsewhere := false
	for _, a := range ours {
		if a.File != path {
			elsewhere = true
			p.stop("%s: put a # before Alias=%s", a.At(), a.Value)
		}
	}
	switch {
	case len(ours) == 0:
		p.note("the aliases are off already: the built-in plugin answers its keys")
	case !elsewhere:
		p.files = append(p.files, file{path: path, text: AliasFile(false), what: "the aliases, switched off"})
	}
	for _, g := range gaps(s.live, true) {
		p.stop("%s", g)
	}
	if only := onlyOurs(s.live); len(only) > 0 {
		p.note("the built-in plugin does not know these sessions, and takes their names for hosts: %s", strings.Join(only, ", "))
	}
	if copies := filepath.Join(p.dir, sessionsName); exists(copies) {
		p.note("%s stays: items of this plugin's own keys may use its sessions", copies)
	}
	return p
}

// onlyOurs are the sessions that the built-in plugin does not have.
func onlyOurs(c *agentconf.Config) []string {
	names := func(from string) (out []string) {
		for _, l := range c.Below(from + "Sessions.") {
			name, _, _ := strings.Cut(strings.TrimPrefix(l.Name, from+"Sessions."), ".")
			if !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
		return out
	}
	theirs := names(builtinPrefix)
	return slices.DeleteFunc(names(prefix), func(name string) bool { return slices.Contains(theirs, name) })
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
