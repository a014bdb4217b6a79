package settings

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"strings"

	"redisjobs/metrics/ask"
)

// Settings are a server's parameters and their values, secrets included: what is
// written goes through Shown.
type Settings map[string]string

// Max bounds the parameters of one server; Redis 8 has some 250.
const Max = 4 * ask.MaxRows

// ErrTooMany is what Read ends with beyond Max.
var ErrTooMany = errors.New("more parameters than any server has")

// Read reads the answer to CONFIG GET *. A parameter that a server lists
// under two names is taken once, see aliases.
func Read(p *ask.Part) (Settings, error) {
	if p.Err != nil {
		return nil, p.Err
	}
	params, err := ask.ConfigParams(p.Value)
	if err != nil {
		return nil, err
	}
	if len(params) > Max {
		return nil, ErrTooMany
	}
	out := make(Settings, len(params))
	for _, c := range params {
		out[strings.ToLower(c.Name)] = c.Value
	}
	for name, value := range out {
		kept := keptName(name)
		if v, ok := out[kept]; ok && kept != name && v == value {
			delete(out, name)
		}
	}
	return out, nil
}

// keptName is the name by which a parameter with two of them goes.
func keptName(name string) string {
	if kept, ok := aliases[name]; ok {
		return kept
	}
	return strings.ReplaceAll(name, "slave", "replica")
}

// aliases are second names of parameters, and the names that are kept: the newer ones,
// but those of Redis where Valkey alone has others.
// Source: redis 8 and valkey 9 src/config.c, static_configs
var aliases = map[string]string{
	"hash-max-ziplist-entries": "hash-max-listpack-entries", "hash-max-ziplist-value": "hash-max-listpack-value",
	"zset-max-ziplist-entries": "zset-max-listpack-entries", "zset-max-ziplist-value": "zset-max-listpack-value",
	"list-max-ziplist-size": "list-max-listpack-size", "lua-time-limit": "busy-reply-threshold",
	"commandlog-execution-slower-than": "slowlog-log-slower-than", "commandlog-slow-execution-max-len": "slowlog-max-len",
	"primaryauth": "masterauth", "primaryuser": "masteruser", "primaryof": "replicaof",
}

// Names are the parameters, sorted.
func (s Settings) Names() []string { return slices.Sorted(maps.Keys(s)) }

// Shown is a value as an answer may have it: a secret is masked by the rule of
// redis.server.config, and a long one clipped.
func Shown(name, value string, unmask bool) string {
	if !unmask && value != "" && ask.IsSecret(name) {
		return ask.Masked
	}
	return ask.Clip(value, ask.MaxErrorLine)
}

// Fingerprint is a digest of all parameters but those that are a server's own. Of
// secrets it has only whether they are set, so that nobody can try out passwords
// against it.
func (s Settings) Fingerprint() string {
	h := sha256.New()
	for _, name := range s.Names() {
		if isOwn(name) {
			continue
		}
		value := s[name]
		if value != "" && ask.IsSecret(name) {
			value = ask.Masked
		}
		_, _ = h.Write([]byte(name + "\x00" + value + "\x00")) // a hash.Hash never fails
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// own are parameters that name a place or an address, or say which server of a
// group this one is: they differ by their nature.
var own = map[string]bool{
	"port": true, "bind": true, "bind-source-addr": true, "unixsocket": true, "pidfile": true, "logfile": true, "dir": true,
	"dbfilename": true, "appendfilename": true, "appenddirname": true, "aclfile": true, "replicaof": true, "slaveof": true, "primaryof": true,
	"replica-priority": true, "slave-priority": true, "syslog-ident": true, "proc-title-template": true, "availability-zone": true,
	"tls-port": true, "tls-cert-file": true, "tls-key-file": true, "tls-client-cert-file": true, "tls-client-key-file": true,
	"server-cpulist": true, "server_cpulist": true, "bio-cpulist": true, "bio_cpulist": true, "aof-rewrite-cpulist": true, "aof_rewrite_cpulist": true,
	"bgsave-cpulist": true, "bgsave_cpulist": true, "cluster-config-file": true, "cluster-port": true,
}

func isOwn(name string) bool { return own[name] || strings.Contains(name, "announce") }

// Difference is a parameter that has another value on another server.
type Difference struct{ Name, Value string }

// Differences are the parameters that other has with another value, sorted by
// name, and how many of those that matter only one of the two has, as servers of
// different versions do.
func (s Settings) Differences(other Settings) (out []Difference, onlyOne int) {
	for _, name := range s.Names() {
		value, ok := other[name]
		switch {
		case isOwn(name):
		case !ok:
			onlyOne++
		case value != s[name]:
			out = append(out, Difference{name, value})
		}
	}
	for name := range other {
		if _, ok := s[name]; !ok && !isOwn(name) {
			onlyOne++
		}
	}
	return out, onlyOne
}
