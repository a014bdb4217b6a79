package ask

import (
	"context"
	"slices"
	"strings"

	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// Part is one command of a pipeline and what became of it.
type Part struct {
	// Name is the member of "unavailable" that says why the part is missing;
	// several commands may share one.
	Name string
	Cmd  redisclient.Command
	// Must: the answer is worth nothing without it, so it is always sent.
	Must bool
	// As is what a refusal of its arguments is remembered by; the whole command if
	// empty. It is for commands whose arguments change from poll to poll.
	As string

	Value resp.Value
	Err   error // why there is no value
}

// RefusedBefore returns the refusal for which the part need not be sent, or nil.
func (p *Part) RefusedBefore(t *item.Target) error {
	return RefusalsOf(t.Memory).Of(p.Cmd, p.As)
}

// Forget forgets that the part was refused, as when another server answers now.
func (p *Part) Forget(t *item.Target) { RefusalsOf(t.Memory).Forget(p.Cmd, p.As) }

// Do sends the commands of parts in one round trip, but for those that
// the server refused within RefusalMemory. The error is the conversation's;
// what the server refused stands in the part. So does a timeout that came after
// the replies to the first part and to all that must be answered: the server is
// there, and only slow with one command.
func Do(ctx context.Context, t *item.Target, parts ...*Part) error {
	refusals := RefusalsOf(t.Memory)
	var cmds []redisclient.Command
	var sent []*Part
	for _, p := range parts {
		if !p.Must {
			if p.Err = refusals.Of(p.Cmd, p.As); p.Err != nil {
				continue
			}
		}
		cmds = append(cmds, p.Cmd)
		sent = append(sent, p)
	}
	if len(sent) == 0 {
		return Ping(ctx, t)
	}
	values, err := t.DoAll(ctx, cmds...)
	if err != nil {
		values = redisclient.RepliesBefore(err, cmds)
		if len(values) == 0 || slices.ContainsFunc(sent[len(values):], func(p *Part) bool { return p.Must }) {
			return err
		}
	}
	for i, p := range sent {
		if i >= len(values) {
			p.Err = err
			continue
		}
		p.Value, p.Err = values[i], values[i].Err()
		if p.Err != nil && !p.Must {
			refusals.Note(p.Cmd, p.As, p.Err)
		}
	}
	return nil
}

// Ping finds out whether a server that refused everything else answers, and is
// in a state to. That it refuses PING itself is an answer.
func Ping(ctx context.Context, d redisclient.Doer) error {
	p := &Part{Cmd: redisclient.Command{"PING"}}
	values, err := d.DoAll(ctx, p.Cmd)
	if err != nil {
		return err
	}
	p.Err = values[0].Err()
	return StateProblem(p)
}

// StateProblem returns the first refusal that concerns the server's state, such
// as loading, and not of one command or key: with it nothing can be read.
func StateProblem(parts ...*Part) error {
	for _, p := range parts {
		if redisclient.ConcernsServer(p.Err) {
			return p.Err
		}
	}
	return nil
}

// Unavailable writes the member unavailable: the names of the parts that
// are missing, each with the server's words; {} when nothing is missing.
func Unavailable(w *jsondoc.Writer, parts ...*Part) {
	w.Key("unavailable").BeginObject()
	Missing(w, parts...)
	w.EndObject()
}

// Missing writes the members of unavailable.
func Missing(w *jsondoc.Writer, parts ...*Part) {
	for i, p := range parts {
		if p.Err == nil || saidAlready(parts[:i], p.Name) {
			continue
		}
		w.Key(p.Name).String(p.Err.Error())
	}
}

func saidAlready(parts []*Part, name string) bool {
	for _, p := range parts {
		if p.Err != nil && p.Name == name {
			return true
		}
	}
	return false
}

// NoSuchIndex knows the words of RediSearch 1 and 2, of Redis 8 and of
// valkey-search for an index that is not there any more.
func NoSuchIndex(err error) bool {
	if err == nil || redisclient.ReasonOf(err) != redisclient.ReasonCommand {
		return false
	}
	text := strings.ToLower(err.Error())
	return strings.Contains(text, "unknown index name") || strings.Contains(text, "no such index") ||
		strings.Contains(text, "index") && strings.Contains(text, "not found")
}
