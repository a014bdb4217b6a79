package ask

import (
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

const (
	// RefusalMemory is how long a command that the server refused is not sent
	// again. Each refusal counts in the server's own error figures and in its ACL
	// log, where it would look like an attack; the price is that a permission
	// given later shows after at most this time.
	RefusalMemory = time.Hour
	// oddMemory is how long it is not sent again when the server's words are none of
	// lastingTexts, and may be of a trouble that passes.
	oddMemory = time.Minute
	// maxRefusals bounds what is remembered of one target; the oldest is forgotten
	// first. With maxRefusalName and the bound of a server's error text that is
	// less than 400 KiB.
	maxRefusals = 1024
	// maxRefusalName is the longest name, in bytes, that is kept as it is.
	maxRefusalName = 96

	refusalsMemory = "refusals"
)

// Refusals is what is remembered of the commands that one target refused, for
// all metrics together and by one rule:
//
//   - An unknown command, and one that the user may not run, is remembered by its
//     name, with its subcommand where it has one. It is not sent again, whatever
//     its arguments.
//   - A key or channel that the user may not use, and arguments that the server
//     does not know, are remembered by the whole command, or by what the caller
//     names instead when the arguments change from poll to poll.
//   - What the server says in other words than those of a lasting refusal is
//     remembered for a minute.
//   - What concerns the moment is not remembered: the state of the server, of the
//     cluster or of a key, and what a proxy says when it does not reach a server.
//
// It may be used by many requests at once.
type Refusals struct {
	mu      sync.Mutex
	refused map[string]refusal
}

type refusal struct {
	err   error
	until time.Time
}

// RefusalsOf returns those of the target that the memory belongs to.
func RefusalsOf(m *item.Memory) (r *Refusals) {
	m.Update(refusalsMemory, func(v any) any {
		r, _ = v.(*Refusals)
		if r == nil {
			r = &Refusals{refused: make(map[string]refusal)}
		}
		return r
	})
	return r
}

// Of returns the refusal for which a command need not be sent, or nil. as is
// what refusals of its arguments are remembered by; the whole command if empty.
func (r *Refusals) Of(cmd redisclient.Command, as string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.refused) == 0 {
		return nil
	}
	now := time.Now()
	for _, name := range refusalNames(cmd, as) {
		if e, ok := r.refused[name]; ok && now.Before(e.until) {
			return e.err
		}
	}
	return nil
}

// Note remembers why the server refused a command, if that lasts.
func (r *Refusals) Note(cmd redisclient.Command, as string, err error) {
	if !Lasting(err) {
		return
	}
	name := argumentsName(cmd, as)
	if ofCommand(err) && len(cmd) > 0 {
		name = commandName(cmd)
	}
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.refused[name]; !ok && len(r.refused) >= maxRefusals {
		r.forgetOldestLocked()
	}
	r.refused[name] = refusal{err, now.Add(memoryOf(err))}
}

// lastingTexts are parts of error texts, in lower case, of what a server refuses each
// time.
// Sources: redis src/server.c, src/networking.c, src/cluster.c, src/module.c; documents of
// managed services
var lastingTexts = []string{
	"unknown", "wrong number", "syntax", "disabled", "not allowed", "not supported", "unsupported", "not support", "not implemented",
	"not permitted", "not enabled", "not available", "invalid", "permission", "restricted", "denied", "must be", "requires",
}

// memoryOf is how long a refusal is remembered.
func memoryOf(err error) time.Duration {
	if redisclient.ReasonOf(err) == redisclient.ReasonACL {
		return RefusalMemory
	}
	text := strings.ToLower(err.Error())
	if slices.ContainsFunc(lastingTexts, func(lasting string) bool { return strings.Contains(text, lasting) }) {
		return RefusalMemory
	}
	return oddMemory
}

// Forget forgets the refusals of a command, as when another server answers now.
func (r *Refusals) Forget(cmd redisclient.Command, as string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range refusalNames(cmd, as) {
		delete(r.refused, name)
	}
}

func (r *Refusals) forgetOldestLocked() {
	oldest := ""
	var until time.Time
	for name, e := range r.refused {
		if oldest == "" || e.until.Before(until) {
			oldest, until = name, e.until
		}
	}
	delete(r.refused, oldest)
}

func refusalNames(cmd redisclient.Command, as string) []string {
	names := []string{argumentsName(cmd, as)}
	if len(cmd) > 0 {
		names = append(names, commandName(cmd))
	}
	return names
}

// containers are the commands whose second word is a subcommand, which the
// server permits or does not know on its own.
var containers = map[string]bool{
	"acl": true, "client": true, "cluster": true, "command": true, "commandlog": true, "config": true, "debug": true,
	"function": true, "hotkeys": true, "latency": true, "memory": true, "module": true, "object": true, "pubsub": true,
	"script": true, "sentinel": true, "slowlog": true, "xgroup": true, "xinfo": true,
}

// HasSubcommands reports whether a command's second word is a subcommand. Name is
// in lower case.
func HasSubcommands(name string) bool { return containers[name] }

// commandName is the command's name as ACL SETUSER has it: get, config|get.
func commandName(cmd redisclient.Command) string {
	name := strings.ToLower(cmd[0])
	if containers[name] && len(cmd) > 1 {
		name += "|" + strings.ToLower(cmd[1])
	}
	return "command " + bounded(name)
}

func argumentsName(cmd redisclient.Command, as string) string {
	if as != "" {
		return "arguments " + bounded(as)
	}
	return "arguments " + bounded(strings.Join(cmd, "\x00"))
}

// bounded is a text or, of a long one, what tells it from others.
func bounded(s string) string {
	if len(s) <= maxRefusalName {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return string(sum[:])
}

// lastingCodes are those of refusals that may last. All others, as MISCONF, READONLY,
// OOM, NOREPLICAS, WRONGTYPE or CLUSTERDOWN, concern the server, the cluster or a key at
// this moment; new ones are such as well until more is known of them.
// Sources: redis src/server.c (createSharedObjects), src/cluster.c (getNodeByQuery)
var lastingCodes = map[string]bool{"": true, "ERR": true, "NOPERM": true, "CROSSSLOT": true}

// momentTexts are parts of error texts, in lower case, that concern a key at this
// moment, or are what a proxy says when it does not reach a server.
// Sources: redis src/object.c, src/t_stream.c; twemproxy src/nc_message.c,
// Envoy's redis_proxy, Predixy
var momentTexts = []string{
	"no such key", "connection refused", "connection reset", "connection closed", "connection timed out", "timed out",
	"upstream", "server connection", "no server",
}

// OfTheMoment reports whether a refusal has the code of an ordinary one and concerns a
// key at this moment, or a proxy that does not reach its server.
func OfTheMoment(err error) bool {
	var refused *resp.ServerError
	if !errors.As(err, &refused) {
		return false
	}
	text := strings.ToLower(refused.Message)
	return slices.ContainsFunc(momentTexts, func(moment string) bool { return strings.Contains(text, moment) })
}

// Lasting reports whether a refusal lasts (not permitted, unknown command or
// argument), as opposed to a state that passes, such as loading.
func Lasting(err error) bool {
	var refused *resp.ServerError
	if errors.As(err, &refused) && (!lastingCodes[refused.Code] || NoSuchIndex(err) || OfTheMoment(err)) {
		return false
	}
	switch redisclient.ReasonOf(err) {
	case redisclient.ReasonACL, redisclient.ReasonCommand:
		return true
	}
	return false
}

// ofCommand reports whether a refusal concerns the command, whatever its
// arguments. Where a server does not say what it is that the user may not do, as
// Dragonfly, it may be the key.
// Sources: redis src/server.c (rejectCommandFormat, unknown command), src/acl.c
// (getAclErrorMessage)
func ofCommand(err error) bool {
	var refused *resp.ServerError
	if !errors.As(err, &refused) {
		return false
	}
	text := strings.ToLower(refused.Message)
	if redisclient.ReasonOf(err) == redisclient.ReasonACL {
		return strings.Contains(text, "permissions to run the")
	}
	return redisclient.UnknownCommand(err)
}
