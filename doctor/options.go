package doctor

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"redisjobs/conf"
)

// place finds the option, and its line if it is known, in the messages of
// package conf.
var place = regexp.MustCompile(`^(\S+?)(?: \(line (\d+)\))?: `)

// where adds the file to a message of package conf, which knows the line alone.
func (d *doctor) where(text string) string {
	m := place.FindStringSubmatch(text)
	if m == nil {
		return text
	}
	for _, l := range slices.Backward(d.config.lines) { // the last one counts
		if (l.name == m[1] || strings.HasPrefix(l.name, m[1]+".")) && (m[2] == "" || strconv.Itoa(l.no) == m[2]) {
			return l.file + ": " + text
		}
	}
	return text
}

// options looks at the plugin's own options and the files that they name, then
// at the sessions.
func (d *doctor) options() {
	d.secrets()
	options, err := conf.LoadFile(d.config.main)
	if err != nil {
		d.say(problem, "options", d.where(err.Error())+": the agent will not start", "correct the line; the shipped redisjobs.conf has every option with its range")
		return
	}
	if err := options.CheckFiles(); err != nil {
		d.say(problem, "options", d.where(err.Error())+": the agent will not start", "create the file, readable for the user "+d.user.name+", or correct the path")
	} else {
		d.say(fine, "options", "they are valid, and the files they name can be read", "")
	}
	for _, text := range options.Warnings() {
		file := text[strings.LastIndexByte(text, ' ')+1:]
		d.say(warning, "files", text, "chmod 0640 "+file+" && chown root:"+d.user.name+" "+file)
	}
	d.files()
	d.timeouts(options)
	if !d.offline {
		d.sessions(options)
	}
}

// secrets finds passwords in files that everybody can read.
func (d *doctor) secrets() {
	reported := map[string]bool{}
	for _, l := range d.config.lines {
		secret := strings.HasPrefix(l.name, prefix) && strings.HasSuffix(l.name, "Password") && l.value != ""
		if secret && !reported[l.file] && worldReadable(l.file) {
			reported[l.file] = true
			d.say(warning, "files", fmt.Sprintf("%s: %s: every user of this machine can read this password", l.at(), l.name),
				"chmod 0640 "+l.file+" && chown root:"+d.user.name+" "+l.file)
		}
	}
}

// files finds what the agent's user cannot read, though we can.
func (d *doctor) files() {
	for _, file := range d.config.files {
		if !d.user.may(file, mayRead) {
			d.say(problem, "files", fmt.Sprintf("the user %s may not read %s: the agent will not start", d.user.name, file),
				"chgrp "+d.user.name+" "+file+" && chmod 0640 "+file)
		}
	}
	for _, l := range d.config.lines {
		named := strings.HasPrefix(l.name, prefix) && strings.HasSuffix(l.name, "File") && l.value != ""
		if _, err := os.Stat(l.value); err != nil {
			continue // it may be no path but a password, which must not be printed
		}
		if named && !d.user.may(l.value, mayRead) {
			d.say(problem, "files", fmt.Sprintf("%s: the user %s may not read %s", l.at(), d.user.name, l.value),
				"chgrp "+d.user.name+" "+l.value+" && chmod 0640 "+l.value)
		}
	}
}

// timeouts finds a plugin that is slower than agents before 7.0 are patient.
func (d *doctor) timeouts(options *conf.Options) {
	agent := 3
	for _, name := range []string{"Timeout", "PluginTimeout"} {
		if l, ok := d.config.last(name); ok {
			if n, err := strconv.Atoi(strings.TrimSuffix(l.value, "s")); err == nil && n > 0 {
				agent = n
			}
		}
	}
	l, ok := d.config.last(prefix + "Timeout")
	if ok && options.Timeout > time.Duration(agent)*time.Second {
		d.say(warning, "timeouts", fmt.Sprintf("%s: the plugin may take %s, but an agent before 7.0 waits no longer than its own timeout of %d s",
			l.at(), options.Timeout, agent), fmt.Sprintf("Timeout=%d", int(options.Timeout.Seconds())))
	}
}
