package conf

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"unique"
)

// settings are what makes two targets the same one.
type settings struct {
	network      string
	address      string // in lower case for tcp
	user         string
	password     Secret
	passwordFile string
	command      Command
	token        Secret // of a target that answers HTTP
	tokenFile    string
	prefix       string // of a target that answers HTTP; "" or /path
	database     int
	tls          tlsSettings
	// How the sentinels are asked; all empty for other targets.
	sentinelUser         string
	sentinelPassword     Secret
	sentinelPasswordFile string
	ruleTexts            unique.Handle[ruleTexts] // zero: none
}

// setting is a value with the option it was taken from, for errors.
type setting struct{ value, option string }

// Target is one server as one user with one database: what connections can be
// shared for. It is made by [Options.Resolve] only, and compared by pointer.
type Target struct {
	settings
	endpoint       *endpoint
	session        string
	rules          *rules // of ruleTexts; nil: none
	name           string // see String; "" until it is known
	hint           string
	databaseOption string // see DatabaseOption
	passwordSource setting
	passwordBy     source // zero: no password
	userBy         source // zero: no user
	home           *block // see settleLogin
	isSentinel     bool   // made by Options.Sentinels
	// Of a target that sentinels know.
	sentinelUserBy, sentinelPasswordBy source
	commandSource                      setting // its value is not used
	tokenSource                        setting // of the token, however it is given
	sentinelSource                     setting // of sentinelPasswordFile
	tlsFiles                           tlsFiles
	tlsState                           atomic.Pointer[tlsState]
}

// String is the target as it may be shown: the address, after the name of the
// session if there is one, as in "Prod (tcp://10.0.0.1:6379/2)". It has no user
// and no secret. Targets that only these tell apart are numbered in the order in
// which they were first asked for: the second one's ends in " #2", for as long as
// it is in use. A target that several sessions mean has the name of the first.
func (t *Target) String() string {
	if t.name != "" {
		return t.name
	}
	return t.plainName()
}

// plainName is String without a number.
func (t *Target) plainName() string {
	s := t.URI()
	if t.network == "unix" && t.database != 0 {
		s += " database " + strconv.Itoa(t.database)
	}
	if t.session != "" {
		s = t.session + " (" + s + ")"
	}
	return s
}

// URI is the address alone: tcp:// or rediss:// (where TLS is used) or
// sentinel:// with the database if it is not 0, or unix://, or http:// or
// https:// with the path.
func (t *Target) URI() string {
	if t.network == "unix" {
		return "unix://" + t.endpoint.path
	}
	if t.Web() {
		scheme := "http://"
		if t.tls.mode != "" {
			scheme = "https://"
		}
		return scheme + t.endpoint.address() + t.endpoint.prefix
	}
	s := "tcp://"
	switch {
	case t.network == networkSentinel:
		s = "sentinel://"
	case t.tls.mode != "":
		s = "rediss://"
	}
	s += t.endpoint.address()
	if t.database != 0 {
		s += "/" + strconv.Itoa(t.database)
	}
	return s
}

// Session is the name of the session; "" when the item key names none.
func (t *Target) Session() string { return t.session }

// Network is "tcp" or "unix"; "sentinel" for a target that only its sentinels
// know the address of, and that cannot be dialed itself; "http" for one that is
// Web.
func (t *Target) Network() string { return t.network }

// Address is what to dial: host:port, with brackets round an IPv6 address, or
// the path of the socket.
func (t *Target) Address() string { return t.endpoint.address() }

// Host is the host alone, without brackets; "" for a unix socket.
func (t *Target) Host() string { return t.endpoint.host }

// User is the ACL user; "" for Redis' default user.
func (t *Target) User() string { return t.user }

// Database is the number for SELECT; 0 needs none.
func (t *Target) Database() int { return t.database }

// DatabaseOption is the full name of the option that has the database: Uri, whose
// path comes before the option Database, or Database; "" when none has it.
func (t *Target) DatabaseOption() string { return t.databaseOption }

// Hint explains what may be behind a host that does not exist: it was a single
// word that could have been meant as the name of a session. "" otherwise.
func (t *Target) Hint() string { return t.hint }

// Credential is the password, "" when there is none. A PasswordFile is read
// now, so that it may change at any time; line ends behind the password and a
// byte order mark before it do not count. The error names the option. A target
// with a PasswordCommand has none here: who connects has it run.
func (t *Target) Credential() (string, error) {
	if !t.command.IsZero() {
		return "", t.CommandFailed(errors.New("the command must be run first"))
	}
	if t.passwordFile == "" {
		return t.password.Reveal(), nil
	}
	return readSecret(setting{t.passwordFile, t.passwordSource.option}, "password")
}

// readSecret reads a file that holds nothing but a secret; what names it in an
// error.
func readSecret(file setting, what string) (string, error) {
	fail := func(err error) (string, error) { return "", file.fail(err) }
	data, err := readFile(file.value, maxSecret)
	if err != nil {
		return fail(err)
	}
	text, err := parseSecret(data, "the file", what)
	if err != nil {
		return fail(err)
	}
	return text, nil
}

// parseSecret takes from a secret what editors add: a byte order mark, line ends
// behind the last line. from is where it comes from, for errors.
func parseSecret(data []byte, from, what string) (string, error) {
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return "", errors.New(from + " is in UTF-16: save it as UTF-8")
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	data = bytes.TrimRight(data, "\r\n")
	if bytes.ContainsAny(data, "\r\n") {
		return "", fmt.Errorf("%s has more than one line, and may hold nothing but the %s", from, what)
	}
	if len(data) == 0 {
		return "", &emptyError{from + " holds no " + what}
	}
	return string(data), nil
}

// emptyError is an ErrEmptyFile in other words: there are line ends in it.
type emptyError struct{ text string }

func (e *emptyError) Error() string { return e.text }
func (e *emptyError) Unwrap() error { return ErrEmptyFile }

// ParsePassword reads what a PasswordCommand printed, as a PasswordFile is read.
func ParsePassword(output []byte) (Secret, error) {
	text, err := parseSecret(output, "its output", "password")
	if err == nil {
		err = checkPassword(text)
	}
	if err != nil {
		return Secret{}, err
	}
	return NewSecret(text), nil
}

// address is what to dial.
func (e *endpoint) address() string {
	switch e.network {
	case "unix":
		return e.path
	case networkSentinel:
		return strings.Join(e.hosts, ",") + "/" + e.master
	}
	return net.JoinHostPort(e.host, e.port)
}
