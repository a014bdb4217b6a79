package jobs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"redisjobs/metrics/item"
	"redisjobs/nearest"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// system is one job system. It has no state: what a poll must remember is in
// the target's Memory.
type system interface {
	// Spec says what is the same for every Redis.
	Spec() *spec
	// readSystems asks for everything that r wants to know. It returns before the first
	// answer arrives.
	Read(p *poll, r *reading)
}

// spec describes a system.
type spec struct {
	// Name in documents, item keys and options: lower case letters.
	Name string
	// DefaultPrefix is the prefix, in the system's own words, of a Redis where
	// nobody has chosen another.
	DefaultPrefix string
	// Prefix makes one text of the several that mean the same prefix; nil when
	// there is only one.
	Prefix func(prefix string) string
	// AppPrefix: the usual prefix has the name of the application in it, so that it is
	// searched for when a queue is asked for without one.
	AppPrefix bool
	// Markers are the keys of which each shows that the system is there. Nil when
	// there are none with a fixed name.
	Markers func(prefix string) []marker
	// Clue judges a key that SCAN came across; nil when no key is looked for.
	Clue func(key string) (clue, bool)
	// Stream judges a stream that SCAN came across, of systems whose streams may have
	// any name; nil when no stream is looked for.
	Stream func(key string) (clue, bool)
	// Lists: the system keeps a list of its queues, or a key of each as long as there
	// is one, so that one without it does not exist.
	Lists bool
	// EmptyIsGone: a queue that is empty has no key, and cannot be told from one that
	// does not exist.
	EmptyIsGone bool
	// Splits: neither prefixes nor names of queues are free of colons, so that a
	// configured prefix tells where a key is to be split.
	Splits bool
	// Lacks is what the system does not keep.
	Lacks []lack
	// Commands are those it sends, as ACL SETUSER names them, and FailureCommands those
	// that it sends to read failures.
	Commands, FailureCommands []string
	// Keys are the patterns of the keys it reads, as ACL SETUSER has them. queues
	// are the configured ones; both are escaped for patterns.
	Keys func(prefix string, queues []string) []string
}

// marker is a key that a system owns, and its type in TYPE's words.
type marker struct {
	Key, Type string
	// Absent: it shows that another system owns the markers after it, which have the
	// same names there.
	Absent bool
}

// clue is a key that may belong to a system.
type clue struct {
	Prefix string
	// Name is what the key adds to Reading.Found: the queue, or what else the
	// system makes of it. "" for nothing.
	Name string
	// Proof are commands whose answers tell, by Proves, whether it does belong to
	// it. They are sent for each key, or just for the first one under a Prefix when
	// OncePerPrefix: then there is no Name.
	Proof         []redisclient.Command
	Proves        func(replies []resp.Value) bool
	OncePerPrefix bool
	// Open, of a system that is proven by a job itself, tells of answers that prove nothing
	// whether the job is all that is missing: then one that is too large to be looked at
	// leaves it open. See unseen.go.
	Open func(replies []resp.Value) bool
	// Rare: few keys of that shape are to be expected, and more are somebody else's.
	Rare bool
}

// lack is a figure that a system does not keep.
type lack struct {
	Figure figure
	// OfQueues: it is not known of single queues; else not of the system.
	OfQueues bool
	Reason   string
}

// lackOfQueues says for one reason what is not known of single queues.
func lackOfQueues(reason string, figures ...figure) []lack { return lackAll(true, reason, figures) }

// lackOfSystem says for one reason what is not known of the system.
func lackOfSystem(reason string, figures ...figure) []lack { return lackAll(false, reason, figures) }

// lackEverywhere says it for both.
func lackEverywhere(reason string, figures ...figure) []lack {
	return append(lackOfQueues(reason, figures...), lackOfSystem(reason, figures...)...)
}

func lackAll(ofQueues bool, reason string, figures []figure) []lack {
	out := make([]lack, len(figures))
	for i, f := range figures {
		out[i] = lack{f, ofQueues, reason}
	}
	return out
}

// areTypes makes a Proves of answers to TYPE.
func areTypes(types ...string) func([]resp.Value) bool {
	return func(replies []resp.Value) bool {
		for i, v := range replies {
			if typ, err := v.Text(); err != nil || typ != types[i] {
				return false
			}
		}
		return true
	}
}

// lacks reports whether the system does not keep the figure.
func (s *spec) lacks(f figure, ofQueues bool) bool {
	return slices.ContainsFunc(s.Lacks, func(l lack) bool { return l.Figure == f && l.OfQueues == ofQueues })
}

// canonical is the one text for a prefix.
func (s *spec) canonical(prefix string) string {
	if s.Prefix == nil {
		return prefix
	}
	return s.Prefix(prefix)
}

// all are the systems, in the order of documents.
var all = []system{
	sidekiq{},
	resque{},
	rq{},
	celery{},
	redbeat{},
	bullmq{},
	bull{},
	asynq{},
	laravel{},
	horizon{},
	symfony{},
	huey{},
	arq{},
	dramatiq{},
	taskiq{},
	beequeue{},
	saq{},
	djangoq{},
	plain{},
}

// Systems returns all systems.
func Systems() []system { return slices.Clone(all) }

// Names lists the names of all systems.
func Names() []string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = s.Spec().Name
	}
	return out
}

// checkName says whether there is a system of that name.
func checkName(name string) error {
	if _, ok := lookup(name); !ok {
		return fmt.Errorf("no job system is called %q%s; there are: %s", name, nearest.Question(name, Names()), strings.Join(Names(), ", "))
	}
	return nil
}

func lookup(name string) (system, bool) {
	i := slices.IndexFunc(all, func(s system) bool { return s.Spec().Name == name })
	if i < 0 {
		return nil, false
	}
	return all[i], true
}

// Commands are those that reading the named systems and their failures sends,
// sorted, as ACL SETUSER names them; those of the poll itself and of discovery
// included.
func Commands(systems []string) []string {
	return commandsOf(systems, func(s *spec) []string { return append(slices.Clone(s.Commands), s.FailureCommands...) })
}

func commandsOf(systems []string, of func(s *spec) []string) []string {
	out := []string{"time", "type", "scan"}
	for _, name := range systems {
		if s, ok := lookup(name); ok {
			out = append(out, of(s.Spec())...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// KeyPatterns are the keys that the named systems read under their default prefix
// and the configured ones, sorted, as ACL SETUSER has them.
func KeyPatterns(o item.JobsOptions, systems []string) []string {
	var out []string
	for _, s := range all {
		spec := s.Spec()
		if !slices.Contains(systems, spec.Name) {
			continue
		}
		for _, prefix := range prefixesOf(&o, spec) {
			var queues []string
			for _, queue := range o.Queues[spec.Name] {
				queues = append(queues, redisclient.EscapeGlob(queue))
			}
			out = append(out, spec.Keys(redisclient.EscapeGlob(prefix), queues)...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// instance is a system that lives under a prefix.
type instance struct {
	System string
	Prefix string
}

// Compare is the order of documents.
func (i instance) Compare(j instance) int {
	order := func(name string) int {
		return slices.IndexFunc(all, func(s system) bool { return s.Spec().Name == name })
	}
	return cmp.Or(cmp.Compare(order(i.System), order(j.System)), cmp.Compare(i.Prefix, j.Prefix))
}

var idEscaper = strings.NewReplacer("%", "%25", "/", "%2F")

// ID is a text that no other instance has, for discovery in Zabbix.
func (i instance) ID() string {
	return i.System + "/" + idEscaper.Replace(i.Prefix)
}
