package doctor

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"redisjobs/agentconf"
	"redisjobs/conf"
)

// place finds the option, and its line if it is known, in the messages of
// package conf.
var place = regexp.MustCompile(`^(\S+?)(?: \(line (\d+)\))?:? `)

// where adds the file to a message of package conf, which knows the line alone.
func (d *doctor) where(text string) string {
	m := place.FindStringSubmatch(text)
	if m == nil {
		return text
	}
	for _, l := range slices.Backward(d.config.Lines) { // the last one counts
		if (l.Name == m[1] || strings.HasPrefix(l.Name, m[1]+".")) && (m[2] == "" || strconv.Itoa(l.No) == m[2]) {
			if m[2] == "" && l.Name == m[1] { // the text has no line, which leads to the value
				return l.At() + ": " + text
			}
			return l.File + ": " + text
		}
	}
	return text
}

// willNotStart is a message of package conf with its consequence.
func willNotStart(text string) string {
	if strings.HasSuffix(text, "?") {
		return text + " The agent will not start"
	}
	return text + ": the agent will not start"
}

// options looks at the plugin's own options and the files that they name, then
// at the sessions.
func (d *doctor) options() {
	d.secrets()
	options, err := conf.Load(d.withoutProblems())
	if err != nil {
		d.say(problem, "options", willNotStart(d.where(err.Error())), "correct the line; the shipped redisjobs.conf has every option with its range")
		return
	}
	broken := options.Broken()
	for _, b := range broken {
		whose := "the session " + b.Session
		if b.Session == "" {
			whose = "Default"
		}
		d.say(problem, "options", fmt.Sprintf("%s: items of %s are errors, all others work", d.where(b.Err.Error()), whose),
			"correct the line, or create the file that it names, readable for the user "+d.user.name)
	}
	if len(broken) == 0 {
		d.say(fine, "options", "they are valid, and the files they name can be read", "")
	}
	for _, text := range options.Warnings() {
		d.warn(text)
	}
	d.files()
	d.commands(options)
	d.timeouts(options)
	d.hidden(options)
	if !d.offline {
		d.sessions(options)
	}
}

// withoutProblems is the configuration without what the agent cannot read, which
// is reported, for a look at the rest.
func (d *doctor) withoutProblems() *agentconf.Config {
	c := *d.config
	c.Problems = nil
	return &c
}

// What package conf says of a file that everybody can read, and of one that
// everybody can replace.
const (
	openToAll   = "every user of this machine can read "
	replaceable = "every user of this machine can replace the program: take away the right to write to "
)

// warn reports a warning of package conf.
func (d *doctor) warn(text string) {
	if _, file, found := strings.Cut(text, openToAll); found {
		d.say(warning, "files", text, "chmod 0640 "+file+" && chown root:"+d.user.name+" "+file)
		return
	}
	if _, file, found := strings.Cut(text, replaceable); found {
		d.say(problem, "files", text, "chmod o-w "+file)
		return
	}
	d.say(warning, "options", d.where(text), "correct or remove the line")
}

// secrets finds passwords in files that everybody can read.
func (d *doctor) secrets() {
	reported := map[string]bool{}
	for _, l := range d.config.Lines {
		secret := strings.HasPrefix(l.Name, prefix) && strings.HasSuffix(l.Name, "Password") && l.Value != "" && l.Variable == ""
		if secret && !reported[l.File] && worldReadable(l.File) {
			reported[l.File] = true
			d.say(warning, "files", fmt.Sprintf("%s: %s: every user of this machine can read this password", l.At(), l.Name),
				"chmod 0640 "+l.File+" && chown root:"+d.user.name+" "+l.File)
		}
	}
}

// files finds what the agent's user cannot read, though we can.
func (d *doctor) files() {
	for _, file := range d.config.Files {
		if !d.user.may(file, mayRead) {
			d.say(problem, "files", fmt.Sprintf("the user %s may not read %s: the agent will not start", d.user.name, file),
				"chgrp "+d.user.name+" "+file+" && chmod 0640 "+file)
		}
	}
	for _, l := range d.config.Lines {
		named := strings.HasPrefix(l.Name, prefix) && strings.HasSuffix(l.Name, "File") && l.Value != ""
		if _, err := os.Stat(l.Value); err != nil {
			continue // it may be no path but a password, which must not be printed
		}
		if named && !d.user.may(l.Value, mayRead) {
			d.say(problem, "files", fmt.Sprintf("%s: the user %s may not read %s", l.At(), d.user.name, l.Value),
				"chgrp "+d.user.name+" "+l.Value+" && chmod 0640 "+l.Value)
		}
	}
}

// timeouts finds a plugin that is slower than agents before 7.0 are patient.
func (d *doctor) timeouts(options *conf.Options) {
	agent := 3
	for _, name := range []string{"Timeout", "PluginTimeout"} {
		if l, ok := d.config.Last(name); ok {
			if n, err := strconv.Atoi(strings.TrimSuffix(l.Value, "s")); err == nil && n > 0 {
				agent = n
			}
		}
	}
	l, ok := d.config.Last(prefix + "Timeout")
	if ok && options.Timeout > time.Duration(agent)*time.Second {
		d.say(warning, "timeouts", fmt.Sprintf("%s: the plugin may take %s, but an agent before 7.0 waits no longer than its own timeout of %d s",
			l.At(), options.Timeout, agent), fmt.Sprintf("Timeout=%d", int(options.Timeout.Seconds())))
	}
}
