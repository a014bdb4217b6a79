package redisclient

import (
	"crypto/tls"
	"net"
	"slices"
	"strconv"

	"redisjobs/redisclient/resp"
)

// Config says where and how to connect.
type Config struct {
	// Network is "tcp" or "unix"; "tcp" if empty.
	Network string
	// Address is host:port or the path of a unix socket.
	Address string
	// TLS, if set, secures the connection. An empty ServerName becomes the
	// host of Address.
	TLS *tls.Config
	// User is the ACL user; "" and "default" are the default user.
	User string
	// Password may be empty only for the default user of a server without
	// one, or for an ACL user with nopass.
	Password string
	// Login names the settings that User and Password come from, for errors.
	Login Login
	// Database is selected if it is not 0.
	Database int
	// ClientName is shown by CLIENT LIST; none is set if empty. A server that
	// refuses the name is used all the same.
	ClientName string
	// Known: a connection to this server was answered before, so that one that
	// ends without an answer is no sign of a server that wants TLS.
	Known bool
	// Renamed, if set, is what a command, in upper case, is called on the server;
	// false when it has its own name. Commands of DoAll are sent as they are.
	Renamed func(command string) (string, bool)
	// Limits bound each reply.
	Limits resp.Limits
	// Stage, if set, is called with what Dial does from now on, in words for people.
	Stage func(what string)
}

func (c Config) stage(what string) {
	if c.Stage != nil {
		c.Stage(what)
	}
}

// step names the commands that open a conversation.
type step int

const (
	stepAuth step = iota
	stepSelect
	stepName
)

// opening is what must be said before the first command.
type opening struct {
	steps []step
	cmds  []Command
	// answered counts the steps that were.
	answered int
	// secret: a password is sent.
	secret bool
	user   string // that AUTH names, if it does
	login  Login
}

func (o *opening) add(s step, cmd ...string) {
	o.steps = append(o.steps, s)
	o.cmds = append(o.cmds, cmd)
}

// awaits reports whether the reply to a step is still to come. A nil opening
// has no steps.
func (o *opening) awaits(s step) bool {
	return o != nil && slices.Contains(o.steps[o.answered:], s)
}

// pending reports whether the reply to any step is still to come.
func (o *opening) pending() bool { return o != nil && o.answered < len(o.steps) }

// opening returns nil if there is nothing to say.
func (c Config) opening() *opening {
	var o opening
	user := c.User
	if user == "default" {
		user = ""
	}
	switch {
	case user != "":
		o.add(stepAuth, "AUTH", user, c.Password)
		o.user = user
	case c.Password != "":
		// Servers before 6.0 know no user.
		o.add(stepAuth, "AUTH", c.Password)
	}
	if c.Database != 0 {
		o.add(stepSelect, "SELECT", strconv.Itoa(c.Database))
	}
	if c.ClientName != "" {
		o.add(stepName, "CLIENT", "SETNAME", c.ClientName)
	}
	if len(o.cmds) == 0 {
		return nil
	}
	for i := range o.cmds {
		if c.Renamed == nil {
			break
		}
		if name, ok := c.Renamed(o.cmds[i][0]); ok {
			o.cmds[i][0] = name
		}
	}
	o.secret, o.login = c.Password != "", c.Login
	return &o
}

// network is Network with its default.
func (c Config) network() string {
	if c.Network == "" {
		return "tcp"
	}
	return c.Network
}

// tls is TLS with the name of the host that was dialed.
func (c Config) tls() *tls.Config {
	if c.TLS.ServerName != "" || c.network() == "unix" {
		return c.TLS
	}
	host, _, err := net.SplitHostPort(c.Address)
	if err != nil {
		return c.TLS
	}
	named := c.TLS.Clone()
	named.ServerName = host
	return named
}
