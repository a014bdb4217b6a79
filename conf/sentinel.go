package conf

import (
	"errors"
	"net"
	"strings"
)

// networkSentinel is the network of targets that sentinels know the address of.
const networkSentinel = "sentinel"

const (
	sentinelPort  = "26379"
	maxSentinels  = 32
	maxMasterName = 128
)

var (
	errNoMaster   = errors.New(`the name of the master is missing, as in sentinel://s1:26379,s2:26379/mymaster; in an item key quote an address with commas: "sentinel://s1:26379,s2:26379/mymaster"`)
	errMasterName = errors.New("the name of the master may have letters, digits, dots, dashes and underscores")
	errSentinels  = errors.New("names more than 32 sentinels")
)

// parseSentinel reads host[:port],…/master[/database].
func parseSentinel(s string) (*endpoint, error) {
	e := &endpoint{network: networkSentinel, database: -1}
	s, err := e.cutUser(s)
	if err != nil {
		return nil, err
	}
	authority, path, _ := strings.Cut(s, "/")
	for part := range strings.SplitSeq(authority, ",") {
		host, port, err := splitHostPort(part)
		if err != nil {
			return nil, err
		}
		if port == defaultPort && !strings.HasSuffix(part, ":"+defaultPort) {
			port = sentinelPort
		}
		e.hosts = append(e.hosts, strings.ToLower(net.JoinHostPort(host, port)))
	}
	if len(e.hosts) > maxSentinels {
		return nil, errSentinels
	}
	var db string
	e.master, db, _ = strings.Cut(path, "/")
	switch {
	case e.master == "":
		return nil, errNoMaster
	case !validMaster(e.master):
		return nil, errMasterName
	}
	return e, e.setDatabase(db)
}

// validMaster is Sentinel's own rule for names, and a bound.
// Source: redis src/sentinel.c, SENTINEL MONITOR.
func validMaster(name string) bool {
	return len(name) <= maxMasterName && !strings.ContainsFunc(name, func(r rune) bool {
		return !isAlnum(r) && r != '.' && r != '-' && r != '_'
	})
}

// settleSentinel finds how the sentinels are asked.
func (t *Target) settleSentinel(levels []*block) (wrong error) {
	for _, b := range levels {
		if t.sentinelUser == "" && b.sentinelUser != "" {
			t.sentinelUser, t.sentinelUserBy = b.sentinelUser, b.from("SentinelUser")
		}
		if t.sentinelPassword.IsEmpty() && t.sentinelPasswordFile == "" {
			wrong = b.oneSentinelPassword()
			t.sentinelPassword, t.sentinelPasswordFile = b.sentinelPassword, b.sentinelPasswordFile
			t.sentinelSource = setting{b.sentinelPasswordFile, b.option("SentinelPasswordFile")}
			t.sentinelPasswordBy = b.from(b.sentinelPasswordField())
		}
	}
	if t.sentinelUser == "default" {
		t.sentinelUser = ""
	}
	return wrong
}

// Master is the name by which sentinels know the master that the target is; ""
// for every other target.
func (t *Target) Master() string { return t.endpoint.master }

// Sentinels are the targets of the sentinels in the target's address, in their
// order; none for a target that is no Master. They are asked with the
// SentinelUser and SentinelPassword alone, and with the TLS settings of the
// target. The master that they name is a [Options.Peer] of the target.
func (o *Options) Sentinels(t *Target) []*Target {
	var out []*Target
	for _, addr := range t.endpoint.hosts {
		host, port, _ := net.SplitHostPort(addr) // it was joined when it was read
		s := t.at(&endpoint{network: "tcp", host: host, port: port, database: -1})
		s.user, s.password, s.passwordFile, s.database = t.sentinelUser, t.sentinelPassword, t.sentinelPasswordFile, 0
		s.passwordSource, s.passwordBy, s.userBy = t.sentinelSource, t.sentinelPasswordBy, t.sentinelUserBy
		s.isSentinel = true
		s.command, s.commandSource = Command{}, setting{}
		s.withoutRenames()
		out = append(out, o.interned.target(s))
	}
	return out
}
