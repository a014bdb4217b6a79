package metrics

import (
	"context"
	"fmt"
	"time"

	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
)

// condition is what a request tells about a server beside the answers to its
// commands: where they came from and how long that took. redis.status and
// redis.get write it with the same members, each left out when unknown:
//
//	up … target  as in every document
//	address      the address that answered, after name resolution
//	role         master, replica, sentinel, or the server's own word
//	flavour      redis, valkey, keydb, dragonfly, kvrocks, garnet or sentinel
//	version      the flavour's own, not the Redis version that it imitates
//	mode         standalone, cluster, sentinel
//	loading      1 while the data set is read from disk, else 0
//	time         seconds: connect, tls and auth of the newest connection,
//	             round_trip of this request; when it had to connect first, the
//	             time for that is taken off
//	tls          cert_not_after, unix time, and cert_days_left (negative when
//	             the certificate has ended) of the newest connection
type condition struct {
	target  *Target
	began   time.Time
	elapsed time.Duration
}

// askCondition is askParts with a look at the clock.
func askCondition(ctx context.Context, t *Target, parts ...*part) (condition, error) {
	c := condition{target: t, began: time.Now()}
	if err := askParts(ctx, t, parts...); err != nil {
		return c, err
	}
	c.elapsed = time.Since(c.began)
	return c, nil
}

// write begins a document with the condition of a server that is up, or with a
// problem not. x is what INFO told of it, at least the sections Server,
// Replication and Persistence; nil when that is unknown.
func (c condition) write(w *jsondoc.Writer, problem error, x *infoText) {
	writeHead(w, c.target.Name, problem)
	info, known := newestConnection(c.target)
	if known && info.Addr != "" {
		w.Key("address").String(info.Addr)
	}
	if x != nil {
		writeIdentity(w, x)
	}
	if known {
		writeConnection(w, info, c.began, c.elapsed)
	} else {
		writeTime(w, redisclient.ConnInfo{}, c.elapsed)
	}
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
