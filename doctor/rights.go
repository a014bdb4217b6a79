package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"redisjobs/conf"
	"redisjobs/metrics"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jobs"
	"redisjobs/metrics/storm"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// inspection looks at what a user may do on one server. Each refusal is in the server's
// ACL log and in its figures, so that as little as possible is tried: nothing that the
// plugin would not send to this server, no key where none can be read, and nothing at
// all once the server says what a user may do without trying it.
type inspection struct {
	doer   redisclient.Doer
	server *metrics.Server
	user   string
	// dry: ACL DRYRUN is permitted; asked: whether that is known.
	dry, asked bool
	refusals   int

	commands, keys []string // refused
	families       []string // of item keys that read the refused keys
	besides        []string // keys of the same job systems, which were not tried any more
	unknown        []string // commands that every Redis has, and this one has not
	untried        []string // commands of which it is not known
	noKeys         bool     // no key can be looked at, so that no other was tried
}

// inspect tries out the rights. The error is the conversation's.
func inspect(ctx context.Context, doer redisclient.Doer, server *metrics.Server, options *conf.Options, user string) (*inspection, error) {
	in := &inspection{doer: doer, server: server, user: user}
	records, systems := item.StormOptions(options.Storm), item.JobsOptions(options.Jobs)
	key := strings.Replace(records.KeyPattern, "{job}", "redisjobs-doctor", 1)
	own, keyed, rare := server.Needs()
	first := commandProbes(own, key)
	if len(keyed) > 0 {
		first = append(first, commandProbe("type", key))
	}
	if err := in.try(ctx, first); err != nil || len(keyed) == 0 {
		return in, err
	}
	if in.noKeys = slices.Contains(in.commands, "type"); in.noKeys {
		return in, nil
	}
	groups := patternProbes(records, systems)
	second := commandProbes(slices.DeleteFunc(keyed, func(c string) bool { return c == "type" }), key)
	for _, group := range groups {
		second = append(second, group[0])
	}
	if err := in.try(ctx, second); err != nil {
		return in, err
	}
	var third []probe
	for _, group := range groups {
		if in.dry || !slices.Contains(in.keys, group[0].pattern) {
			third = append(third, group[1:]...)
			continue
		}
		for _, p := range group[1:] {
			in.besides = append(in.besides, p.pattern)
		}
	}
	if in.dry || user == defaultUser && in.refusals == 0 {
		third = append(third, commandProbes(rare, key)...)
	} else {
		in.untried = rare
	}
	return in, in.try(ctx, third)
}

// defaultUser is who is logged in where no user is named. Most servers permit it all.
const defaultUser = "default"

// try sends probes, or asks what would become of them, and notes what is refused.
func (in *inspection) try(ctx context.Context, probes []probe) error {
	if len(probes) == 0 {
		return nil
	}
	if err := in.askDryRun(ctx); err != nil {
		return err
	}
	cmds := make([]redisclient.Command, len(probes))
	for i, p := range probes {
		if cmds[i] = p.send; in.dry {
			cmds[i] = append(redisclient.Command{"ACL", "DRYRUN", in.user}, p.send...)
		}
	}
	replies, err := in.doer.DoAll(ctx, cmds...)
	if err != nil {
		return err
	}
	for i, reply := range replies {
		in.note(probes[i], in.verdict(reply))
	}
	return nil
}

// askDryRun finds out whether ACL DRYRUN is permitted, after the first refusal: where
// there was one, another one does no harm.
func (in *inspection) askDryRun(ctx context.Context) error {
	if in.asked || in.refusals == 0 || !in.server.DryRun() {
		return nil
	}
	in.asked = true
	replies, err := in.doer.DoAll(ctx, redisclient.Command{"ACL", "DRYRUN", in.user, "PING"})
	if err != nil {
		return err
	}
	in.dry = replies[0].Err() == nil
	return nil
}

// verdict is the refusal in a reply; nil where there is none. What ACL DRYRUN would
// refuse it tells in a text.
func (in *inspection) verdict(reply resp.Value) error {
	if text, err := reply.Text(); in.dry && err == nil && text != "OK" {
		return resp.NewServerError([]byte("NOPERM " + text))
	}
	return reply.Err()
}

func (in *inspection) note(p probe, err error) {
	if slices.Contains(everywhere, p.command) && redisclient.UnknownCommand(err) {
		in.unknown = append(in.unknown, p.command)
	}
	if redisclient.ReasonOf(err) != redisclient.ReasonACL {
		return
	}
	in.refusals++
	switch {
	case !aboutKeys(err):
		in.commands = append(in.commands, p.command)
	case p.pattern != "":
		in.keys, in.families = append(in.keys, p.pattern), append(in.families, p.family)
	}
}

// patternProbes are those of the keys of job records, and of each job system.
func patternProbes(records item.StormOptions, systems item.JobsOptions) [][]probe {
	var out [][]probe
	seen := map[string]bool{}
	add := func(family string, patterns []string) {
		var group []probe
		for _, pattern := range patterns {
			if !seen[pattern] {
				seen[pattern] = true
				group = append(group, keyProbe(family, pattern))
			}
		}
		if len(group) > 0 {
			out = append(out, group)
		}
	}
	add("storm.", storm.KeyPatterns(records))
	for _, name := range jobs.Names() {
		add("job.", jobs.KeyPatterns(systems, []string{name}))
	}
	return out
}

// findings are what was seen, in words.
func (in *inspection) findings(shown string) []finding {
	var out []finding
	if len(in.unknown) > 0 {
		out = append(out, missingCommands(shown, in.unknown))
	}
	var needed, optional []string
	for _, c := range in.commands {
		switch {
		case in.noKeys && c == "type": // which is said below
		case metrics.MayLack(c):
			optional = append(optional, c)
		default:
			needed = append(needed, c)
		}
	}
	if len(needed)+len(in.keys) > 0 {
		out = append(out, in.refused(shown, needed))
	}
	if len(optional) > 0 {
		out = append(out, ofSession(warning, fmt.Sprintf("%s: the user %s may not run %s, which docs/security.md lets you take away; this concerns %s",
			shown, in.user, strings.Join(optional, " "), concerned(optional, nil)), "if it was not taken on purpose: "+in.server.Grant(in.user, optional, nil)))
	}
	if in.noKeys {
		out = append(out, ofSession(warning, fmt.Sprintf("%s: the user %s may not run type, so that it can read no key; this concerns %s",
			shown, in.user, keyReaders()), "if these are wanted: zabbix-agent2-plugin-redisjobs -acl prints the rights for them, for less with purposes, as -acl server jobs sidekiq"))
	}
	if len(out) == 0 {
		out = append(out, ofSession(fine, in.content(shown), ""))
	}
	return out
}

// content is about a user that lacks nothing.
func (in *inspection) content(shown string) string {
	if in.server.IsSentinel() {
		return fmt.Sprintf("%s is a sentinel, and the user %s has the rights that redis.sentinel.get needs", shown, in.user)
	}
	text := fmt.Sprintf("%s: the user %s has the rights that this plugin needs", shown, in.user)
	if len(in.untried) > 0 {
		text += fmt.Sprintf("; not tried, since a refusal would be logged: %s, for the length of keys of such types, which %s permits",
			strings.Join(in.untried, " "), in.server.Grant(in.user, in.untried, nil))
	}
	return text
}

// refused says what a user may not do, whom it concerns and which rule fixes it.
func (in *inspection) refused(shown string, commands []string) finding {
	f := ofSession(warning, "", "")
	commands, keys := sorted(commands), sorted(in.keys)
	var parts []string
	if len(keys) > 0 {
		parts = append(parts, "read the keys "+strings.Join(keys, " "))
	}
	if len(commands) > 0 {
		parts = append(parts, "run "+strings.Join(commands, " "))
	}
	for _, key := range concernedKeys(commands, in.families) {
		if key == "redis.get" || key == "redis.status" {
			f.level = problem // the template's own items
		}
	}
	f.text = fmt.Sprintf("%s: the user %s may not %s; this concerns %s", shown, in.user, strings.Join(parts, ", nor "), concerned(commands, in.families))
	f.fix = in.server.Grant(in.user, commands, sorted(append(keys, in.besides...)))
	return f
}

func sorted(list []string) []string {
	out := slices.Clone(list)
	slices.Sort(out)
	return slices.Compact(out)
}

// everywhere are commands that every Redis has; one that does not know them has
// them renamed, or is a service that does without.
var everywhere = []string{"info", "config|get", "slowlog|get", "slowlog|len", "scan", "dbsize", "type", "client|list"}

// missingCommands says what a server does without, and whom that concerns.
func missingCommands(shown string, commands []string) finding {
	commands = sorted(commands)
	return ofSession(warning, fmt.Sprintf("%s does not know %s; this concerns %s", shown, strings.Join(commands, " "), concerned(commands, nil)),
		"if the server has other names for them (rename-command in redis.conf), name these in the session's option RenameCommands; "+
			"if it has none, as some managed services, these items stay without a value")
}

// concernedKeys are the item keys that send any of the commands, or are of one
// of the families.
func concernedKeys(commands, families []string) []string {
	var out []string
	for _, m := range metrics.All() {
		inFamily := len(m.Commands) > 0 && slices.ContainsFunc(families, func(f string) bool { return strings.HasPrefix(m.Key, f) })
		if inFamily || slices.ContainsFunc(m.Commands, func(c string) bool { return slices.Contains(commands, c) }) {
			out = append(out, m.Key)
		}
	}
	return out
}

// concerned names all of them: a list that is cut would hide the one that is asked
// about. A family of which all are concerned is its name.
func concerned(commands, families []string) string {
	return byFamily(concernedKeys(commands, families))
}

func byFamily(keys []string) string {
	for _, family := range []string{"storm.", "job."} {
		all := concernedKeys(nil, []string{family})
		if !slices.ContainsFunc(all, func(key string) bool { return !slices.Contains(keys, key) }) {
			keys = append(slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return slices.Contains(all, key) }), family+"*")
		}
	}
	return strings.Join(keys, ", ")
}

// keyReaders are the item keys that read keys.
func keyReaders() string {
	_, keyed, _ := metrics.ReadServer(nil).Needs()
	return byFamily(slices.DeleteFunc(concernedKeys(keyed, nil), func(key string) bool {
		return key == "redis.search.get" // only from RediSearch 1
	}))
}

// aboutKeys tells a NOPERM for a key from one for a command: the former names
// no command. Source: redis src/acl.c, acl error messages of 6.0 to 8.
func aboutKeys(err error) bool {
	return !strings.Contains(err.Error(), "run the") && strings.Contains(err.Error(), "key")
}
