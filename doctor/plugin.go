package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const (
	prefix        = "Plugins.RedisJobs."
	pathOption    = prefix + "System.Path"
	socketOption  = "PluginSocket"
	defaultSocket = "/tmp/agent.plugin.sock"
	// maxSocket is what a unix socket's path may have; sun_path of unix(7).
	maxSocket = 107
)

// plugin looks whether the agent can start this program. It is false when the
// agent does not know it at all.
func (d *doctor) plugin() bool {
	l, ok := d.config.last(pathOption)
	if !ok || l.value == "" {
		d.say(problem, "plugin", "the agent does not know this plugin: no line sets "+pathOption, d.fixUnknown())
		return false
	}
	d.executable(l)
	d.paths(l)
	d.socket()
	return true
}

// fixUnknown is for the shipped file that no Include reaches, or else the
// line itself.
func (d *doctor) fixUnknown() string {
	shipped := filepath.Join(filepath.Dir(d.config.main), "zabbix_agent2.d", "plugins.d", "redisjobs.conf")
	if _, err := os.Stat(shipped); err == nil {
		return "Include=./zabbix_agent2.d/plugins.d/*.conf\nin " + d.config.main + ": it includes " + shipped
	}
	self, err := os.Executable()
	if err != nil {
		self = "/usr/sbin/zabbix-agent2-plugin/zabbix-agent2-plugin-redisjobs"
	}
	return pathOption + "=" + self
}

func (d *doctor) executable(l line) {
	st, err := os.Stat(l.value)
	switch {
	case !filepath.IsAbs(l.value):
		d.say(problem, "plugin", fmt.Sprintf("%s: %s must be an absolute path", l.at(), pathOption), d.fixUnknown())
	case err != nil:
		d.say(problem, "plugin", fmt.Sprintf("%s: %v: the agent will not start", l.at(), err), "install it there, or: "+d.fixUnknown())
	case !st.Mode().IsRegular():
		d.say(problem, "plugin", fmt.Sprintf("%s: %s is no file", l.at(), l.value), d.fixUnknown())
	case !executable(st.Mode()):
		d.say(problem, "plugin", l.value+" is not executable: the agent will not start", "chmod 0755 "+l.value)
	case !d.user.may(l.value, mayRun):
		d.say(problem, "plugin", fmt.Sprintf("the user %s may not run %s: the agent will not start", d.user.name, l.value),
			"chmod 0755 "+l.value+"\nand let the user into the folders above it: chmod o+x <folder>")
	default:
		d.say(fine, "plugin", "the agent starts "+l.value, "")
	}
}

// paths finds the program under two names, which registers its keys twice.
func (d *doctor) paths(l line) {
	for _, other := range d.config.lines {
		name, isPath := strings.CutSuffix(other.name, ".System.Path")
		if isPath && other.name != pathOption && strings.HasPrefix(name, "Plugins.") && other.value == l.value {
			d.say(problem, "plugin", fmt.Sprintf("%s: %s starts this plugin under another name: the agent will not start",
				other.at(), other.name), "remove that line; "+l.at()+" is the right one")
		}
	}
}

func (d *doctor) socket() {
	path := defaultSocket
	where := "the default"
	if l, ok := d.config.last(socketOption); ok && l.value != "" {
		path, where = l.value, l.at()
	}
	if strings.HasPrefix(path, `\\.\pipe\`) {
		return
	}
	dir := filepath.Dir(path)
	st, err := os.Stat(dir)
	switch {
	case !filepath.IsAbs(path):
		d.say(problem, "socket", fmt.Sprintf("%s: %s=%s is no absolute path", where, socketOption, path), socketOption+"=/run/zabbix/agent.plugin.sock")
	case len(path) > maxSocket:
		d.say(problem, "socket", fmt.Sprintf("%s: the path of %s has %d bytes; a socket may have %d", where, socketOption, len(path), maxSocket),
			socketOption+"=/run/zabbix/agent.plugin.sock")
	case err != nil:
		d.say(problem, "socket", fmt.Sprintf("%s: the folder of %s=%s: %v", where, socketOption, path, err), "create the folder for the agent's user: install -d -o "+d.user.name+" "+dir)
	case !st.IsDir():
		d.say(problem, "socket", fmt.Sprintf("%s: %s is no folder", where, dir), socketOption+"=/run/zabbix/agent.plugin.sock")
	case !d.user.may(dir, mayWrite) || !d.user.may(dir, mayRun):
		d.say(problem, "socket", fmt.Sprintf("the user %s may not make the socket %s", d.user.name, path), "chown "+d.user.name+" "+dir)
	default:
		d.say(fine, "socket", path+" ("+where+")", "")
	}
}
