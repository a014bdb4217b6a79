package metrics

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
)

// serverField reads a field of the answer to INFO server; "" when it cannot be
// had.
func serverField(server *part, name string) string {
	if server.err != nil {
		return ""
	}
	text, err := infoReply(server.value)
	if err != nil {
		return ""
	}
	x, err := scanInfo(text, nil, nil)
	if err != nil {
		return ""
	}
	v, _ := x.field("server", name)
	return string(v)
}

// writeIdentity writes what the server says about itself.
func writeIdentity(w *jsondoc.Writer, x *infoText) {
	if role := serverRole(x); role != "" {
		w.Key("role").String(role)
	}
	if flavour, version := serverFlavour(x); flavour != "" {
		w.Key("flavour").String(flavour)
		if version != "" {
			w.Key("version").String(version)
		}
	}
	if mode := serverMode(x); mode != "" {
		w.Key("mode").String(mode)
	}
	if loading, ok := x.field("persistence", "loading"); ok && jsondoc.IsNumber(loading) {
		w.Key("loading").Number(loading)
	}
}

// serverRole is the role in today's words: master, replica, sentinel, or the
// server's own word for what is none of these; "" when it does not say.
func serverRole(x *infoText) string {
	role, ok := x.field("replication", "role")
	switch {
	case ok && string(role) == "slave":
		return "replica"
	case ok:
		return string(role)
	case serverMode(x) == "sentinel":
		return "sentinel"
	}
	return ""
}

// serverMode is standalone, cluster or sentinel; "" when the server does not
// say. Valkey calls the field server_mode.
func serverMode(x *infoText) string {
	for _, field := range []string{"redis_mode", "server_mode"} {
		if mode, ok := x.field("server", field); ok {
			return string(mode)
		}
	}
	return ""
}

// serverFlavour tells by its own fields which server it is; "" when it says
// neither. A fork also prints the redis_version that it is compatible with.
// KeyDB has no version field of its own: its executable tells it, or where
// that is hidden the field features, which only KeyDB prints.
// Sources: INFO server of Valkey 9, KeyDB 6.3, Dragonfly, Kvrocks 2, Garnet.
func serverFlavour(x *infoText) (flavour, version string) {
	if serverMode(x) == "sentinel" {
		version, _ := x.field("server", "redis_version")
		if own, ok := x.field("server", "valkey_version"); ok {
			version = own
		}
		return "sentinel", string(version)
	}
	for _, name := range []string{"valkey", "dragonfly", "kvrocks", "garnet"} {
		if own, ok := x.field("server", name+"_version"); ok {
			return name, string(bytes.TrimPrefix(own, []byte("df-v")))
		}
	}
	own, ok := x.field("server", "redis_version")
	if !ok {
		return "", ""
	}
	executable, _ := x.field("server", "executable")
	_, features := x.field("server", "features")
	if features || bytes.Contains(executable, []byte("keydb")) {
		return "keydb", string(own)
	}
	return "redis", string(own)
}

// askServer reads INFO. It returns nil when the server does not let us.
func askServer(ctx context.Context, t *Target) (*infoText, error) {
	ctx, cancel := context.WithTimeout(ctx, sliceLimit)
	defer cancel()
	info := &part{name: "info", cmd: redisclient.Command{"INFO"}}
	if err := askParts(ctx, t, info); err != nil {
		return nil, err
	}
	if err := stateProblem(info); err != nil {
		return nil, err
	}
	text, err := infoReply(info.value)
	if err != nil || info.err != nil {
		return nil, nil
	}
	x, err := scanInfo(text, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("INFO: %w", err)
	}
	return &x, nil
}

// sliceLimit bounds one conversation.
const sliceLimit = 3 * time.Second
