package metrics

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
)

// statusMetric tells whether a server serves commands, and if not, why.
//
// up is 1 when the server answers PING with PONG. A server that can be reached
// and says that it is loading, that its master is down, that a script blocks
// it or that we are not logged in is down, with that reason and with all that
// it tells about itself. Where PING itself is not permitted or not known, a
// server that answers INFO is up: it serves commands, and unavailable.ping has
// its words.
//
// The members beside up, reason, error and target, each left out when unknown:
//
//	address      the address that answered, after name resolution
//	role         master, replica, sentinel
//	server       {"flavour":"redis","version":"7.0.15"}; flavour is redis,
//	             valkey, keydb, dragonfly, kvrocks, garnet or sentinel, version
//	             is the flavour's own and not the Redis version it imitates
//	mode         standalone, cluster, sentinel
//	loading      1 while the data set is read from disk, else 0
//	time         seconds: connect, tls and auth of the newest connection,
//	             round_trip of this request; when it had to connect first, the
//	             time for that is taken off
//	tls          cert_not_after, unix time, and cert_days_left (negative when
//	             the certificate has ended) of the newest connection
//	unavailable  what the server refused, as in redis.get
var statusMetric = &Metric{
	Key:         "redis.status",
	Description: "Returns whether a server serves commands, and if not why, as JSON.",
	Params:      connParams(),
	Commands:    []string{"ping", "info"},
	Collect:     collectStatus,
}

func collectStatus(ctx context.Context, r *Request) (string, error) {
	t := r.Target
	ping := part{name: "ping", cmd: redisclient.Command{"PING"}, must: true}
	// One command for each section: servers before 7 take only one.
	sections := []*part{
		{name: "info", cmd: redisclient.Command{"INFO", "server"}},
		{name: "info", cmd: redisclient.Command{"INFO", "replication"}},
		{name: "info", cmd: redisclient.Command{"INFO", "persistence"}},
	}
	parts := append([]*part{&ping}, sections...)
	began := time.Now()
	if err := askParts(ctx, t, parts...); err != nil {
		return downDocument(t.Name, err), nil
	}
	elapsed := time.Since(began)

	w := jsondoc.New(1024)
	w.BeginObject()
	writeHead(w, t.Name, pingProblem(&ping, sections))
	info, known := newestConnection(t)
	if known && info.Addr != "" {
		w.Key("address").String(info.Addr)
	}
	writeIdentity(w, sections)
	if known {
		writeConnection(w, info, began, elapsed)
	} else {
		writeTime(w, redisclient.ConnInfo{}, elapsed)
	}
	writeUnavailable(w, parts...)
	w.EndObject()
	return w.Document(), nil
}

// pingProblem returns why a server that answered is not up, or nil.
func pingProblem(ping *part, sections []*part) error {
	err := ping.err
	if err == nil {
		var text string
		if text, err = ping.value.Text(); err == nil && text != "PONG" {
			err = fmt.Errorf("PING was answered with %q", clipBytes([]byte(text)))
		}
	}
	if err == nil || !lasting(err) {
		return err
	}
	for _, p := range sections {
		if p.err == nil {
			return nil
		}
	}
	return err
}

func newestConnection(t *Target) (redisclient.ConnInfo, bool) {
	if t.ConnInfo == nil {
		return redisclient.ConnInfo{}, false
	}
	return t.ConnInfo()
}

// writeIdentity writes what the server says about itself.
func writeIdentity(w *jsondoc.Writer, sections []*part) {
	var all []byte
	for _, p := range sections {
		if text, err := infoReply(p.value); p.err == nil && err == nil {
			all = append(append(all, text...), '\n')
		}
	}
	x, err := scanInfo(all, nil, nil)
	if err != nil {
		for _, p := range sections {
			if p.err == nil {
				p.err = err
			}
		}
		return
	}
	if role := serverRole(&x); role != "" {
		w.Key("role").String(role)
	}
	if flavour, version := serverFlavour(&x); flavour != "" {
		w.Key("server").BeginObject()
		w.Key("flavour").String(flavour)
		if version != "" {
			w.Key("version").String(version)
		}
		w.EndObject()
	}
	if mode := serverMode(&x); mode != "" {
		w.Key("mode").String(mode)
	}
	if loading, ok := x.field("persistence", "loading"); ok && jsondoc.IsNumber(loading) {
		w.Key("loading").Number(loading)
	}
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

// writeConnection writes the members time and tls. The first command travels
// with the login, so only the connect and the TLS handshake are taken off the
// time of a request that made its connection itself.
func writeConnection(w *jsondoc.Writer, info redisclient.ConnInfo, began time.Time, elapsed time.Duration) {
	if setup := info.Connect + info.TLS; !info.At.Before(began) && setup < elapsed {
		elapsed -= setup
	}
	writeTime(w, info, elapsed)
	if info.CertNotAfter.IsZero() {
		return
	}
	w.Key("tls").BeginObject()
	w.Key("cert_not_after").Int(info.CertNotAfter.Unix())
	w.Key("cert_days_left").Float(time.Until(info.CertNotAfter).Round(time.Minute).Hours() / 24)
	w.EndObject()
}

func writeTime(w *jsondoc.Writer, info redisclient.ConnInfo, roundTrip time.Duration) {
	w.Key("time").BeginObject()
	for _, m := range []struct {
		name string
		time time.Duration
	}{{"connect", info.Connect}, {"tls", info.TLS}, {"auth", info.Auth}} {
		if m.time > 0 {
			w.Key(m.name).Float(m.time.Seconds())
		}
	}
	w.Key("round_trip").Float(roundTrip.Seconds())
	w.EndObject()
}
