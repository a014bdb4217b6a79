package advice

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/cluster"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// Get judges a server by rules: its setup, what goes wrong according to INFO, the
// cluster of a node, and the masters of a sentinel. The rules, with the consequence
// and the remedy of each, are in docs/advice.md.
//
// The members in addition to the head, all left out if INFO cannot be read or there are no
// rules for this kind of server:
//
//	findings    what is wrong, the worst first: [{"id":"no_maxmemory",
//	            "severity":"info","title":"No memory limit","evidence":"maxmemory
//	            is 0, used_memory is 1.2 GiB","why":"…","remedy":"…"}]; severity is
//	            high, warning or info
//	count       findings; high, warning and info: those of each severity
//	judged      rules that could be judged, with and without a finding
//	unjudged    the others that concern this server, and what was missing:
//	            [{"id":"small_backlog","missing":"…"}]
//	silenced    names of rules with a finding that the parameter Silenced hides
//	unavailable what the server refused
//
// It takes one round trip, or two for the first poll of a node of a cluster, of a
// sentinel, or with users. If the server runs on the agent's own machine, a few files
// below /proc and /sys are read as well.
//
// Users=yes reads ACL LIST, for the rules about users. That shows the monitoring
// user the hashes of all passwords; see -acl for the right.
var Get = &item.Metric{
	Key:         "redis.advice.get",
	Description: "Returns what is wrong with the setup of a server, its cluster or the masters of a sentinel, and how to fix it, as JSON.",
	Params: item.ConnParams(
		item.Param{
			Name: "Silenced", Check: checkNames,
			Description: "names of rules that shall not report, separated by blanks or commas",
		},
		item.Param{
			Name: "Users", Default: "no", Check: checkYesNo,
			Description: "yes: judge the users by ACL LIST, too",
		},
	),
	Commands: []string{"info", "config|get", "cluster|nodes", "cluster|slot-stats", "acl|list"},
	Collect:  collect,
}

func checkYesNo(value string) error {
	if value != "yes" && value != "no" {
		return errors.New("expected yes or no")
	}
	return nil
}

// known is what is remembered of a target: which commands are worth sending,
// and the replication stream's growth.
type known struct {
	mu                              sync.Mutex
	sentinel, cluster, slots, users bool
	stream                          info.Window[stream]
	began                           time.Time // what samples count from
}

// stream is how much a server had written to its replication stream.
type stream struct {
	id     string
	offset int64
}

const memoryName = "redis.advice.get"

// hasRules are the flavours that the rules are for.
var hasRules = []string{"redis", "valkey", "keydb", "redict", "sentinel"}

// poll are the commands of one poll.
type poll struct {
	info, commands, config ask.Part
	nodes, slots, users    ask.Part
	masters                ask.Part
	memory                 *known
}

func newPoll(t *item.Target) *poll {
	p := &poll{
		info:     ask.Part{Name: "info", Cmd: redisclient.Command{"INFO"}},
		commands: ask.Part{Name: "info", Cmd: redisclient.Command{"INFO", "commandstats"}},
		config:   ask.Part{Name: "config", Cmd: redisclient.Command{"CONFIG", "GET", "*"}},
		nodes:    *cluster.NodesPart(),
		slots:    ask.Part{Name: "slot_stats", Cmd: redisclient.Command{"CLUSTER", "SLOT-STATS", "ORDERBY", "key-count", "LIMIT", "1"}},
		users:    ask.Part{Name: "users", Cmd: redisclient.Command{"ACL", "LIST"}},
		masters:  mastersPart(),
	}
	t.Memory.Update(memoryName, func(v any) any {
		if v == nil {
			v = &known{began: time.Now()}
		}
		p.memory = v.(*known)
		return v
	})
	return p
}

func mastersPart() ask.Part {
	return ask.Part{Name: "masters", Cmd: redisclient.Command{"SENTINEL", "MASTERS"}}
}

func collect(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	t := r.Target
	p := newPoll(t)
	f, err := p.ask(ctx, t, r.Arg("Users") == "yes")
	if err != nil {
		return ask.Down(w, t.Name, err)
	}
	w.Grow(16 << 10)
	w.BeginObject()
	ask.Head(w, t.Name, nil)
	noRules := ask.Part{Name: "rules"}
	switch {
	case p.info.Err != nil:
	case !slices.Contains(hasRules, f.id.Flavour):
		noRules.Err = fmt.Errorf("there are no rules for a server of the kind %q", ask.Clip(f.id.Flavour, ask.MaxName))
	default:
		write(w, f, names(r.Arg("Silenced")), r.Arg("Users") == "yes")
	}
	ask.Unavailable(w, &p.info, &p.commands, &p.config, &p.nodes, &p.slots, &p.users, &p.masters, &noRules)
	w.EndObject()
	return nil
}

// ask asks the server, and once more for what its INFO shows to be worth asking
// that was not known before. The error is the conversation's, or the server's
// state.
func (p *poll) ask(ctx context.Context, t *item.Target, wantUsers bool) (*facts, error) {
	p.memory.mu.Lock()
	sentinel, inCluster, slots, users := p.memory.sentinel, p.memory.cluster, p.memory.slots, p.memory.users
	p.memory.mu.Unlock()
	type extra struct {
		part          *ask.Part
		known, wanted bool
	}
	extras := []extra{
		{part: &p.commands, known: !sentinel}, {part: &p.config, known: !sentinel}, {part: &p.masters, known: sentinel},
		{part: &p.nodes, known: inCluster}, {part: &p.slots, known: slots}, {part: &p.users, known: users && wantUsers},
	}
	first := []*ask.Part{&p.info}
	for _, e := range extras {
		if e.known {
			first = append(first, e.part)
		}
	}
	if err := ask.Do(ctx, t, first...); err != nil {
		return nil, err
	}
	if err := ask.StateProblem(&p.info); err != nil {
		return nil, err
	}
	f := &facts{x: &info.Text{}}
	if x := p.text(&p.info); x != nil {
		f.x, f.id = x, info.Identify(x)
	}
	sentinel, inCluster = f.id.Mode == "sentinel", f.isCluster()
	slots, users = inCluster && f.hasSlotStats(), f.hasUsers()
	p.memory.mu.Lock()
	p.memory.sentinel, p.memory.cluster, p.memory.slots, p.memory.users = sentinel, inCluster, slots, users
	p.memory.mu.Unlock()
	for i, wanted := range []bool{!sentinel, !sentinel, sentinel, inCluster, slots, users && wantUsers} {
		extras[i].wanted = wanted
	}
	var more []*ask.Part
	for _, e := range extras {
		switch {
		case e.wanted && !e.known:
			more = append(more, e.part)
		case e.known && !e.wanted:
			e.part.Forget(t) // another server refused it, or it is of no concern here
			e.part.Value, e.part.Err = resp.Value{Kind: resp.Null}, nil
		}
	}
	if len(more) > 0 {
		if err := ask.Do(ctx, t, more...); err != nil {
			for _, part := range more {
				part.Err = err
			}
		}
	}
	p.read(t, f, wantUsers)
	p.askSentinels(ctx, t, f)
	p.notice(f)
	here, ok := ask.Connection(t)
	f.anonymous, f.loginOK = here.Anonymous, ok
	f.machine = lookAt("/", t, f.x)
	return f, nil
}
