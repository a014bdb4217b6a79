package conf

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"redisjobs/nearest"
)

// Ref is what an item key says of its target; every part may be empty.
type Ref struct {
	Conn     string // session name or URI
	Password string
	User     string
}

// String hides all of it: Conn may hold a password that was put there wrongly.
func (r Ref) String() string { return "conf.Ref(" + masked + ")" }

// Format prints String, whatever the verb.
func (r Ref) Format(f fmt.State, _ rune) { fmt.Fprint(f, r.String()) }

// LogValue is for log/slog.
func (r Ref) LogValue() slog.Value { return slog.StringValue(r.String()) }

// MarshalJSON is the JSON string of String.
func (r Ref) MarshalJSON() ([]byte, error) { return json.Marshal(r.String()) }

// builtin is where a request goes that says nothing.
var builtin = &endpoint{network: "tcp", host: "localhost", port: defaultPort, database: -1}

// noKey is what the item key adds when a session or Default is all there is.
var noKey = newBlock("")

// Resolve finds the target that an item key means, by the order of the package
// documentation. Equal settings are the identical *Target for as long as
// anybody holds it. Errors do not repeat what could be a secret. A Ref that was
// resolved before costs one look into a map.
func (o *Options) Resolve(ref Ref) (*Target, error) {
	refs := o.refs.Load()
	if t := refs.get(ref); t != nil {
		return t, nil
	}
	t, err := o.resolve(ref)
	if err != nil {
		return nil, fmt.Errorf("connection: %w", err)
	}
	refs.put(ref, t)
	return t, nil
}

// Session is the target of a configured session. Nothing else is taken for one.
func (o *Options) Session(name string) (*Target, error) {
	if o.sessions[name] == nil {
		return nil, errors.New(o.noSession(name))
	}
	return o.Resolve(Ref{Conn: name})
}

func (o *Options) resolve(ref Ref) (*Target, error) {
	if err := checkUser(ref.User); err != nil {
		return nil, fmt.Errorf("user %w", err)
	}
	if err := checkPassword(ref.Password); err != nil {
		return nil, fmt.Errorf("password %w", err)
	}
	session, named := o.sessions[ref.Conn]
	if o.SessionsOnly {
		if err := o.sessionsOnly(ref, named); err != nil {
			return nil, err
		}
	}
	key := &block{user: ref.User, password: NewSecret(ref.Password), database: -1}
	if named {
		return o.settle(key, session, ref.Conn)
	}
	if ref.Conn != "" {
		e, err := parseEndpoint(ref.Conn)
		if err != nil && err != errTooLong && validName(ref.Conn) {
			return nil, errors.New(o.noSession(ref.Conn))
		}
		if err != nil {
			return nil, err
		}
		key.uri = e
	}
	return o.settle(key, nil, "")
}

// sessionsOnly refuses what SessionsOnly=1 does.
func (o *Options) sessionsOnly(ref Ref, named bool) error {
	switch {
	case ref.Password != "" || ref.User != "":
		return errors.New("SessionsOnly=1 refuses a password or user in an item key")
	case named, ref.Conn == "" && o.def.uri != nil:
		return nil
	case validName(ref.Conn):
		return errors.New(o.noSession(ref.Conn) + "; SessionsOnly=1 takes nothing else")
	default:
		return errors.New("SessionsOnly=1 takes nothing but the name of a session")
	}
}

// noSession says that a name is that of no session, which there are, and what to
// do after a change.
func (o *Options) noSession(name string) string {
	const most = 10
	text := "no session named " + shownName(name) + nearest.Question(name, o.names)
	switch n := len(o.names); {
	case n == 0 && o.origin == noFile: // what follows says why
	case n == 0:
		text += "; no session is configured"
	case n > most:
		text += fmt.Sprintf("; sessions: %s and %d more", strings.Join(o.names[:most], ", "), n-most)
	default:
		text += "; sessions: " + strings.Join(o.names, ", ")
	}
	return text + o.origin.afterChange()
}

// settle makes the target of what an item key says, a session (nil: none) and
// Default. It fails only for options that contradict each other, which Decode
// finds by calling it for each session and for Default alone. The target that
// comes with an error is good for nothing but its address.
func (o *Options) settle(key, session *block, name string) (*Target, error) {
	levels := []*block{key, o.def}
	if session != nil {
		levels = []*block{key, session, o.def}
	}
	t := &Target{session: name, endpoint: builtin}
	uriLevel := len(levels)
	for i, b := range levels {
		if b.uri != nil {
			t.endpoint, uriLevel = b.uri, i
			break
		}
	}
	t.database = -1
	lends := func(b *block) bool { return o.lends(b, t.endpoint) }
	wrong := t.settleSecret(levels, lends)
	for i, b := range levels {
		if lends(b) {
			t.settleUser(b, b.user, "User")
		}
		if i == uriLevel {
			t.settleUser(b, t.endpoint.user, "Uri")
			t.settleDatabase(i, b, t.endpoint.database, "Uri")
		}
		t.settleDatabase(i, b, b.database, "Database")
	}
	t.database = max(t.database, 0)
	if t.Web() {
		t.database = 0
	}
	if t.endpoint.network == networkSentinel {
		wrong = cmp.Or(t.settleSentinel(levels), wrong)
	}
	if t.user == "default" && !t.Web() {
		t.user = ""
	}
	t.settleLogin(levels, uriLevel)
	t.network = t.endpoint.network
	t.prefix = t.endpoint.prefix
	t.address = t.endpoint.address()
	if !strings.ContainsAny(t.address, "/%") {
		// Case means nothing in host names, but in paths and IPv6 zones.
		t.address = strings.ToLower(t.address)
	}
	t.settleRules(levels)
	if levels[0].uri == nil {
		if err := levels[1].webRules(t.endpoint); err != nil {
			return t, err
		}
	}
	if err := t.settleTLS(levels, uriLevel); err != nil {
		return t, err
	}
	if wrong != nil {
		return t, wrong
	}
	if e := key.uri; e != nil && e.word && !strings.EqualFold(e.host, "localhost") {
		t.hint = o.noSession(e.host)
	}
	return o.interned.target(t), nil
}

// settleDatabase takes a database (-1: none) that an option of a level names,
// unless there is one already. Level 0 is the item key.
func (t *Target) settleDatabase(level int, b *block, database int, option string) {
	if t.database >= 0 || database < 0 {
		return
	}
	t.database = database
	if level > 0 {
		t.databaseOption = b.option(option)
	}
}

// settleTLS finds out how TLS is used. uriLevel is where the address stands.
func (t *Target) settleTLS(levels []*block, uriLevel int) error {
	mode, modeLevel := "", len(levels)
	for i, b := range levels {
		if b.tlsConnect != "" {
			mode, modeLevel = b.tlsConnect, i
			break
		}
	}
	// What stands at the same place as the address, or nearer to the item key,
	// was meant for it; what stands farther away is only a default.
	meant := modeLevel <= uriLevel && modeLevel < len(levels)
	on := mode != "" && mode != tlsDisabled
	switch {
	case t.endpoint.tls && mode == tlsDisabled && meant:
		return levels[modeLevel].errorf("TLSConnect", "disabled contradicts the %s of the Uri", t.endpoint.secureScheme())
	case t.Web() && !t.endpoint.tls && on:
		return levels[modeLevel].errorf("TLSConnect", "asks for TLS, which an http:// address does not use: write https://")
	case t.endpoint.tls && !on:
		mode = tlsVerifyFull
	case t.network == "unix" && on && meant:
		return levels[modeLevel].errorf("TLSConnect", "TLS over a unix socket is not supported")
	case t.network == "unix", !on:
		mode = ""
	}
	if levels[0].uri == nil {
		if err := levels[1].rules(mode); err != nil {
			return err
		}
	}
	if mode == "" {
		return nil
	}
	t.tls.mode = mode
	var cut error                                   // a certificate without its key
	host, _, _ := strings.Cut(t.endpoint.host, "%") // certificates know no IPv6 zones
	t.tls.serverName = strings.ToLower(host)
	for i := len(levels) - 1; i >= 0; i-- {
		b := levels[i]
		t.tls.serverName = cmp.Or(b.tlsServerName, t.tls.serverName)
		t.tls.nameGiven = t.tls.nameGiven || b.tlsServerName != ""
		if b.tlsCAFile != "" && mode != tlsRequired {
			t.tlsFiles.ca = setting{b.tlsCAFile, b.option("TLSCAFile")}
		}
		if b.tlsCertFile != "" || b.tlsKeyFile != "" {
			cut = b.wholeCertificate()
			t.tlsFiles.cert = setting{b.tlsCertFile, b.option("TLSCertFile")}
			t.tlsFiles.key = setting{b.tlsKeyFile, b.option("TLSKeyFile")}
		}
	}
	if cut != nil {
		return cut
	}
	t.tls.caFile, t.tls.certFile, t.tls.keyFile = t.tlsFiles.ca.value, t.tlsFiles.cert.value, t.tlsFiles.key.value
	if mode == tlsVerifyCA && t.tls.caFile == "" {
		return levels[modeLevel].errorf("TLSConnect", "verify_ca needs TLSCAFile")
	}
	return nil
}
