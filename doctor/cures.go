package doctor

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"

	"redisjobs/agentconf"
	"redisjobs/conf"
	"redisjobs/redisclient"
)

// failure is a session that does not work, and what a cure may depend on.
type failure struct {
	err    error
	target *conf.Target
	// option begins the names of the session's options, or of Default's.
	option string
	// uriOption is the option that has the address, and uri its value.
	uriOption, uri string
	// tlsOn: an option TLSConnect asks for TLS.
	tlsOn bool
	// unset are lines whose environment variable is not set.
	unset []agentconf.Line
	// answersTLS reports whether the port answers a TLS handshake.
	answersTLS func() bool
}

// cure is what to do about one cause.
type cure struct {
	reasons []redisclient.Reason
	when    func(f *failure) bool // nil: always
	fix     func(f *failure) string
	// passes: the server does not serve now, and the configuration may well be right.
	passes bool
}

// Whether a cause passes.
const now, lasts = true, false

// cures has one row for each cause; the first row that fits counts.
var cures = []cure{
	{of(redisclient.ReasonDNS), all(resolverFails, web), says("does the resolver of this machine answer? ", "Uri=http://<host>:<port>"), now},
	{of(redisclient.ReasonDNS), resolverFails, says("does the resolver of this machine answer? ", "Uri=tcp://<host>:<port>"), now},
	{of(redisclient.ReasonDNS), web, says("is the name right? ", "Uri=http://<host>:<port>"), lasts},
	{of(redisclient.ReasonDNS), nil, says("is the name right? ", "Uri=tcp://<host>:<port>"), lasts},
	{of(redisclient.ReasonTCP, redisclient.ReasonProtocol, redisclient.ReasonTimeout), wantsTLS, func(f *failure) string {
		return f.uriOption + "=" + f.uriWith("rediss://")
	}, lasts},
	{of(redisclient.ReasonTCP), all(connected, web), says("is something other than a Storm UI there? ", "Uri=http://<host>:<port>"), lasts},
	{of(redisclient.ReasonTCP), connected, says("does something on the way refuse this host, or is something other than Redis there? ", "Uri=tcp://<host>:<port>"), lasts},
	{of(redisclient.ReasonTCP), web, says("is the UI up, and does it listen at this address? ", "Uri=http://<host>:<port>"), now},
	{of(redisclient.ReasonTCP), nil, says("is the server up, and does it listen at this address? ", "Uri=tcp://<host>:<port>"), now},
	{of(redisclient.ReasonProtocol), web, says("is something other than a Storm UI there? ", "Uri=http://<host>:<port>"), lasts},
	{of(redisclient.ReasonProtocol), nil, says("is something other than Redis there? ", "Uri=tcp://<host>:<port>"), lasts},
	{of(redisclient.ReasonAuth), web, (*failure).login, lasts},
	{of(redisclient.ReasonAuth), is(redisclient.ErrNoUsers), func(f *failure) string {
		return "remove " + f.userOption() + ": servers before Redis 6 have no users"
	}, lasts},
	{of(redisclient.ReasonAuth), is(redisclient.ErrNeedlessPassword), func(f *failure) string {
		return "remove " + f.passwordOption() + ", or name the user: " + f.option + "User"
	}, lasts},
	{of(redisclient.ReasonAuth), is(redisclient.ErrNoPassword), (*failure).missingPassword, lasts},
	{of(redisclient.ReasonAuth), nil, (*failure).login, lasts},
	{of(redisclient.ReasonTLS), nameless, says("a certificate with subjectAltName, or: ", "TLSConnect=verify_ca"), lasts},
	{of(redisclient.ReasonTLS), otherName, func(f *failure) string { return f.option + "TLSServerName=" + f.certificateName() }, lasts},
	{of(redisclient.ReasonTLS), unknownAuthority, says("the file with the certificate of the authority: ", "TLSCAFile=/etc/zabbix/redis-ca.crt"), lasts},
	{of(redisclient.ReasonTLS), invalidCertificate, says("renew the server's certificate, or correct the clock", ""), lasts},
	{of(redisclient.ReasonTLS), wantsCertificate, func(f *failure) string {
		return "a certificate that the server accepts: " + f.option + "TLSCertFile and " + f.option + "TLSKeyFile"
	}, lasts},
	{of(redisclient.ReasonTLS), noTLS, withoutTLS("there is no TLS at this port, or something other than Redis is there"), lasts},
	{of(redisclient.ReasonTLS), nil, func(f *failure) string {
		return f.option + "TLSConnect, TLSCAFile and TLSServerName must fit the server's certificate"
	}, lasts},
	{of(redisclient.ReasonProtected), nil, says("on the server: requirepass or ACL users, or protected-mode no", ""), lasts},
	{of(redisclient.ReasonTimeout), handshake, withoutTLS("does the server have TLS at this port? if not"), lasts},
	{of(redisclient.ReasonTimeout), nil, func(*failure) string {
		return "does a firewall drop packets? else allow more time: " + prefix + "Timeout=<seconds>"
	}, now},
	{of(redisclient.ReasonMaxClients), nil, says("on the server: raise maxclients", ""), now},
	{of(redisclient.ReasonDatabase), nil, func(f *failure) string {
		return "correct " + databaseOption(f.target) + ": the server does not have the database"
	}, lasts},
	{of(redisclient.ReasonSentinel), is(redisclient.ErrNotSentinel), func(f *failure) string {
		return "name the sentinels: " + f.uriOption + "=sentinel://<host>:26379/" + f.target.Master()
	}, lasts},
	{of(redisclient.ReasonSentinel, redisclient.ReasonConfig), is(conf.ErrPeerHere), func(f *failure) string {
		return "let the sentinels watch an address that leads there from every machine: sentinel monitor " + f.target.Master() + " <address> <port> <quorum>" +
			"\nor say where it leads to from here: " + f.option + "AddressMap=<named address>:<port>=<host>:<port>"
	}, lasts},
	{of(redisclient.ReasonSentinel, redisclient.ReasonConfig), is(conf.ErrPeerNotAllowed), says("if the server is yours, add its address to ", "PeersAllowed"), lasts},
	{of(redisclient.ReasonSentinel), nil, func(f *failure) string {
		return "are the sentinels and the master's name in " + f.uriOption + " right, and do they have a master now?"
	}, now},
	{of(redisclient.ReasonACL), nil, says("zabbix-agent2-plugin-redisjobs -acl prints the rights that the user needs", ""), lasts},
	{of(redisclient.ReasonLoading, redisclient.ReasonMasterDown, redisclient.ReasonBusy), nil, says("wait until the server serves again, and repeat", ""), now},
}

// advice is what to do about a server that does not serve us.
type advice struct {
	text   string
	passes bool
}

// cureFor finds it.
func (d *doctor) cureFor(err error, target *conf.Target) advice {
	f := &failure{err: err, target: target, option: prefix + "Default.", unset: d.config.Unset}
	if s := target.Session(); s != "" {
		f.option = prefix + "Sessions." + s + "."
	}
	f.uriOption = f.option + "Uri"
	for _, option := range []string{prefix + "Default.", f.option} { // the last one counts
		if l, ok := d.config.Last(option + "Uri"); ok && l.Value != "" {
			f.uriOption, f.uri = l.Name, l.Value
		}
		if l, ok := d.config.Last(option + "TLSConnect"); ok && l.Value != "" {
			f.tlsOn = l.Value != "disabled"
		}
	}
	f.answersTLS = func() bool { return answersTLS(target) }
	return f.cure()
}

func (f *failure) cure() advice {
	reason := redisclient.ReasonOf(f.err)
	for _, c := range cures {
		if slices.Contains(c.reasons, reason) && (c.when == nil || c.when(f)) {
			return advice{c.fix(f), c.passes}
		}
	}
	return advice{}
}

func of(reasons ...redisclient.Reason) []redisclient.Reason { return reasons }

// says is a cure that does not vary: a text, and an option of the session.
func says(text, option string) func(*failure) string {
	return func(f *failure) string {
		if option == "" {
			return text
		}
		return text + f.option + option
	}
}

// is holds for failures of one cause.
func is(cause error) func(*failure) bool {
	return func(f *failure) bool { return errors.Is(f.err, cause) }
}

// ofSentinels: the sentinels of the target refuse us, which have a login of their own.
func (f *failure) ofSentinels() bool {
	return f.target.Network() == "sentinel" && strings.Contains(f.err.Error(), "SentinelPassword")
}

// userOption is where the user comes from, or would.
func (f *failure) userOption() string {
	user, _ := f.target.LoginOptions()
	if strings.HasSuffix(user, ".Uri") {
		return "the user before the @ in " + user
	}
	return cmp.Or(user, f.option+"User")
}

// passwordOption is where the password comes from, or would.
func (f *failure) passwordOption() string {
	_, password := f.target.LoginOptions()
	return cmp.Or(password, f.option+"Password")
}

// login is the cure for a login that is refused: the options that were used.
func (f *failure) login() string {
	user, password := f.target.LoginOptions()
	switch {
	case f.ofSentinels():
		return "correct " + f.option + "SentinelUser and " + f.option + "SentinelPassword, or SentinelPasswordFile"
	case f.target.Web() && user+password == "":
		return "set " + f.option + "User and " + f.option + "Password, or " + f.option + "Token"
	case user != "" && password != "":
		return "correct " + f.userOption() + " and " + password
	}
	return "correct " + cmp.Or(password, user, f.option+"Password")
}

// missingPassword is the cure where no password is set, for whatever reason.
func (f *failure) missingPassword() string {
	if f.ofSentinels() {
		return "set " + f.option + "SentinelPassword or " + f.option + "SentinelPasswordFile"
	}
	for _, l := range f.unset {
		if strings.HasPrefix(l.Name, f.option+"Password") {
			return fmt.Sprintf("%s: %s is ${%s}, which is not set: set it for the agent, systemctl edit zabbix-agent2, Environment=%s=...",
				l.At(), l.Name, l.Variable, l.Variable)
		}
	}
	return "set " + f.option + "Password or " + f.option + "PasswordFile"
}

// withoutTLS is the cure for TLS where the server has none.
func withoutTLS(why string) func(*failure) string {
	return func(f *failure) string {
		var lines []string
		if scheme, _, found := strings.Cut(f.uri, "://"); found && strings.HasSuffix(scheme, "s") {
			plain := "tcp://"
			if f.target.Web() {
				plain = "http://"
			}
			lines = append(lines, why+": "+f.uriOption+"="+f.uriWith(plain))
		}
		if f.tlsOn {
			lines = append(lines, why+": "+f.option+"TLSConnect=disabled")
		}
		return strings.Join(lines, "\n")
	}
}

// uriWith is the address with another scheme.
func (f *failure) uriWith(scheme string) string {
	_, rest, found := strings.Cut(f.uri, "://")
	switch {
	case found:
		return scheme + rest
	case f.uri != "":
		return scheme + f.uri
	}
	_, rest, _ = strings.Cut(f.target.URI(), "://")
	return scheme + rest
}

// The conditions of the table.

func all(conditions ...func(*failure) bool) func(*failure) bool {
	return func(f *failure) bool {
		return !slices.ContainsFunc(conditions, func(c func(*failure) bool) bool { return !c(f) })
	}
}

func web(f *failure) bool { return f.target.Web() }

// op is the phase of the conversation that failed.
func (f *failure) op() string {
	var e *redisclient.Error
	if errors.As(f.err, &e) {
		return e.Op
	}
	return ""
}

// resolverFails: there is no answer at all, or none that is to be relied on.
func resolverFails(f *failure) bool {
	var dns *net.DNSError
	return errors.As(f.err, &dns) && !dns.IsNotFound
}

// connected: the port was open, and what answers there did not talk to us.
func connected(f *failure) bool { return f.op() != "" && f.op() != "dial" }

func handshake(f *failure) bool { return f.op() == "tls" }

// wantsTLS: the session does not use TLS, and the port answers it.
func wantsTLS(f *failure) bool {
	return connected(f) && !handshake(f) && f.target.Network() == "tcp" && strings.HasPrefix(f.target.URI(), "tcp:") && f.answersTLS()
}

func noTLS(f *failure) bool {
	var record tls.RecordHeaderError
	return errors.As(f.err, &record) || errors.Is(f.err, io.EOF)
}

// nameless: no TLSServerName fits such a certificate.
func nameless(f *failure) bool {
	var host x509.HostnameError
	return errors.As(f.err, &host) && redisclient.IsNameless(host.Certificate)
}

func otherName(f *failure) bool { return f.certificateName() != "" }

func unknownAuthority(f *failure) bool {
	var unknown x509.UnknownAuthorityError
	return errors.As(f.err, &unknown)
}

func invalidCertificate(f *failure) bool {
	var invalid x509.CertificateInvalidError
	return errors.As(f.err, &invalid)
}

// wantsCertificate: the alerts have no type of their own.
func wantsCertificate(f *failure) bool { return strings.Contains(f.err.Error(), "TLSCertFile") }

// shownName is a name of a certificate that may be printed.
var shownName = regexp.MustCompile(`^[A-Za-z0-9.:_-]{1,253}$`)

// certificateName is a name that the certificate has, where the name was what was
// wrong; "" otherwise. Only what may be printed is taken from the server.
func (f *failure) certificateName() string {
	var host x509.HostnameError
	if !errors.As(f.err, &host) || host.Certificate == nil {
		return ""
	}
	names := slices.Clone(host.Certificate.DNSNames)
	for _, ip := range host.Certificate.IPAddresses {
		names = append(names, ip.String())
	}
	for _, name := range names {
		if shownName.MatchString(name) {
			return name
		}
	}
	for _, name := range names {
		if below, ok := strings.CutPrefix(name, "*."); ok && shownName.MatchString(below) {
			return "<name>." + below
		}
	}
	return "<a name in the certificate>"
}

// answersTLS connects once more, with TLS and any certificate, and sends nothing.
func answersTLS(target *conf.Target) bool {
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTime)
	defer cancel()
	c, err := redisclient.Dial(ctx, redisclient.Config{Address: target.Address(), TLS: &tls.Config{InsecureSkipVerify: true}})
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// databaseOption is where the number of the database stands.
func databaseOption(target *conf.Target) string {
	option := target.DatabaseOption()
	if strings.HasSuffix(option, ".Uri") {
		return "the number behind the slash in " + option
	}
	return option
}
