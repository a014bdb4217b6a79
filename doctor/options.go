package doctor

import (
	"errors"
	"fmt"
	"io/fs"
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
		d.stops("options", willNotStart(d.where(err.Error())), "correct the line; the shipped redisjobs.conf has every option with its range")
		return
	}
	broken := options.Broken()
	for _, b := range broken {
		whose := "the session " + b.Session
		if b.Session == "" {
			whose = "Default"
		}
		d.say(problem, "options", fmt.Sprintf("%s: items of %s are errors, all others work", d.where(b.Err.Error()), whose), d.fixBroken(b.Err))
	}
	closed := d.files()
	switch {
	case len(broken) > 0:
	case d.user.unknown != "":
		d.say(fine, "options", "they are valid; whether the agent may read the files that they name is not known", "")
	case closed > 0:
		d.say(fine, "options", "they are valid", "")
	default:
		d.say(fine, "options", "they are valid, and the user "+d.user.name+" may read the files that they name", "")
	}
	for _, text := range options.Warnings() {
		d.warn(text)
	}
	d.commands(options)
	d.timeouts(options)
	d.hidden(options)
	if !d.offline {
		d.sessions(options)
	}
}

// fixBroken is what to do about a session that cannot be used.
func (d *doctor) fixBroken(err error) string {
	text := err.Error()
	switch {
	case errors.Is(err, conf.ErrEmptyFile) && strings.Contains(text, "Password"):
		return "write the password, and nothing else, into the file that the line names"
	case errors.Is(err, conf.ErrEmptyFile) && strings.Contains(text, "TokenFile"):
		return "write the token, and nothing else, into the file that the line names"
	case errors.Is(err, conf.ErrEmptyFile):
		return "write the certificate or key, in PEM form, into the file that the line names"
	case errors.Is(err, fs.ErrNotExist):
		return "create the file that the line names, readable for the user " + d.user.name + ", or correct the line"
	case errors.Is(err, fs.ErrPermission):
		return "run this as root, and let the user " + d.user.name + " read the file that the line names"
	}
	if m := place.FindStringSubmatch(text); m != nil && m[2] == "" && strings.HasSuffix(m[1], "File") {
		return "correct the file that the line names, or the line"
	}
	return "correct the line"
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
		d.say(warning, "files", text, "chmod 0640 "+file+" && chown root:"+d.user.group+" "+file)
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
				"chmod 0640 "+l.File+" && chown root:"+d.user.group+" "+l.File)
		}
	}
}

// files finds what the agent's user cannot read, though we can, and counts it.
func (d *doctor) files() (closed int) {
	for _, file := range d.config.Files {
		if !d.user.may(file, mayRead) {
			closed++
			d.stops("files", fmt.Sprintf("the user %s may not read %s: the agent will not start", d.user.name, file),
				"chgrp "+d.user.group+" "+file+" && chmod 0640 "+file)
		}
	}
	for _, l := range d.config.Lines {
		named := strings.HasPrefix(l.Name, prefix) && strings.HasSuffix(l.Name, "File") && l.Value != ""
		if _, err := os.Stat(l.Value); err != nil {
			continue // it may be no path but a password, which must not be printed
		}
		if named && !d.user.may(l.Value, mayRead) {
			closed++
			d.say(problem, "files", fmt.Sprintf("%s: the user %s may not read %s", l.At(), d.user.name, l.Value),
				"chgrp "+d.user.group+" "+l.Value+" && chmod 0640 "+l.Value)
		}
	}
	return closed
}

// timeouts finds a plugin that is slower than agents before 7.0 are patient. Later
// ones wait as long as the item says.
func (d *doctor) timeouts(options *conf.Options) {
	if d.version.Known() && !d.version.Before(7, 0) {
		return
	}
	agent := 3
	for _, name := range []string{"Timeout", "PluginTimeout"} {
		if l, ok := d.config.Last(name); ok {
			if n, err := strconv.Atoi(strings.TrimSuffix(l.Value, "s")); err == nil && n > 0 {
				agent = n
			}
		}
	}
	l, ok := d.config.Last(prefix + "Timeout")
	if !ok || options.Timeout <= time.Duration(agent)*time.Second {
		return
	}
	whose := "this agent, which has version " + d.version.String() + ","
	if !d.version.Known() {
		whose = "an agent before 7.0, which this one may be,"
	}
	d.say(warning, "timeouts", fmt.Sprintf("%s: the plugin may take %s, but %s waits no longer than its own Timeout of %d s", l.At(), options.Timeout, whose, agent),
		fmt.Sprintf("in %s: Timeout=%d", d.config.Main, int(options.Timeout.Seconds())))
}
