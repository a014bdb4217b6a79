package info

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
)

// Identity is what a server says it is.
type Identity struct {
	// Flavour is redis, valkey, keydb, dragonfly, kvrocks, garnet, pika, redict,
	// redis-enterprise or sentinel; of any other server the name that its version
	// field has. "" when the server does not say.
	Flavour string
	// Version is the flavour's own, not the Redis version that it imitates.
	Version string
	// Role is master, replica, sentinel, or the server's own word for what is none
	// of these (KeyDB's active-replica); "" when it does not say.
	Role string
	// Mode is standalone, cluster or sentinel; "" when the server does not say.
	Mode string
	// Means is what the flavour means by fields that servers use differently.
	Means Meaning
	// Uncounted says why figures of the sections Clients and Stats are not known; nil
	// where the server counts.
	Uncounted error
	// uptime is in seconds.
	uptime Reading
}

// flavours are the names that a version field has, "valkey_version", and what
// the server is called then. A fork also prints the redis_version that it is
// compatible with.
// Sources: INFO server of Valkey 9, Dragonfly, Kvrocks 2, Garnet, Pika 3, Redict,
// Redis Enterprise 7.
var flavours = map[string]string{
	"valkey": "valkey", "dragonfly": "dragonfly", "kvrocks": "kvrocks", "garnet": "garnet", "pika": "pika",
	"redict": "redict", "rlec": "redis-enterprise",
}

// madeWith are the version fields that name what a server is made with or
// speaks, and not the server.
var madeWith = []string{
	"api", "build", "clang", "compiler", "config", "dotnet", "engine", "gcc", "git", "go", "java", "jemalloc", "jvm", "kernel",
	"leveldb", "lmdb", "lua", "module", "msvc", "openssl", "os", "protocol", "proxy", "rdb", "rocksdb", "rust", "tls",
}

// Identify reads who the server is, and takes the fields out of x that are no
// readings of such a server, see unread. Sections that x has not leave their part
// unknown.
func Identify(x *Text) Identity {
	var id Identity
	var own, name string // of the version field that is no redis_version
	var redis, executable string
	features, unmonitored := false, false
	for _, s := range x.Sections {
		if !x.is(s, "server") {
			continue
		}
		for _, l := range x.Lines[s.First:s.End] {
			key, value := l.Key(x.Text), l.Value(x.Text)
			switch {
			case string(key) == "redis_version":
				redis = string(value)
			case string(key) == "redis_mode", string(key) == "server_mode" && id.Mode == "":
				id.Mode = string(value) // Valkey calls it server_mode
			case string(key) == "executable":
				executable = string(value)
			case string(key) == "features":
				features = true
			case string(key) == "monitor_task":
				unmonitored = string(value) == "disabled"
			case string(key) == "uptime_in_seconds":
				id.uptime = ParseReading(value)
			case bytes.HasSuffix(key, []byte("_version")):
				if of := string(key[:len(key)-len("_version")]); name == "" && !slices.Contains(madeWith, of) {
					own, name = string(value), of
				}
			}
		}
	}
	id.Flavour, id.Version = flavour(name, own, redis, id.Mode == "sentinel")
	// KeyDB has no version field of its own: its executable tells it, or where that
	// is hidden the field features, which only KeyDB prints.
	if id.Flavour == "redis" && (features || strings.Contains(executable, "keydb")) {
		id.Flavour = "keydb"
	}
	id.Means = meanings[id.Flavour]
	id.Role = role(x, id.Mode)
	if unmonitored && id.Means.Monitored {
		id.Uncounted = errUnmonitored
	}
	x.remove(id.unread)
	return id
}

var errUnmonitored = errors.New("the server does not count (monitor_task:disabled); start it with --metrics-sampling-freq 5")

// unread reports whether a field is no reading: an impossible number, or the 0 that
// stands in place of what the server does not count. The fields of Replication are
// judged where they are read, by master and replica.
func (id *Identity) unread(section string, key, value []byte) bool {
	switch section {
	case "clients", "stats":
		if id.Uncounted != nil && len(bytes.Trim(value, "0.")) == 0 {
			return true
		}
	case "server", "memory", "persistence", "cpu", "cluster":
	default:
		return false
	}
	if string(key) == "used_memory_rss" && string(value) == "0" {
		return true // it could not be read, or was not yet: no process is without memory
	}
	return id.Impossible(key, value)
}

func flavour(name, own, redis string, sentinel bool) (flavour, version string) {
	version = redis
	if own != "" && own != "-" { // what Redis Enterprise prints for its own
		version = own
	}
	known := flavours[name]
	switch {
	case sentinel:
		return "sentinel", version
	case known == "dragonfly":
		return known, strings.TrimPrefix(version, "df-v")
	case known != "":
		return known, version
	case name != "":
		return name, version
	case strings.HasPrefix(redis, "df-"): // Dragonfly before it had a field of its own
		return "dragonfly", strings.TrimPrefix(redis, "df-v")
	case redis != "":
		return "redis", redis
	}
	return "", ""
}

func role(x *Text, mode string) string {
	role, ok := x.Field("replication", "role")
	switch {
	case ok && string(role) == "slave":
		return "replica"
	case ok:
		return string(role)
	case mode == "sentinel":
		return "sentinel"
	}
	return ""
}

// ServerField reads a field of the answer to INFO server; "" when it cannot be
// had.
func ServerField(server *ask.Part, name string) string {
	x := serverText(server)
	v, _ := x.Field("server", name)
	return string(v)
}

// MeansOf is Identity.Means by the answer to INFO server; that of no server when it
// cannot be had.
func MeansOf(server *ask.Part) Meaning {
	x := serverText(server)
	id := Identify(&x)
	return id.Means
}

func serverText(server *ask.Part) Text {
	if server.Err != nil {
		return Text{}
	}
	text, err := Reply(server.Value)
	if err != nil {
		return Text{}
	}
	x, err := Scan(text, nil, nil)
	if err != nil {
		return Text{}
	}
	return x
}

// write writes what the server says about itself.
func (id *Identity) write(w *jsondoc.Writer, x *Text) {
	if id.Role != "" {
		w.Key("role").String(id.Role)
	}
	if id.Flavour != "" {
		w.Key("flavour").String(id.Flavour)
		if id.Version != "" {
			w.Key("version").String(id.Version)
		}
	}
	if id.Mode != "" {
		w.Key("mode").String(id.Mode)
	}
	if loading, ok := x.Field("persistence", "loading"); ok && jsondoc.IsNumber(loading) {
		w.Key("loading").Number(loading)
	}
}

// Ask reads INFO. It returns nil when the server does not let us.
func Ask(ctx context.Context, t *item.Target) (*Text, error) {
	ctx, cancel := context.WithTimeout(ctx, AskLimit)
	defer cancel()
	info := &ask.Part{Name: "info", Cmd: redisclient.Command{"INFO"}}
	if err := ask.Do(ctx, t, info); err != nil {
		return nil, err
	}
	if err := ask.StateProblem(info); err != nil {
		return nil, err
	}
	text, err := Reply(info.Value)
	if err != nil || info.Err != nil {
		return nil, nil
	}
	x, err := Scan(text, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("INFO: %w", err)
	}
	return &x, nil
}

// AskLimit bounds one conversation.
const AskLimit = 3 * time.Second
