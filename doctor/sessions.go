package doctor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"redisjobs/conf"

	"redisjobs/metrics"
	"redisjobs/metrics/item"
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

// safely turns a panic into a problem of that session, so that the others are
// looked at.
func (d *doctor) safely(name string, look func() []finding) (found []finding) {
	defer func() {
		if reason := recover(); reason != nil {
			found = []finding{{problem, "session", fmt.Sprintf("%s: internal error: %v", cmp.Or(name, "Default"), reason),
				"please report it, with the version of the server"}}
		}
	}()
	return look()
}

// session looks at one server: whether it lets us in, and what it permits.
func (d *doctor) session(client *targets.Client, options *conf.Options, name string) []finding {
	subject := "session"
	target, err := options.Resolve(conf.Ref{Conn: name})
	if err != nil {
		return []finding{{problem, subject, err.Error(), ""}}
	}
	if target.Web() {
		return []finding{d.stormUI(client, options, target, name)}
	}
	doer, shown, err := client.Target(conf.Ref{Conn: name})
	if err != nil {
		return []finding{{problem, subject, err.Error(), ""}}
	}
	ctx, cancel := context.WithTimeout(context.Background(), options.Timeout)
	defer cancel()
	hello, err := doer.DoAll(ctx, redisclient.Command{"PING"}, redisclient.Command{"INFO", "server"}, redisclient.Command{"INFO", "keyspace"})
	if err != nil {
		return []finding{{problem, subject, shown + ": " + err.Error(), d.fixFor(err, target)}}
	}
	if len(hello) != 3 {
		return []finding{{problem, subject, fmt.Sprintf("%s: %d replies to three commands", shown, len(hello)), ""}}
	}
	found := database(string(hello[2].Str), target, shown)
	user := cmp.Or(target.User(), "default")
	sentinel := strings.Contains(string(hello[1].Str), "redis_mode:sentinel")
	asked := probes(item.StormOptions(options.Storm), item.JobsOptions(options.Jobs), sentinel)
	cmds := make([]redisclient.Command, len(asked))
	for i, p := range asked {
		cmds[i] = p.send
	}
	replies, err := doer.DoAll(ctx, cmds...)
	if err != nil {
		return []finding{{problem, subject, shown + ": " + err.Error(), d.fixFor(err, target)}}
	}
	var refusedCommands, refusedKeys, families, unknown []string
	for i, reply := range replies {
		if slices.Contains(everywhere, asked[i].command) && redisclient.UnknownCommand(reply.Err()) {
			unknown = append(unknown, asked[i].command)
		}
		if redisclient.ReasonOf(reply.Err()) != redisclient.ReasonACL {
			continue
		}
		if asked[i].pattern != "" && aboutKeys(reply.Err()) {
			refusedKeys = append(refusedKeys, asked[i].pattern)
			families = append(families, asked[i].family)
		} else if !aboutKeys(reply.Err()) {
			refusedCommands = append(refusedCommands, asked[i].command)
		}
	}
	out := found
	if len(unknown) > 0 {
		out = append(out, missingCommands(shown, unknown))
	}
	if len(refusedCommands)+len(refusedKeys) == 0 && len(unknown) > 0 {
		return out
	}
	if len(refusedCommands)+len(refusedKeys) == 0 {
		what := "every key of this plugin is permitted"
		if sentinel {
			what = "it is a sentinel, and permits what redis.sentinel.get asks"
		}
		return append(out, finding{fine, subject, shown + " lets the user " + user + " in; " + what, ""})
	}
	return append(out, d.refused(shown, user, refusedCommands, refusedKeys, families))
}

// everywhere are commands that every Redis has; one that does not know them has
// them renamed, or is a service that does without.
var everywhere = []string{"info", "config|get", "slowlog|get", "slowlog|len", "scan", "dbsize", "type", "client|list"}

// missingCommands says what a server does without, and whom that concerns.
func missingCommands(shown string, commands []string) finding {
	slices.Sort(commands)
	commands = slices.Compact(commands)
	return finding{
		level: warning, subject: "session",
		text: fmt.Sprintf("%s does not know %s; this concerns %s", shown, strings.Join(commands, " "), some(concernedKeys(commands, nil))),
		fix: "if the server has other names for them (rename-command in redis.conf), name these in the session's option RenameCommands; " +
			"if it has none, as some managed services, these items stay without a value",
	}
}

// stormUI looks at a session that is a Storm UI: whether it answers us.
func (d *doctor) stormUI(client *targets.Client, options *conf.Options, target *conf.Target, name string) finding {
	const subject = "session"
	web, shown, err := client.StormUI(conf.Ref{Conn: name})
	if err != nil {
		return finding{problem, subject, err.Error(), ""}
	}
	ctx, cancel := context.WithTimeout(context.Background(), options.Timeout)
	defer cancel()
	if _, err := web.Get(ctx, "/api/v1/topology/summary"); err != nil {
		return finding{problem, subject, shown + ": " + err.Error(), d.fixFor(err, target)}
	}
	return finding{fine, subject, shown + " answers as a Storm UI", ""}
}

// refused says what a user may not do, whom it concerns and which rule fixes it.
func (d *doctor) refused(shown, user string, commands, keys, families []string) finding {
	f := finding{level: warning, subject: "session"}
	rule := []string{"ACL", "SETUSER", user}
	var parts []string
	if len(keys) > 0 {
		slices.Sort(keys)
		keys = slices.Compact(keys)
		parts = append(parts, "read the keys "+strings.Join(keys, " "))
		for _, key := range keys {
			rule = append(rule, "%R~"+key)
		}
	}
	if len(commands) > 0 {
		slices.Sort(commands)
		commands = slices.Compact(commands)
		parts = append(parts, "run "+strings.Join(commands, " "))
		for _, c := range commands {
			rule = append(rule, "+"+c)
		}
	}
	concerned := concernedKeys(commands, families)
	if slices.Contains(concerned, "redis.get") || slices.Contains(concerned, "redis.status") {
		f.level = problem // the template's own items
	}
	f.text = fmt.Sprintf("%s: the user %s may not %s; this concerns %s", shown, user, strings.Join(parts, ", nor "), some(concerned))
	f.fix = strings.Join(rule, " ") + "\nthe whole rule: zabbix-agent2-plugin-redisjobs -acl -c " + d.config.Main
	return f
}

// concernedKeys are the item keys that send any of the commands, or are of one
// of the families.
func concernedKeys(commands, families []string) []string {
	var out []string
	for _, m := range metrics.All() {
		if slices.ContainsFunc(families, func(f string) bool { return strings.HasPrefix(m.Key, f) }) ||
			slices.ContainsFunc(m.Commands, func(c string) bool { return slices.Contains(commands, c) }) {
			out = append(out, m.Key)
		}
	}
	return out
}

// aboutKeys tells a NOPERM for a key from one for a command: the former names
// no command. Source: redis src/acl.c, acl error messages of 6.0 to 8.
func aboutKeys(err error) bool {
	return !strings.Contains(err.Error(), "run the") && strings.Contains(err.Error(), "key")
}
