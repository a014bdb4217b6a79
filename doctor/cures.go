package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"

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
	// answersTLS reports whether the port answers a TLS handshake.
	answersTLS func() bool
}

// cure is what to do about one cause.
type cure struct {
	reasons []redisclient.Reason
	when    func(f *failure) bool // nil: always
	fix     func(f *failure) string
}

// cures has one row for each cause; the first row that fits counts.
var cures = []cure{
	{of(redisclient.ReasonDNS), web, says("is the name right? ", "Uri=http://<host>:<port>")},
	{of(redisclient.ReasonDNS), nil, says("is the name right? ", "Uri=tcp://<host>:<port>")},
	{of(redisclient.ReasonTCP, redisclient.ReasonProtocol, redisclient.ReasonTimeout), wantsTLS, func(f *failure) string {
		return f.uriOption + "=" + f.uriWith("rediss://")
	}},
	{of(redisclient.ReasonTCP), all(connected, web), says("is something other than a Storm UI there? ", "Uri=http://<host>:<port>")},
	{of(redisclient.ReasonTCP), connected, says("does something on the way refuse this host, or is something other than Redis there? ", "Uri=tcp://<host>:<port>")},
	{of(redisclient.ReasonTCP), web, says("is the UI up, and does it listen at this address? ", "Uri=http://<host>:<port>")},
	{of(redisclient.ReasonTCP), nil, says("is the server up, and does it listen at this address? ", "Uri=tcp://<host>:<port>")},
	{of(redisclient.ReasonProtocol), web, says("is something other than a Storm UI there? ", "Uri=http://<host>:<port>")},
	{of(redisclient.ReasonProtocol), nil, says("is something other than Redis there? ", "Uri=tcp://<host>:<port>")},
	{of(redisclient.ReasonAuth), web, func(f *failure) string {
		return "correct " + f.option + "User and " + f.option + "PasswordFile, or " + f.option + "TokenFile"
	}},
	{of(redisclient.ReasonAuth), nil, func(f *failure) string {
		return "correct " + f.option + "User and " + f.option + "PasswordFile (or Password, or PasswordCommand)"
	}},
	{of(redisclient.ReasonTLS), nameless, says("a certificate with subjectAltName, or: ", "TLSConnect=verify_ca")},
	{of(redisclient.ReasonTLS), otherName, func(f *failure) string { return f.option + "TLSServerName=" + f.certificateName() }},
	{of(redisclient.ReasonTLS), unknownAuthority, says("the file with the certificate of the authority: ", "TLSCAFile=/etc/zabbix/redis-ca.crt")},
	{of(redisclient.ReasonTLS), invalidCertificate, says("renew the server's certificate, or correct the clock", "")},
	{of(redisclient.ReasonTLS), wantsCertificate, func(f *failure) string {
		return "a certificate that the server accepts: " + f.option + "TLSCertFile and " + f.option + "TLSKeyFile"
	}},
	{of(redisclient.ReasonTLS), noTLS, withoutTLS("there is no TLS at this port, or something other than Redis is there")},
	{of(redisclient.ReasonTLS), nil, func(f *failure) string {
		return f.option + "TLSConnect, TLSCAFile and TLSServerName must fit the server's certificate"
	}},
	{of(redisclient.ReasonProtected), nil, says("on the server: requirepass or ACL users, or protected-mode no", "")},
	{of(redisclient.ReasonTimeout), handshake, withoutTLS("does the server have TLS at this port? if not")},
	{of(redisclient.ReasonTimeout), nil, func(*failure) string {
		return "does a firewall drop packets? else allow more time: " + prefix + "Timeout=<seconds>"
	}},
	{of(redisclient.ReasonMaxClients), nil, says("on the server: raise maxclients", "")},
	{of(redisclient.ReasonDatabase), nil, func(f *failure) string {
		return "correct " + databaseOption(f.target) + ": the server does not have the database"
	}},
	{of(redisclient.ReasonSentinel), nil, func(f *failure) string {
		return "are the sentinels and the master's name in " + f.uriOption + " right, and do they have a master now?"
	}},
	{of(redisclient.ReasonACL), nil, says("zabbix-agent2-plugin-redisjobs -acl prints the rights that the user needs", "")},
	{of(redisclient.ReasonLoading, redisclient.ReasonMasterDown, redisclient.ReasonBusy), nil, says("wait until the server serves again, and repeat", "")},
}

// fixFor is what to do about a server that does not serve us.
func (d *doctor) fixFor(err error, target *conf.Target) string {
	f := &failure{err: err, target: target, option: prefix + "Default."}
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
	return f.fix()
}

func (f *failure) fix() string {
	reason := redisclient.ReasonOf(f.err)
	for _, c := range cures {
		if slices.Contains(c.reasons, reason) && (c.when == nil || c.when(f)) {
			return c.fix(f)
		}
	}
	return ""
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
