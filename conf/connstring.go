package conf

import (
	"errors"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	defaultURI  = "tcp://localhost:6379"
	defaultPort = "6379"

	maxConnString = 1024
	maxSocketPath = 107 // sun_path of unix(7), without its final NUL
	maxDatabase   = 1_000_000
)

// endpoint is a ConnString or Uri taken apart.
type endpoint struct {
	network  string   // tcp, unix, sentinel or http
	host     string   // as written, without brackets; tcp and http only
	port     string   // tcp and http only
	prefix   string   // path before every request, as /storm; http only
	path     string   // unix only
	hosts    []string // host:port of each sentinel, in lower case; sentinel only
	master   string   // its name; sentinel only
	user     string
	database int  // -1: not said
	tls      bool // rediss or https
	word     bool // nothing but one word, which might have been meant as a session
}

// The texts of refusals do not repeat what was written: a password in the wrong
// place must not get into a log.
var (
	errTooLong  = fmt.Errorf("is longer than %d bytes", maxConnString)
	errBlank    = errors.New("holds a space, a control character or invalid UTF-8")
	errPassword = errors.New("a password in a URI would stand in the item key: use a session, or the password parameter")
	// In a configuration it would not stand in an item key, but in what doctor,
	// discovery and errors show of the address.
	errPasswordInUri = errors.New("an address takes no password: put it into the option Password or PasswordFile in the same place, and the user into User")
	errUser          = errors.New("holds an invalid user name before the @")
	errQuery         = errors.New("a query or fragment in a URI is not supported: use the options of a session")
	errNoHost        = errors.New("has no host")
	errHost          = errors.New("holds no valid host name or IP address")
	errPort          = errors.New("port must be a number from 1 to 65535")
	errDatabase      = fmt.Errorf("database in the path must be a number from 0 to %d", maxDatabase)
	errBrackets      = errors.New("an IPv6 address needs brackets, as in tcp://[::1]:6379, and in an item key quotes around all of it")
	errNoScheme      = errors.New("write the scheme before //, as in tcp://10.0.0.5:6379")
	errSocket        = errors.New("a unix socket needs an absolute path, as in unix:///run/redis.sock")
	errSockLen       = fmt.Errorf("the path of a unix socket can have at most %d bytes", maxSocketPath)
)

// parseEndpoint reads any form of an address: host, host:port, tcp://, redis://
// (or valkey://) or rediss:// (valkeys://) host[:port][/database], unix:/path, unix:///path or /path, or
// sentinel://host[:port],…/master[/database]; or http:// and https://host[:port][/path]
// of a Storm UI. The error does not repeat a password.
func parseEndpoint(s string) (*endpoint, error) {
	if len(s) > maxConnString {
		return nil, errTooLong
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}) {
		return nil, errBlank
	}
	if strings.HasPrefix(s, "//") { // a URI whose scheme is missing, perhaps with a password
		return nil, errNoScheme
	}
	if strings.HasPrefix(s, "/") {
		return parseSocket(s)
	}
	scheme, rest, found := strings.Cut(s, "://")
	if !found || !validScheme(scheme) {
		if rest, ok := strings.CutPrefix(s, "unix:"); ok {
			return parseSocket(rest)
		}
		scheme, rest = "", s
	}
	switch strings.ToLower(scheme) {
	case "":
		if err := checkScheme(rest); err != nil {
			return nil, err
		}
		return parseHost(rest, true)
	case "tcp", "redis", "valkey":
		return parseHost(rest, false)
	case "rediss", "valkeys":
		e, err := parseHost(rest, false)
		if err == nil {
			e.tls = true
		}
		return e, err
	case "unix":
		return parseSocket(rest)
	case "sentinel":
		return parseSentinel(rest)
	case "http", "https":
		return parseWeb(rest, strings.EqualFold(scheme, "https"))
	default:
		return nil, errors.New("unknown scheme: known are " + strings.Join(schemes, ", "))
	}
}

// schemes are those that an address may have.
var schemes = []string{"tcp", "unix", "redis", "rediss", "valkey", "valkeys", "sentinel", "http", "https"}

// checkScheme finds a scheme that is written wrongly, as http//host or
// redis:/host, which would be taken for a host's name.
func checkScheme(s string) error {
	word, rest, slash := strings.Cut(s, "/")
	if !slash {
		return nil
	}
	name, _, colon := strings.Cut(word, ":")
	known := slices.Contains(schemes, strings.ToLower(name))
	if known && (colon && word == name+":" || !colon && strings.HasPrefix(rest, "/")) {
		return fmt.Errorf("write %s:// with a colon and two slashes", strings.ToLower(name))
	}
	return nil
}

// validScheme bounds what is taken for a scheme, and so repeated in an error.
func validScheme(s string) bool {
	return s != "" && len(s) <= 16 && !strings.ContainsFunc(s, func(r rune) bool {
		return !isAlnum(r) && r != '+' && r != '-' && r != '.'
	})
}

func parseSocket(s string) (*endpoint, error) {
	if strings.ContainsAny(s, "?#") {
		return nil, errQuery
	}
	if !strings.HasPrefix(s, "/") {
		return nil, errSocket
	}
	s = path.Clean(s)
	if len(s) > maxSocketPath {
		return nil, errSockLen
	}
	return &endpoint{network: "unix", path: s, database: -1}, nil
}

func parseHost(s string, bare bool) (*endpoint, error) {
	e := &endpoint{network: "tcp", database: -1, word: bare && validName(s)}
	s, err := e.cutUser(s)
	if err != nil {
		return nil, err
	}
	authority, db, _ := strings.Cut(s, "/")
	if err := e.setDatabase(db); err != nil {
		return nil, err
	}
	e.host, e.port, err = splitHostPort(authority)
	if err != nil {
		return nil, err
	}
	return e, nil
}

// cutUser takes the user off, and refuses what no URI here may have.
func (e *endpoint) cutUser(s string) (string, error) {
	// The last @, before anything else: a password may hold every delimiter.
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		e.user, s = s[:i], s[i+1:]
		switch {
		case strings.Contains(e.user, ":"):
			return "", errPassword
		case e.user == "", strings.ContainsAny(e.user, "/?#%@"):
			return "", errUser
		}
	}
	if strings.ContainsAny(s, "?#") {
		return "", errQuery
	}
	return s, nil
}

func (e *endpoint) setDatabase(text string) error {
	if text == "" {
		return nil
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n > maxDatabase {
		return errDatabase
	}
	e.database = int(n)
	return nil
}

func splitHostPort(s string) (host, port string, err error) {
	var hasPort bool
	if rest, ok := strings.CutPrefix(s, "["); ok {
		inner, after, closed := strings.Cut(rest, "]")
		addr, err := netip.ParseAddr(inner)
		if !closed || err != nil || !addr.Is6() {
			return "", "", errors.New("holds no valid IPv6 address in the brackets")
		}
		port, hasPort = strings.CutPrefix(after, ":")
		if after != "" && !hasPort {
			return "", "", errPort
		}
		host = addr.String()
	} else {
		if strings.Count(s, ":") > 1 {
			return "", "", errBrackets
		}
		host, port, hasPort = strings.Cut(s, ":")
		switch {
		case host == "":
			return "", "", errNoHost
		case !validHost(host):
			return "", "", errHost
		}
	}
	if !hasPort {
		return host, defaultPort, nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", "", errPort
	}
	return host, strconv.FormatUint(n, 10), nil
}

// validHost takes IPv4 addresses and host names (RFC 1123, with the underscore
// that container networks use). A name whose last label is a number would be a
// mistyped address.
func validHost(s string) bool {
	if addr, err := netip.ParseAddr(s); err == nil {
		return addr.Is4()
	}
	s = strings.TrimSuffix(s, ".")
	if len(s) > 253 {
		return false
	}
	var label string
	for label = range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range label {
			if !isAlnum(r) && r != '-' && r != '_' {
				return false
			}
		}
	}
	return strings.Trim(label, "0123456789") != ""
}

// validName is Zabbix's rule for the parts of an option's name, and so for
// names of sessions.
func validName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !isAlnum(r) && r != '_' })
}

func isAlnum(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

// quote makes a value fit to be shown in a one-line error.
func quote(s string) string {
	const most = 80
	if len(s) > most {
		return strconv.Quote(s[:most]) + "..."
	}
	return strconv.Quote(s)
}
