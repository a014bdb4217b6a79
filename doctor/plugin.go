package doctor

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"redisjobs/agentconf"
)

const (
	prefix       = "Plugins.RedisJobs."
	pathOption   = prefix + "System.Path"
	socketOption = "PluginSocket"
	// maxSocket is what a unix socket's path may have; sun_path of unix(7).
	maxSocket = 107
)

// plugin looks whether the agent can start this program.
func (d *doctor) plugin() {
	l, ok := d.config.Last(pathOption)
	switch {
	case !ok && d.config.Unreadable():
		// The line may stand in what could not be read, which is reported.
	case ok && l.Value == "":
		d.stops("plugin", l.At()+": "+pathOption+" is empty: the agent will not start", d.fixUnknown())
	case !ok:
		d.say(problem, "plugin", "the agent does not know this plugin: no line sets "+pathOption, d.fixUnknown())
	default:
		d.executable(l)
		d.paths(l)
	}
	d.socket()
}

// fixUnknown is for the shipped file that no Include reaches, or else the
// line itself.
func (d *doctor) fixUnknown() string {
	shipped := filepath.Join(filepath.Dir(d.config.Main), "zabbix_agent2.d", "plugins.d", "redisjobs.conf")
	if _, err := os.Stat(shipped); err == nil {
		return "Include=./zabbix_agent2.d/plugins.d/*.conf\nin " + d.config.Main + ": it includes " + shipped
	}
	self, err := os.Executable()
	if err != nil {
		self = "/usr/sbin/zabbix-agent2-plugin/zabbix-agent2-plugin-redisjobs"
	}
	return pathOption + "=" + self
}

func (d *doctor) executable(l agentconf.Line) {
	st, err := os.Stat(l.Value)
	switch {
	case !filepath.IsAbs(l.Value):
		d.stops("plugin", fmt.Sprintf("%s: %s must be an absolute path: the agent will not start", l.At(), pathOption), d.fixUnknown())
	case err != nil:
		d.stops("plugin", fmt.Sprintf("%s: %v: the agent will not start", l.At(), err), "install it there, or: "+d.fixUnknown())
	case !st.Mode().IsRegular():
		d.stops("plugin", fmt.Sprintf("%s: %s is not a file: the agent will not start", l.At(), l.Value), d.fixUnknown())
	case !executable(st.Mode()):
		d.stops("plugin", l.Value+" is not executable: the agent will not start", "chmod 0755 "+l.Value)
	case !d.user.may(l.Value, mayRun):
		d.stops("plugin", fmt.Sprintf("the user %s may not run %s: the agent will not start", d.user.name, l.Value),
			"chmod 0755 "+l.Value+"\nand let the user into the folders above it: chmod o+x <folder>")
	default:
		d.say(fine, "plugin", "the agent starts "+l.Value, "")
	}
}

// paths finds the program under two names, and other programs with the same keys:
// an agent refuses keys that are registered twice.
func (d *doctor) paths(l agentconf.Line) {
	for _, other := range d.config.Lines {
		name, isPath := strings.CutSuffix(other.Name, ".System.Path")
		if !isPath || other.Name == pathOption || !strings.HasPrefix(name, "Plugins.") {
			continue
		}
		switch {
		case other.Value == l.Value:
			d.stops("plugin", fmt.Sprintf("%s: %s starts this plugin under another name: the agent will not start",
				other.At(), other.Name), "remove that line; "+l.At()+" is the right one")
		case holds(other.Value, ownKey):
			d.stops("plugin", fmt.Sprintf("%s: %s starts a program with the item keys of this plugin: the agent will not start",
				other.At(), other.Name), "remove one of the two: that line, or "+l.At())
		}
	}
}

// ownKey is an item key that no other plugin has by accident. A program that
// registers it has it among its texts.
const ownKey = "redis.server.slowlog.count"

// holds reports whether a program has a text in it. One that cannot be read has
// not.
func holds(path, text string) bool {
	const (
		most  = 256 << 20
		chunk = 1 << 20
	)
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return false
	}
	r := io.LimitReader(f, most)
	buf := make([]byte, 0, chunk+len(text))
	for {
		n, err := io.ReadFull(r, buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if bytes.Contains(buf, []byte(text)) {
			return true
		}
		if err != nil {
			return false
		}
		buf = append(buf[:0], buf[len(buf)-len(text):]...) // it may stand across the border
	}
}

func (d *doctor) socket() {
	path := defaultSocket
	where := "the default"
	if l, ok := d.config.Last(socketOption); ok && l.Value != "" {
		path, where = l.Value, l.At()
	}
	if strings.HasPrefix(path, `\\.\pipe\`) {
		return
	}
	dir := filepath.Dir(path)
	st, err := os.Stat(dir)
	switch {
	case !filepath.IsAbs(path):
		d.stops("socket", fmt.Sprintf("%s: %s=%s is not an absolute path: the agent will not start", where, socketOption, path), socketOption+"=/run/zabbix/agent.plugin.sock")
	case len(path) > maxSocket:
		d.stops("socket", fmt.Sprintf("%s: the path of %s has %d bytes, and a socket may have %d: the agent will not start", where, socketOption, len(path), maxSocket),
			socketOption+"=/run/zabbix/agent.plugin.sock")
	case err != nil:
		d.stops("socket", fmt.Sprintf("%s: the folder of %s=%s: %v: the agent will not start", where, socketOption, path, err), "create the folder for the agent's user: install -d -o "+d.user.name+" "+dir)
	case !st.IsDir():
		d.stops("socket", fmt.Sprintf("%s: %s is not a folder: the agent will not start", where, dir), socketOption+"=/run/zabbix/agent.plugin.sock")
	case !d.user.may(dir, mayWrite) || !d.user.may(dir, mayRun):
		d.stops("socket", fmt.Sprintf("the user %s may not create the socket %s: the agent will not start", d.user.name, path), "chown "+d.user.name+" "+dir)
	default:
		d.say(fine, "socket", path+" ("+where+")", "")
	}
}
