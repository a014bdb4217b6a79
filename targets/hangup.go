package targets

import (
	"context"
	"slices"
	"strings"
	"time"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// Some servers end the connection on one command, where others answer with an
// error: twemproxy on what it does not know, Redis itself when the reply is
// longer than client-output-buffer-limit. That concerns the one command. It gets
// an error reply in the server's place, all others get their replies, and the
// command is not sent again for refusalMemory.
const (
	// refusalMemory is how long a command that the server refused in this way is
	// not sent again: as long as one that it refused in words.
	refusalMemory = time.Hour
	// maxRefusedCommands and maxRefusedBytes bound what is remembered of a target.
	maxRefusedCommands = 64
	maxRefusedBytes    = 256
	// maxHangUps bounds the connections that one search for a command may cost.
	maxHangUps = 32
	// nameHangUps is how often a command has to end the connection in a search, with
	// other arguments each time and never answered, until it is left alone with any.
	nameHangUps = 3
)

// hangUpCode begins the error reply to a command that the server hangs up on.
const hangUpCode = "HANGUP"

// hangUps are the commands that a server hangs up on, each with the time until
// which it is not sent. target.mu guards it.
type hangUps map[string]time.Time

// commandText is what a command is remembered by; "" for one that is too long.
func commandText(cmd redisclient.Command) string {
	n := len(cmd)
	for _, word := range cmd {
		n += len(word)
	}
	if n > maxRefusedBytes {
		return ""
	}
	return strings.Join(cmd, "\x00")
}

// anyOf is what a command is remembered by that is not sent with any arguments.
func anyOf(cmd redisclient.Command) string { return "\x00" + commandName(cmd) }

// noteLocked remembers what a command is known by, in place of the oldest one when
// there are too many.
func (h *hangUps) noteLocked(text string, now time.Time) {
	if text == "" {
		return
	}
	if *h == nil {
		*h = make(hangUps)
	}
	if len(*h) >= maxRefusedCommands {
		var oldest string
		for known, until := range *h {
			if oldest == "" || until.Before((*h)[oldest]) {
				oldest = known
			}
		}
		delete(*h, oldest)
	}
	(*h)[text] = now.Add(refusalMemory)
}

// containers are the commands whose second word is a part of their name.
var containers = []string{
	"ACL", "CLIENT", "CLUSTER", "COMMAND", "COMMANDLOG", "CONFIG", "FUNCTION", "LATENCY", "MEMORY", "MODULE", "OBJECT",
	"PUBSUB", "SENTINEL", "SLOWLOG", "XINFO",
}

// commandName is a command without its arguments.
func commandName(cmd redisclient.Command) string {
	if name := strings.ToUpper(cmd[0]); len(cmd) > 1 && slices.Contains(containers, name) {
		return name + " " + strings.ToUpper(cmd[1])
	}
	return strings.ToUpper(cmd[0])
}

// hangUpReply stands for the reply to a command that the server hangs up on.
func hangUpReply(cmd redisclient.Command) resp.Value {
	return resp.Value{
		Kind: resp.Error,
		Str:  []byte(hangUpCode + " the server closes the connection on " + commandName(cmd) + " instead of answering"),
	}
}

var lifeSign = redisclient.Command{"PING"}

// converse holds one conversation over the pool: one checkout, one round trip.
// Commands that the server is known to hang up on are not sent.
func (t *target) converse(ctx context.Context, cmds []redisclient.Command) ([]resp.Value, error) {
	refused := t.refusedNow(cmds)
	if refused == nil {
		return t.ask(ctx, cmds)
	}
	var sent []redisclient.Command
	for i, cmd := range cmds {
		if !refused[i] {
			sent = append(sent, cmd)
		}
	}
	if len(sent) == 0 {
		sent = append(sent, lifeSign) // whether the server is there must show all the same
	}
	replies, err := t.ask(ctx, sent)
	if err != nil {
		return nil, err
	}
	values := make([]resp.Value, len(cmds))
	for i, cmd := range cmds {
		if refused[i] {
			values[i] = hangUpReply(cmd)
		} else {
			values[i], replies = replies[0], replies[1:]
		}
	}
	return values, nil
}

// refusedNow says of each command whether the server is known to hang up on it;
// nil when it is not of any.
func (t *target) refusedNow(cmds []redisclient.Command) []bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.hangUps) == 0 {
		return nil
	}
	now := time.Now()
	var out []bool
	for i, cmd := range cmds {
		text := anyOf(cmd)
		until, known := t.hangUps[text]
		if !known {
			text = commandText(cmd)
			until, known = t.hangUps[text]
		}
		switch {
		case !known:
		case now.After(until):
			delete(t.hangUps, text)
		default:
			if out == nil {
				out = make([]bool, len(cmds))
			}
			out[i] = true
		}
	}
	return out
}

// ask sends the commands, and finds the one to blame when the server hangs up.
func (t *target) ask(ctx context.Context, cmds []redisclient.Command) ([]resp.Value, error) {
	values, err := t.talk(ctx, cmds)
	if !redisclient.IsHungUp(err) {
		return values, err
	}
	s := search{t: t, left: maxHangUps, err: err, names: make(map[string]int)}
	if len(cmds) == 1 {
		return s.ask(ctx, cmds)
	}
	return s.halves(ctx, cmds)
}

// search finds the commands of a pipeline that a server hangs up on, by asking
// for smaller and smaller parts of it.
type search struct {
	t    *target
	left int // hang-ups until it is given up
	err  error
	// names counts by commandName how often a command ended the connection; answered
	// has those that were answered.
	names    map[string]int
	answered []string
}

// takeNamed leaves out the commands whose name alone ends the connection. It
// returns those that are left, and which they are.
func (s *search) takeNamed(cmds []redisclient.Command) (left []redisclient.Command, at []int) {
	for i, cmd := range cmds {
		if name := commandName(cmd); s.names[name] < nameHangUps || slices.Contains(s.answered, name) {
			left, at = append(left, cmd), append(at, i)
		}
	}
	return left, at
}

func (s *search) halves(ctx context.Context, cmds []redisclient.Command) ([]resp.Value, error) {
	half := len(cmds) / 2
	if strings.EqualFold(cmds[half-1][0], "ASKING") { // it belongs to the command behind it
		if half++; half == len(cmds) {
			return nil, s.err
		}
	}
	first, err := s.ask(ctx, cmds[:half])
	if err != nil {
		return nil, err
	}
	second, err := s.ask(ctx, cmds[half:])
	if err != nil {
		return nil, err
	}
	return append(slices.Clip(first), second...), nil
}

func (s *search) ask(ctx context.Context, cmds []redisclient.Command) ([]resp.Value, error) {
	left, at := s.takeNamed(cmds)
	if len(left) == len(cmds) {
		return s.send(ctx, cmds)
	}
	values := make([]resp.Value, len(cmds))
	for i, cmd := range cmds {
		values[i] = hangUpReply(cmd)
	}
	if len(left) == 0 {
		return values, nil
	}
	replies, err := s.send(ctx, left)
	if err != nil {
		return nil, err
	}
	for i, reply := range replies {
		values[at[i]] = reply
	}
	return values, nil
}

// note remembers a command for the checks that follow.
func (s *search) note(cmd redisclient.Command) {
	name := commandName(cmd)
	s.names[name]++
	text := commandText(cmd)
	if s.names[name] >= nameHangUps && !slices.Contains(s.answered, name) {
		text = anyOf(cmd)
	}
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	s.t.hangUps.noteLocked(text, time.Now())
}

func (s *search) send(ctx context.Context, cmds []redisclient.Command) ([]resp.Value, error) {
	values, err := s.t.talk(ctx, cmds)
	if err == nil {
		for _, cmd := range cmds {
			s.answered = append(s.answered, commandName(cmd))
		}
	}
	if !redisclient.IsHungUp(err) {
		return values, err
	}
	if s.left--; s.left == 0 || ctx.Err() != nil {
		return nil, err
	}
	if len(cmds) > 1 {
		return s.halves(ctx, cmds)
	}
	// A server that goes down hangs up on everything.
	if _, err := s.t.talk(ctx, []redisclient.Command{lifeSign}); err != nil {
		return nil, err
	}
	s.note(cmds[0])
	return []resp.Value{hangUpReply(cmds[0])}, nil
}
