package info

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
)

// ServerField reads a field of the answer to INFO server; "" when it cannot be
// had.
func ServerField(server *ask.Part, name string) string {
	if server.Err != nil {
		return ""
	}
	text, err := Reply(server.Value)
	if err != nil {
		return ""
	}
	x, err := Scan(text, nil, nil)
	if err != nil {
		return ""
	}
	v, _ := x.Field("server", name)
	return string(v)
}

// writeIdentity writes what the server says about itself.
func writeIdentity(w *jsondoc.Writer, x *Text) {
	if role := Role(x); role != "" {
		w.Key("role").String(role)
	}
	if flavour, version := Flavour(x); flavour != "" {
		w.Key("flavour").String(flavour)
		if version != "" {
			w.Key("version").String(version)
		}
	}
	if mode := Mode(x); mode != "" {
		w.Key("mode").String(mode)
	}
	if loading, ok := x.Field("persistence", "loading"); ok && jsondoc.IsNumber(loading) {
		w.Key("loading").Number(loading)
	}
}

// Role is the role in today's words: master, replica, sentinel, or the
// server's own word for what is none of these; "" when it does not say.
func Role(x *Text) string {
	role, ok := x.Field("replication", "role")
	switch {
	case ok && string(role) == "slave":
		return "replica"
	case ok:
		return string(role)
	case Mode(x) == "sentinel":
		return "sentinel"
	}
	return ""
}

// Mode is standalone, cluster or sentinel; "" when the server does not
// say. Valkey calls the field server_mode.
func Mode(x *Text) string {
	for _, field := range []string{"redis_mode", "server_mode"} {
		if mode, ok := x.Field("server", field); ok {
			return string(mode)
		}
	}
	return ""
}

// Flavour tells by its own fields which server it is; "" when it says
// neither. A fork also prints the redis_version that it is compatible with.
// KeyDB has no version field of its own: its executable tells it, or where
// that is hidden the field features, which only KeyDB prints.
// Sources: INFO server of Valkey 9, KeyDB 6.3, Dragonfly, Kvrocks 2, Garnet.
func Flavour(x *Text) (flavour, version string) {
	if Mode(x) == "sentinel" {
		version, _ := x.Field("server", "redis_version")
		if own, ok := x.Field("server", "valkey_version"); ok {
			version = own
		}
		return "sentinel", string(version)
	}
	for _, name := range []string{"valkey", "dragonfly", "kvrocks", "garnet"} {
		if own, ok := x.Field("server", name+"_version"); ok {
			return name, string(bytes.TrimPrefix(own, []byte("df-v")))
		}
	}
	own, ok := x.Field("server", "redis_version")
	if !ok {
		return "", ""
	}
	executable, _ := x.Field("server", "executable")
	_, features := x.Field("server", "features")
	if features || bytes.Contains(executable, []byte("keydb")) {
		return "keydb", string(own)
	}
	return "redis", string(own)
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
