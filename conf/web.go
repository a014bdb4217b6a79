package conf

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// networkHTTP is the network of targets that answer HTTP: a Storm UI.
const networkHTTP = "http"

const (
	httpPort  = "80"
	httpsPort = "443"
)

var (
	errWebPath         = errors.New("the path may have letters, digits, dots, dashes, underscores, tildes and slashes, and must not leave its folder")
	errTokenBlank      = errors.New("holds a space, a control character or a character that is not ASCII")
	errTokenForWeb     = errors.New("is for http:// and https:// addresses alone")
	errCommandForRedis = errors.New("is not for http:// and https:// addresses: use PasswordFile or TokenFile")
	errWebDatabase     = errors.New("has no meaning for an http:// or https:// address")
)

// parseWeb reads host[:port][/path] of an http:// or https:// address. The path
// is where a reverse proxy has the Storm UI; "api/v1" is not part of it.
func parseWeb(s string, tls bool) (*endpoint, error) {
	e := &endpoint{network: networkHTTP, tls: tls, database: -1}
	s, err := e.cutUser(s)
	if err != nil {
		return nil, err
	}
	authority, rest, _ := strings.Cut(s, "/")
	if e.host, e.port, err = splitHostPort(authority); err != nil {
		return nil, err
	}
	if e.port == defaultPort && !strings.HasSuffix(authority, ":"+defaultPort) {
		e.port = httpPort
		if tls {
			e.port = httpsPort
		}
	}
	e.prefix, err = webPath(rest)
	return e, err
}

// webPath makes /a/b of a/b/, and nothing of nothing.
func webPath(s string) (string, error) {
	if strings.ContainsFunc(s, func(r rune) bool { return !isAlnum(r) && !strings.ContainsRune("/.-_~", r) }) {
		return "", errWebPath
	}
	for part := range strings.SplitSeq(s, "/") {
		if part == "." || part == ".." {
			return "", errWebPath
		}
	}
	return strings.TrimSuffix(path.Clean("/"+s), "/"), nil
}

// web reports whether the endpoint, which may be missing, answers HTTP.
func (e *endpoint) web() bool { return e != nil && e.network == networkHTTP }

// Web reports whether the target answers HTTP: a Storm UI and no Redis. Its
// URI is the base address, without a slash at its end.
func (t *Target) Web() bool { return t.endpoint.web() }

// Bearer is the token for a target that answers HTTP, "" when there is none. A
// TokenFile is read now, as by Credential.
func (t *Target) Bearer() (string, error) {
	token := t.token.Reveal()
	if t.tokenFile != "" {
		var err error
		if token, err = readSecret(t.tokenSource, "token"); err != nil {
			return "", err
		}
	}
	if err := checkToken(token); err != nil {
		return "", t.tokenSource.fail(fmt.Errorf("the token %w", err))
	}
	return token, nil
}

// checkToken refuses what no header can hold.
// Source: RFC 6750, section 2.1.
func checkToken(token string) error {
	if err := checkPassword(token); err != nil {
		return err
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return errTokenBlank
	}
	return nil
}

// lends reports whether a level's user, password and token are for this
// target. Those of Default are for servers of the kind of Default's own Uri:
// a Redis password must not travel to a web server, nor the other way round.
func (o *Options) lends(b *block, to *endpoint) bool {
	return b != o.def || o.def.uri.web() == to.web()
}

// settleSecret finds how the target is told who asks: a password, or a token in
// its place. The level nearest to the item key that has either decides.
func (t *Target) settleSecret(levels []*block, lends func(*block) bool) error {
	for _, b := range levels {
		if !lends(b) || !b.hasPassword() && !b.hasToken() {
			continue
		}
		t.password, t.passwordFile = b.password, b.passwordFile
		t.passwordSource = setting{b.passwordFile, b.option("PasswordFile")}
		t.passwordBy = b.from(b.passwordField())
		t.setCommand(b)
		t.token, t.tokenFile = b.token, b.tokenFile
		t.tokenSource = setting{b.tokenFile, b.option("TokenFile")}
		if b.tokenFile == "" {
			t.tokenSource.option = b.option("Token")
		}
		return b.onePassword()
	}
	return nil
}

func (b *block) hasPassword() bool {
	return !b.password.IsEmpty() || b.passwordFile != "" || !b.command.IsEmpty()
}

func (b *block) hasToken() bool { return !b.token.IsEmpty() || b.tokenFile != "" }

// webRules are what the options of a block must keep to for the address that is
// in effect for it.
func (b *block) webRules(e *endpoint) error {
	field := "Token"
	if b.tokenFile != "" {
		field = "TokenFile"
	}
	switch {
	case b.hasToken() && b.hasPassword():
		return b.errorf(field, "is set together with a password: keep one of the two")
	case !b.token.IsEmpty() && b.tokenFile != "":
		return b.errorf("TokenFile", "is set together with Token: keep one of the two")
	case b.hasToken() && !e.web():
		return b.errorf(field, "%w", errTokenForWeb)
	case !b.command.IsEmpty() && e.web():
		return b.errorf("PasswordCommand", "%w", errCommandForRedis)
	case b.database >= 0 && e.web():
		return b.errorf("Database", "%w", errWebDatabase)
	}
	return nil
}

// secureScheme is how an address with TLS begins.
func (e *endpoint) secureScheme() string {
	if e.web() {
		return "https://"
	}
	return "rediss://"
}
