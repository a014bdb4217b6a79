package conf

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// The values of TLSConnect.
const (
	tlsDisabled   = "disabled"
	tlsRequired   = "required"
	tlsVerifyCA   = "verify_ca"
	tlsVerifyFull = "verify_full"
)

// maxUser bounds a user name, maxSecret a password, wherever they come from.
const (
	maxUser   = 512
	maxSecret = 4096
)

// block is what is set below Default. or below one session. An empty field is
// not set.
type block struct {
	name         string // Default or Sessions.<name>
	uri          *endpoint
	user         string
	password     Secret
	passwordFile string
	command      Secret        // PasswordCommand
	lifetime     time.Duration // PasswordLifetime; 0: not set
	token        Secret
	tokenFile    string
	database     int // -1: not set

	sentinelUser         string
	sentinelPassword     Secret
	sentinelPasswordFile string

	tlsConnect    string
	tlsCAFile     string
	tlsCertFile   string
	tlsKeyFile    string
	tlsServerName string
	peerRules     rules
	ruleTexts     ruleTexts
	lines         map[string]int // of the options that are set
}

func newBlock(name string) *block {
	return &block{name: name, database: -1, lines: map[string]int{}}
}

// option is the full name of one of the block's options, for errors.
func (b *block) option(field string) string { return prefix + join(b.name, field) }

func (b *block) errorf(field, format string, args ...any) error {
	return &optionError{option: b.option(field), line: b.lines[field], err: fmt.Errorf(format, args...)}
}

// onePassword refuses two passwords in one place.
func (b *block) onePassword() error {
	switch {
	case !b.password.IsEmpty() && b.passwordFile != "":
		return b.errorf("PasswordFile", "is set together with Password: keep one of the two")
	case !b.password.IsEmpty() && !b.command.IsEmpty():
		return b.errorf("PasswordCommand", "is set together with Password: keep one of the two")
	case b.passwordFile != "" && !b.command.IsEmpty():
		return b.errorf("PasswordCommand", "is set together with PasswordFile: keep one of the two")
	case b.lifetime > 0 && b.command.IsEmpty():
		return b.errorf("PasswordLifetime", "is for PasswordCommand alone, which must be set in the same place")
	}
	return nil
}

// oneSentinelPassword refuses two passwords of the sentinels in one place.
func (b *block) oneSentinelPassword() error {
	if !b.sentinelPassword.IsEmpty() && b.sentinelPasswordFile != "" {
		return b.errorf("SentinelPasswordFile", "is set together with SentinelPassword: keep one of the two")
	}
	return nil
}

// wholeCertificate refuses a certificate without its key, and the key alone.
func (b *block) wholeCertificate() error {
	switch {
	case b.tlsCertFile != "" && b.tlsKeyFile == "":
		return b.errorf("TLSCertFile", "TLSKeyFile must be set as well, in the same place")
	case b.tlsKeyFile != "" && b.tlsCertFile == "":
		return b.errorf("TLSKeyFile", "TLSCertFile must be set as well, in the same place")
	}
	return nil
}

// rules are what the options of one block must keep to among themselves. mode
// is the TLSConnect that is in effect for it.
func (b *block) rules(mode string) error {
	for _, rule := range []func() error{b.onePassword, b.oneSentinelPassword, b.wholeCertificate} {
		if err := rule(); err != nil {
			return err
		}
	}
	off := mode == "" || mode == tlsDisabled
	switch {
	case mode == tlsRequired && b.tlsCAFile != "":
		return b.errorf("TLSCAFile", "is not used with TLSConnect=required: choose verify_ca or verify_full")
	}
	if !off {
		return nil
	}
	for _, f := range []struct{ name, value string }{
		{"TLSCAFile", b.tlsCAFile},
		{"TLSCertFile", b.tlsCertFile},
		{"TLSKeyFile", b.tlsKeyFile},
		{"TLSServerName", b.tlsServerName},
	} {
		if f.value != "" {
			return b.errorf(f.name, "is set while TLS is off: set TLSConnect to required, verify_ca or verify_full")
		}
	}
	return nil
}

// blockOptions are the rows for the fields of a block.
func blockOptions(group, whom string) []Option {
	row := func(field, def, rng, doc, example string, set func(b *block, value string) error) Option {
		return Option{
			Name: group + field, Default: def, Range: rng, Doc: fmt.Sprintf(doc, whom), Example: example,
			ofBlock: true,
			set:     func(at place, value string) error { return set(at.block, value) },
		}
	}
	file := func(field, doc, example string, to func(*block) *string) Option {
		return row(field, "", "an absolute path", doc, example, func(b *block, value string) (err error) {
			*to(b), err = parseFilePath(value)
			return err
		})
	}
	// Only Default's have a built-in default; a session's is Default's.
	uri, database := defaultURI, "0"
	if group != "Default." {
		uri, database = "", ""
	}
	lifetimes := bounds{min: 10, max: 7 * 86400, text: "10-604800"}
	databases := bounds{max: maxDatabase, text: fmt.Sprintf("0-%d", maxDatabase)}
	return append([]Option{
		row("Uri", uri, "",
			"Address %s: tcp://host:port/database, host, host:port, unix:/path, redis:// or rediss:// (with TLS), valkey:// or valkeys://, "+
				"or sentinel://host:port,host:port/master for the server that these sentinels call the master. "+
				"http://host:port/path and https:// are a Storm UI, only for storm.* keys.",
			"tcp://localhost:6379", func(b *block, value string) (err error) {
				b.uri, err = parseEndpoint(value)
				if err == errPassword {
					return errPasswordInUri
				}
				return err
			}),
		row("User", "", "",
			"ACL user, or the user of a Storm UI, %s. Empty, or default, is the default user of Redis.", "zabbix",
			func(b *block, value string) error {
				b.user = value
				return checkUser(value)
			}),
		row("Password", "", "",
			"Password %s. Agents from 7.2 on take it from the environment variable NAME if the value is nothing but ${NAME}.", "secret",
			func(b *block, value string) error {
				b.password = NewSecret(value)
				return checkPassword(value)
			}),
		file("PasswordFile",
			"File that holds nothing but the password %s. It is read again for each new connection.",
			"/etc/zabbix/redis.password", func(b *block) *string { return &b.passwordFile }),
		row("PasswordCommand", "", "the absolute path of a program, and its arguments",
			"Program that prints the password %s, for passwords that expire. Words are separated by blanks; single or double "+
				"quotes keep blanks within a word, and nothing else has a special meaning: no shell runs it. It may take 30 seconds "+
				"and print one line. See docs/security.md.",
			"/usr/local/bin/redis-token --user zabbix", func(b *block, value string) error {
				b.command = NewSecret(value)
				_, err := splitCommand(value)
				return err
			}).quoted(),
		row("PasswordLifetime", "", lifetimes.text,
			"How long a password that PasswordCommand printed is used, %s, in seconds; 600 if it is not set. From three quarters "+
				"of it on the next one is fetched in the background. A password that the server refuses is replaced at once.",
			"10m", func(b *block, value string) error {
				n, err := lifetimes.parse(value, timeUnits)
				b.lifetime = toSeconds(n)
				return err
			}),
		row("Token", "", "",
			"Bearer token for a Storm UI (http:// or https://), in place of a password, %s.", "secret",
			func(b *block, value string) error {
				b.token = NewSecret(value)
				return checkToken(value)
			}),
		file("TokenFile",
			"File that holds nothing but the bearer token for a Storm UI, %s. It is read again for each request.",
			"/etc/zabbix/storm.token", func(b *block) *string { return &b.tokenFile }),
		row("Database", database, databases.text,
			"Database number %s. A database in the Uri takes precedence.", "0",
			func(b *block, value string) error {
				n, err := databases.parse(value, nil)
				b.database = int(n)
				return err
			}),
		row("SentinelUser", "", "",
			"ACL user of the sentinels in a sentinel:// address, %s. Empty is their default user.", "zabbix",
			func(b *block, value string) error {
				b.sentinelUser = value
				return checkUser(value)
			}),
		row("SentinelPassword", "", "",
			"Password of the sentinels in a sentinel:// address, %s. They get no other password: "+
				"Password is only for the server.", "secret",
			func(b *block, value string) error {
				b.sentinelPassword = NewSecret(value)
				return checkPassword(value)
			}),
		file("SentinelPasswordFile",
			"File that holds nothing but the password of the sentinels, %s. It is read again for each new connection.",
			"/etc/zabbix/sentinel.password", func(b *block) *string { return &b.sentinelPasswordFile }),
		row("TLSConnect", "", "disabled, required, verify_ca, verify_full",
			"How TLS is used %s: not at all (disabled), without a check of the certificate (required), with a check of who signed it "+
				"(verify_ca), or also of its name (verify_full). A rediss:// or https:// address alone means verify_full.", tlsVerifyFull,
			func(b *block, value string) error {
				switch value {
				case tlsDisabled, tlsRequired, tlsVerifyCA, tlsVerifyFull:
					b.tlsConnect = value
					return nil
				}
				return errors.New("is none of disabled, required, verify_ca and verify_full")
			}).noted("disabled, or verify_full where the Uri begins with rediss:// or https://"),
		file("TLSCAFile",
			"Certificates (PEM) of the authorities that may have signed the server's certificate, %s. "+
				"Needed for verify_ca; verify_full without it trusts those of the system.",
			"/etc/zabbix/redis-ca.pem", func(b *block) *string { return &b.tlsCAFile }),
		file("TLSCertFile",
			"Client certificate (PEM) that is sent to the server, %s. TLSKeyFile must be set in the same place.",
			"/etc/zabbix/redis-client.pem", func(b *block) *string { return &b.tlsCertFile }),
		file("TLSKeyFile",
			"Private key (PEM, not encrypted) of TLSCertFile, %s.",
			"/etc/zabbix/redis-client.key", func(b *block) *string { return &b.tlsKeyFile }),
		row("TLSServerName", "", "a host name",
			"Name that the server's certificate must have if it is not the host in the Uri, %s.",
			"redis.example.com", func(b *block, value string) error {
				if !validHost(value) {
					return errors.New("is not a valid host name")
				}
				b.tlsServerName = strings.ToLower(value)
				return nil
			}),
	}, ruleOptions(row)...)
}

func checkUser(user string) error {
	if len(user) > maxUser {
		return fmt.Errorf("is longer than %d bytes", maxUser)
	}
	// Redis takes no such names: ACLStringHasSpaces in its src/acl.c.
	if strings.ContainsAny(user, " \t\r\n\v\f\x00") {
		return errors.New("holds a space")
	}
	return nil
}

func checkPassword(password string) error {
	if len(password) > maxSecret {
		return fmt.Errorf("is longer than %d bytes", maxSecret)
	}
	return nil
}
