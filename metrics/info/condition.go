package info

import (
	"context"
	"fmt"
	"time"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
)

// Condition is what a request says about a server in addition to the answers to its
// commands: where they came from and how long that took. redis.status and redis.get
// have these members; each is left out if it is not known:
//
//	up … target  as in every document
//	address      the address that answered, after name resolution
//	role         master, replica, sentinel, or the server's own word
//	flavour      redis, valkey, keydb, dragonfly, kvrocks, garnet, pika, redict,
//	             redis-enterprise or sentinel, else the name that the server's
//	             version field has
//	version      the flavour's own, not the Redis version that it imitates
//	mode         standalone, cluster, sentinel
//	loading      1 while the data set is read from disk, else 0
//	time         seconds: connect, tls and auth of the newest connection,
//	             round_trip of this request; when it had to connect first, the
//	             time for that is taken off
//	tls          cert_not_after, unix time, and cert_days_left (negative when
//	             the certificate has ended) of the newest connection
type Condition struct {
	Target  *item.Target
	began   time.Time
	elapsed time.Duration
}

// AskCondition is ask.Do with a look at the clock.
func AskCondition(ctx context.Context, t *item.Target, parts ...*ask.Part) (Condition, error) {
	c := Condition{Target: t, began: time.Now()}
	if err := ask.Do(ctx, t, parts...); err != nil {
		return c, err
	}
	c.elapsed = time.Since(c.began)
	return c, nil
}

// Write begins a document with the condition of a server that is up, or with a
// problem not. x is what INFO shows of it, at least the sections Server,
// Replication and Persistence, and id what that says of the server; nil when
// that is unknown.
func (c Condition) Write(w *jsondoc.Writer, problem error, x *Text, id *Identity) {
	ask.Head(w, c.Target.Name, problem)
	info, known := ask.Connection(c.Target)
	if known && info.Addr != "" {
		w.Key("address").String(info.Addr)
	}
	if x != nil {
		id.write(w, x)
	}
	if known {
		writeConnection(w, info, c.began, c.elapsed)
	} else {
		writeTime(w, redisclient.ConnInfo{}, c.elapsed)
	}
}

// PingProblem returns why a server that answered is not up, or nil. One that refuses
// PING alone is up when it answers any of the sections, but for a state in which nothing
// can be read, and for words of a proxy that does not reach its server.
func PingProblem(ping *ask.Part, sections []*ask.Part) error {
	err := ping.Err
	if err == nil {
		text, err := ping.Value.Text()
		if err == nil && text != "PONG" {
			err = fmt.Errorf("PING was answered with %q", ask.ClipBytes([]byte(text)))
		}
		return err
	}
	if redisclient.RefusesWrites(err) {
		return nil
	}
	if redisclient.ConcernsServer(err) || ask.OfTheMoment(err) {
		return err
	}
	for _, p := range sections {
		if p.Err == nil {
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
