package ask

import (
	"context"
	"errors"
	"strings"
	"time"

	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// RefusalMemory is how long a command that the server refused is not sent
// again. Each refusal counts in the server's own error figures and in its ACL
// log, where it would look like an attack; the price is that a permission
// given later shows after at most this time.
const RefusalMemory = time.Hour

// Part is one command of a pipeline and what became of it.
type Part struct {
	// Name is the member of "unavailable" that tells why the part is missing;
	// several commands may share one.
	Name string
	Cmd  redisclient.Command
	// Must: the answer is worth nothing without it, so it is always sent.
	Must bool
	// As is what a refusal is remembered under; the whole command if empty. It
	// is for commands whose arguments change from poll to poll.
	As string

	Value resp.Value
	Err   error // why there is no value
}

// Refusal is what a Memory keeps of a refused command.
type Refusal struct {
	Err   error
	Until time.Time
}

// RefusedBefore returns the refusal that keeps the part from being sent, or nil.
func (p *Part) RefusedBefore(t *item.Target, now time.Time) error {
	if v, ok := t.Memory.Load(p.MemoryName()); ok {
		if r := v.(Refusal); now.Before(r.Until) {
			return r.Err
		}
	}
	return nil
}

func (p *Part) MemoryName() string {
	if p.As != "" {
		return "refused " + p.As
	}
	return "refused " + strings.Join(p.Cmd, " ")
}

// Do sends the commands of parts in one round trip, but for those that
// the server refused within RefusalMemory. The error is the conversation's;
// what the server refused stands in the part.
func Do(ctx context.Context, t *item.Target, parts ...*Part) error {
	now := time.Now()
	var cmds []redisclient.Command
	var sent []*Part
	for _, p := range parts {
		if !p.Must {
			if p.Err = p.RefusedBefore(t, now); p.Err != nil {
				continue
			}
		}
		cmds = append(cmds, p.Cmd)
		sent = append(sent, p)
	}
	if len(sent) == 0 {
		return askForLife(ctx, t)
	}
	values, err := t.DoAll(ctx, cmds...)
	if err != nil {
		return err
	}
	for i, p := range sent {
		p.Value, p.Err = values[i], values[i].Err()
		if p.Err != nil && !p.Must && Lasting(p.Err) {
			t.Memory.Store(p.MemoryName(), Refusal{p.Err, now.Add(RefusalMemory)})
		}
	}
	return nil
}

// askForLife finds out whether a server is there of which all else was refused
// before, and in a state to answer. That PING itself is refused is an answer.
func askForLife(ctx context.Context, t *item.Target) error {
	ping := &Part{Cmd: redisclient.Command{"PING"}}
	values, err := t.DoAll(ctx, ping.Cmd)
	if err != nil {
		return err
	}
	ping.Err = values[0].Err()
	return StateProblem(ping)
}

// passingCodes are refusals that tell of a key or of the cluster at this
// moment, and not of the command.
var passingCodes = map[string]bool{
	"WRONGTYPE": true, "NOGROUP": true, "MOVED": true, "ASK": true, "TRYAGAIN": true, "CLUSTERDOWN": true,
}

// Lasting tells a refusal for good (not permitted, unknown command) from a
// state that passes, such as loading.
func Lasting(err error) bool {
	var refused *resp.ServerError
	if errors.As(err, &refused) && (passingCodes[refused.Code] || strings.Contains(refused.Message, "no such key") || NoSuchIndex(err)) {
		return false
	}
	switch redisclient.ReasonOf(err) {
	case redisclient.ReasonACL, redisclient.ReasonCommand:
		return true
	}
	return false
}

// StateProblem returns the first refusal that tells of the server's state, such
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
