package doctor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"redisjobs/conf"
	"redisjobs/metrics"
	"redisjobs/redisclient"
	"redisjobs/targets"
)

// atOnce bounds the sessions that are looked at side by side: servers that do
// not answer cost a timeout each.
const atOnce = 8

// handshakeTime bounds a look whether a port speaks TLS.
const handshakeTime = 3 * time.Second

// sessions connects to the server of each session, and of Default if it names
// one.
func (d *doctor) sessions(options *conf.Options) {
	var names []string
	broken := map[string]bool{} // which options reports
	for _, b := range options.Broken() {
		broken[b.Session] = true
	}
	for _, s := range options.Sessions() {
		if !broken[s.Name] {
			names = append(names, s.Name)
		}
	}
	if l, ok := d.config.Last(prefix + "Default.Uri"); ok && l.Value != "" && !broken[""] {
		names = append(names, "") // what an empty parameter means
	}
	if len(names) == 0 && len(broken) == 0 && d.config.Unreadable() {
		return
	}
	if len(names) == 0 && len(broken) == 0 {
		d.say(fine, "sessions", "none is configured: item keys name the address themselves", "")
		return
	}
	client, err := targets.NewClient(options)
	if err != nil {
		d.say(problem, "sessions", err.Error(), "start it again, or with --offline")
		return
	}
	defer client.Close()
	found := make([][]finding, len(names))
	var wg sync.WaitGroup
	places := make(chan struct{}, atOnce)
	for i, name := range names {
		wg.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			found[i] = d.safely(name, func() []finding { return d.session(client, options, name) })
		})
	}
	wg.Wait()
	d.findings = append(d.findings, slices.Concat(found...)...)
	d.queues(client, options)
}

// ofSession is a finding about a session.
func ofSession(l level, text, fix string) finding {
	return finding{level: l, subject: "session", text: text, fix: fix}
}

// unserved is about a session that does not work.
func (d *doctor) unserved(shown string, err error, target *conf.Target) finding {
	f := ofSession(problem, shown+": "+err.Error(), "")
	cure := d.cureFor(err, target)
	if f.fix = cure.text; cure.passes {
		f.affects = theServer
	}
	return f
}

// safely turns a panic into a problem of that session, so that the others are
// looked at.
func (d *doctor) safely(name string, look func() []finding) (found []finding) {
	defer func() {
		if reason := recover(); reason != nil {
			found = []finding{ofSession(problem, fmt.Sprintf("%s: internal error: %v", cmp.Or(name, "Default"), reason),
				"please report it, with the version of the server")}
		}
	}()
	return look()
}

// session looks at one server: whether it lets us in, and what it permits.
func (d *doctor) session(client *targets.Client, options *conf.Options, name string) []finding {
	target, err := options.Resolve(conf.Ref{Conn: name})
	if err != nil {
		return []finding{ofSession(problem, err.Error(), "")}
	}
	if target.Web() {
		return []finding{d.stormUI(client, options, target, name)}
	}
	doer, shown, err := client.Target(conf.Ref{Conn: name})
	if err != nil {
		return []finding{ofSession(problem, err.Error(), "")}
	}
	ctx, cancel := context.WithTimeout(context.Background(), options.Timeout)
	defer cancel()
	hello, err := doer.DoAll(ctx, redisclient.Command{"PING"}, redisclient.Command{"INFO", "server"}, redisclient.Command{"INFO", "cluster"},
		redisclient.Command{"INFO", "modules"}, redisclient.Command{"INFO", "keyspace"})
	if err != nil {
		return []finding{d.unserved(shown, err, target)}
	}
	if len(hello) != 5 {
		return []finding{ofSession(problem, fmt.Sprintf("%s: %d replies to five commands", shown, len(hello)), "")}
	}
	found := database(string(hello[4].Str), target, shown)
	var text []byte
	for _, section := range hello[1:4] {
		text = append(append(text, section.Str...), '\n') // of an error nothing is read
	}
	in, err := inspect(ctx, doer, metrics.ReadServer(text), options, cmp.Or(target.User(), defaultUser))
	if err != nil {
		return []finding{d.unserved(shown, err, target)}
	}
	return append(found, in.findings(shown)...)
}

// stormUI looks at a session that is a Storm UI: whether it answers us.
func (d *doctor) stormUI(client *targets.Client, options *conf.Options, target *conf.Target, name string) finding {
	web, shown, err := client.StormUI(conf.Ref{Conn: name})
	if err != nil {
		return ofSession(problem, err.Error(), "")
	}
	ctx, cancel := context.WithTimeout(context.Background(), options.Timeout)
	defer cancel()
	if _, err := web.Get(ctx, "/api/v1/topology/summary"); err != nil {
		return d.unserved(shown, err, target)
	}
	return ofSession(fine, shown+" answers as a Storm UI", "")
}
