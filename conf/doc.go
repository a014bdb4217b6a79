// Package conf is what the operator wrote, checked and made safe: the options
// below Plugins.RedisJobs. of an agent's configuration, and the targets that
// item keys and sessions resolve to.
//
// # Options
//
// One table (see [Table]) holds every option with its default and range; the
// decoder, the shipped configuration file and its test all read it. A wrong
// option is refused with one line that names the option and the line it stands
// on, and never the value. An option without a value counts as not set, a repeated
// one takes its last value, names are case sensitive: all three as in Zabbix.
//
// Only a wrong word is refused. Options of a session that contradict each other, and
// a file that cannot be read, cost that session alone: its items are errors
// ([Options.Resolve], [Target.Credential], [Target.TLS]), and [Options.Broken] lists
// them for the log.
//
// # Resolution order
//
// Each field of a target is taken from the first of these that has it:
//
//  1. the item key: ConnString (when it is a URI), Password, User
//  2. the session that ConnString names: Sessions.<name>.*
//  3. Default.*
//  4. the built-in default: tcp://localhost:6379, no user, no password,
//     database 0, no TLS
//
// A session's name is looked up first and exactly, so that a session may be
// called localhost. Only the URI that is used counts: its path is the database
// and its user the user of the level it stands on. There the path goes before
// the Database option, and the User option (or parameter) before the URI's
// user. Password, PasswordFile and PasswordCommand are one field, and so are TLSCertFile and
// TLSKeyFile, which must come from the same place. The user "default" is the
// same as none.
//
// With SessionsOnly an item key may only name a session, or nothing when
// Default.Uri is set, and may not pass a password or user of its own. Without
// it whoever may edit items can point Default's password at any host.
//
// # TLS
//
// TLSConnect has Zabbix's words. "required" encrypts and checks nobody,
// "verify_ca" checks the certificate's chain, "verify_full" its name too
// (TLSServerName, else the host). TLSCAFile is needed for verify_ca and refused
// where it would not be used; verify_full without it trusts the system's
// certificate authorities. rediss:// is verify_full unless the session, or
// Default, says required or verify_ca. TLS from Default is not applied to unix
// sockets; a session that asks for it is refused. Certificates and password
// files are read again when a connection is made and they changed.
//
// # Guarantees
//
// No secret is in any error, or in what fmt, json or slog print of any type of
// this package. Equal settings are the identical *Target for as long as anybody
// holds it, however they were written, so that a *Target may be the key of a
// pool. Options and Targets may be used by many goroutines at once.
package conf
