package metrics

import (
	"context"
	"errors"
	"strings"
	"time"

	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// refusalMemory is how long a command that the server refused is not sent
// again. Each refusal counts in the server's own error figures and in its ACL
// log, where it would look like an attack; the price is that a permission
// given later shows after at most this time.
const refusalMemory = time.Hour

// part is one command of a pipeline and what became of it.
type part struct {
	// name is the member of "unavailable" that tells why the part is missing;
	// several commands may share one.
	name string
	cmd  redisclient.Command
	// must: the answer is worth nothing without it, so it is always sent.
	must bool
	// as is what a refusal is remembered under; the whole command if empty. It
	// is for commands whose arguments change from poll to poll.
	as string

	value resp.Value
	err   error // why there is no value
}

// refusal is what a Memory keeps of a refused command.
type refusal struct {
	err   error
	until time.Time
}

// refusedBefore returns the refusal that keeps the part from being sent, or nil.
func (p *part) refusedBefore(t *Target, now time.Time) error {
	if v, ok := t.Memory.Load(p.memoryName()); ok {
		if r := v.(refusal); now.Before(r.until) {
			return r.err
		}
	}
	return nil
}

func (p *part) memoryName() string {
	if p.as != "" {
		return "refused " + p.as
	}
	return "refused " + strings.Join(p.cmd, " ")
}

// askParts sends the commands of parts in one round trip, but for those that
// the server refused within refusalMemory. The error is the conversation's;
// what the server refused stands in the part.
func askParts(ctx context.Context, t *Target, parts ...*part) error {
	now := time.Now()
	var cmds []redisclient.Command
	var sent []*part
	for _, p := range parts {
		if !p.must {
			if p.err = p.refusedBefore(t, now); p.err != nil {
				continue
			}
		}
		cmds = append(cmds, p.cmd)
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
		p.value, p.err = values[i], values[i].Err()
		if p.err != nil && !p.must && lasting(p.err) {
			t.Memory.Store(p.memoryName(), refusal{p.err, now.Add(refusalMemory)})
		}
	}
	return nil
}

// askForLife finds out whether a server is there of which all else was refused
// before, and in a state to answer. That PING itself is refused is an answer.
func askForLife(ctx context.Context, t *Target) error {
	ping := &part{cmd: redisclient.Command{"PING"}}
	values, err := t.DoAll(ctx, ping.cmd)
	if err != nil {
		return err
	}
	ping.err = values[0].Err()
	return stateProblem(ping)
}

// passingCodes are refusals that tell of a key or of the cluster at this
// moment, and not of the command.
var passingCodes = map[string]bool{
	"WRONGTYPE": true, "NOGROUP": true, "MOVED": true, "ASK": true, "TRYAGAIN": true, "CLUSTERDOWN": true,
}

// lasting tells a refusal for good (not permitted, unknown command) from a
// state that passes, such as loading.
func lasting(err error) bool {
	var refused *resp.ServerError
	if errors.As(err, &refused) && (passingCodes[refused.Code] || strings.Contains(refused.Message, "no such key") || noSuchIndex(err)) {
		return false
	}
	switch redisclient.ReasonOf(err) {
	case redisclient.ReasonACL, redisclient.ReasonCommand:
		return true
	}
	return false
}

// stateProblem returns the first refusal that tells of the server's state, such
// as loading, and not of one command or key: with it nothing can be read.
func stateProblem(parts ...*part) error {
	for _, p := range parts {
		if redisclient.ConcernsServer(p.err) {
			return p.err
		}
	}
	return nil
}

// writeUnavailable writes the member unavailable: the names of the parts that
// are missing, each with the server's words; {} when nothing is missing.
func writeUnavailable(w *jsondoc.Writer, parts ...*part) {
	w.Key("unavailable").BeginObject()
	writeMissing(w, parts...)
	w.EndObject()
}

// writeMissing writes the members of unavailable.
func writeMissing(w *jsondoc.Writer, parts ...*part) {
	for i, p := range parts {
		if p.err == nil || saidAlready(parts[:i], p.name) {
			continue
		}
		w.Key(p.name).String(p.err.Error())
	}
}

func saidAlready(parts []*part, name string) bool {
	for _, p := range parts {
		if p.err != nil && p.name == name {
			return true
		}
	}
	return false
}

// noSuchIndex knows the words of RediSearch 1 and 2, of Redis 8 and of
// valkey-search for an index that is not there any more.
func noSuchIndex(err error) bool {
	if err == nil || redisclient.ReasonOf(err) != redisclient.ReasonCommand {
		return false
	}
	text := strings.ToLower(err.Error())
	return strings.Contains(text, "unknown index name") || strings.Contains(text, "no such index") ||
		strings.Contains(text, "index") && strings.Contains(text, "not found")
}
