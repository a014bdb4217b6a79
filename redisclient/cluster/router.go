// Package cluster sends commands to the node of a Redis Cluster that has their
// key. It owns no connection: a Router stands between who asks and the Doers of
// the nodes.
//
// # What it guarantees
//
//   - As long as no node says MOVED or ASK, all commands go to the entry node
//     as they are: a server that is no cluster notices nothing.
//   - A MOVED is followed once, and remembered for the slot: the next command
//     with a key of that slot goes to its node directly. An ASK is followed
//     once and not remembered. A second redirect within one call is returned
//     as the error reply that it is.
//   - Commands without a key stay on the entry node. Which word is the key is
//     known of the common reading commands; of all others the first MOVED tells
//     it: the word whose slot it named.
//   - A node that was remembered and does not answer is forgotten, and the entry
//     node asked instead; it knows who took over.
//   - A call with keys of several nodes asks them side by side. Its replies are
//     in the order of the commands; when one node fails the call fails.
//
// All commands must be safe to send twice.
package cluster

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// maxWords bounds the commands whose key's place is remembered: their names may
// come from item keys.
const maxWords = 256

// wellKnown says of the commands that are sent most which word is their key.
var wellKnown = map[string]int{
	"EXISTS": 1, "GET": 1, "GETRANGE": 1, "HGET": 1, "HGETALL": 1, "HKEYS": 1, "HLEN": 1, "LINDEX": 1, "LLEN": 1,
	"LRANGE": 1, "MEMORY": 2, "OBJECT": 2, "PTTL": 1, "SCARD": 1, "SISMEMBER": 1, "SMEMBERS": 1, "STRLEN": 1,
	"TTL": 1, "TYPE": 1, "XINFO": 2, "XLEN": 1, "XPENDING": 1, "XRANGE": 1, "ZCARD": 1, "ZRANGE": 1, "ZSCORE": 1,
}

// Router is a Doer for a server that may be a node of a cluster. It may be used
// by many goroutines at once.
type Router struct {
	entry redisclient.Doer
	node  func(ctx context.Context, addr string) (redisclient.Doer, error)

	// Both maps are nil until a MOVED has told something: most servers are no
	// nodes, and there may be thousands.
	mu    sync.RWMutex
	slots map[int]string // slot -> host:port
	keyAt map[string]int // a command's first word -> which word is its key; goes before wellKnown
}

var _ redisclient.Doer = (*Router)(nil)

// New returns a Router with an entry node. node finds the Doer of another one by
// the address that a node of the cluster named, host:port or, where the host is
// the entry node's own, :port; its error means that the address must not be
// asked.
func New(entry redisclient.Doer, node func(ctx context.Context, addr string) (redisclient.Doer, error)) *Router {
	return &Router{entry: entry, node: node}
}

// hop is one command on its way to a node.
type hop struct {
	index  int    // of the command, and of its reply
	addr   string // "" is the entry node
	asking bool
}

// DoAll implements redisclient.Doer.
func (r *Router) DoAll(ctx context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	hops := r.plan(cmds)
	if hops == nil {
		values, err := r.entry.DoAll(ctx, cmds...)
		if err != nil || !redirected(values) {
			return values, err
		}
		// The replies may be shared with others who asked the same.
		return r.follow(ctx, cmds, append([]resp.Value(nil), values...), make([]string, len(cmds)), nil)
	}
	values := make([]resp.Value, len(cmds))
	failed := r.send(ctx, cmds, hops, values)
	if err := failed[""]; err != nil {
		return nil, err
	}
	for addr := range failed {
		r.forget(addr)
	}
	said := make([]string, len(cmds)) // the node that each reply is from
	var again []hop
	for _, h := range hops {
		switch err := failed[h.addr]; {
		case err == nil:
			said[h.index] = h.addr
		case !redisclient.HasTime(ctx):
			return nil, err
		default:
			again = append(again, hop{index: h.index})
		}
	}
	for _, err := range r.send(ctx, cmds, again, values) {
		return nil, err
	}
	return r.follow(ctx, cmds, values, said, failed)
}

func redirected(values []resp.Value) bool {
	for i := range values {
		if values[i].Kind == resp.Error {
			if _, ok := readRedirect(values[i]); ok {
				return true
			}
		}
	}
	return false
}

// plan says where each command goes; nil when all go to the entry node.
func (r *Router) plan(cmds []redisclient.Command) []hop {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if len(r.slots) == 0 {
		return nil
	}
	var hops []hop
	for i, cmd := range cmds {
		addr := r.whereLocked(cmd)
		if addr != "" && hops == nil {
			hops = make([]hop, len(cmds))
			for j := range hops {
				hops[j].index = j
			}
		}
		if addr != "" {
			hops[i].addr = addr
		}
	}
	return hops
}

// whereLocked is the node that has the command's key, as far as is known.
func (r *Router) whereLocked(cmd redisclient.Command) string {
	if len(cmd) == 0 {
		return ""
	}
	word := strings.ToUpper(cmd[0])
	at, ok := r.keyAt[word]
	if !ok {
		at, ok = wellKnown[word]
	}
	if !ok || at >= len(cmd) {
		return ""
	}
	return r.slots[Slot(cmd[at])]
}

// learn remembers where a slot is, if the command has a key in it.
func (r *Router) learn(cmd redisclient.Command, slot int, addr string) {
	for at := 1; at < len(cmd); at++ {
		if Slot(cmd[at]) != slot {
			continue
		}
		r.mu.Lock()
		if r.slots == nil {
			r.slots = make(map[int]string)
		}
		if r.keyAt == nil || len(r.keyAt) >= maxWords {
			r.keyAt = make(map[string]int)
		}
		r.keyAt[strings.ToUpper(cmd[0])] = at
		r.slots[slot] = addr
		r.mu.Unlock()
		return
	}
}

// forget drops all slots of a node.
func (r *Router) forget(addr string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for slot, node := range r.slots {
		if node == addr {
			delete(r.slots, slot)
		}
	}
}

// follow sends what was redirected to where it belongs. failed are the nodes
// that did not answer in this call.
func (r *Router) follow(ctx context.Context, cmds []redisclient.Command, values []resp.Value, said []string,
	failed map[string]error,
) ([]resp.Value, error) {
	var hops []hop
	for i, v := range values {
		to, ok := readRedirect(v)
		if !ok {
			continue
		}
		addr := to.from(said[i])
		if err := failed[addr]; err != nil {
			return nil, err
		}
		if !to.ask {
			r.learn(cmds[i], to.slot, addr)
		}
		hops = append(hops, hop{i, addr, to.ask})
	}
	for addr, err := range r.send(ctx, cmds, hops, values) {
		r.forget(addr)
		return nil, err
	}
	for _, h := range hops {
		if to, ok := readRedirect(values[h.index]); ok && !to.ask {
			r.learn(cmds[h.index], to.slot, to.from(h.addr))
		}
	}
	return values, nil
}

// send holds one conversation with each node of hops, side by side, and puts
// the replies into values. It returns the nodes that failed.
func (r *Router) send(ctx context.Context, cmds []redisclient.Command, hops []hop, values []resp.Value) map[string]error {
	groups := make(map[string][]hop)
	for _, h := range hops {
		groups[h.addr] = append(groups[h.addr], h)
	}
	failed := make(map[string]error)
	if len(groups) == 1 {
		for addr, group := range groups {
			if err := r.sendTo(ctx, addr, cmds, group, values); err != nil {
				failed[addr] = err
			}
		}
		return failed
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	for addr, group := range groups {
		wg.Go(func() {
			var err error
			defer func() {
				// Outside the caller's own goroutine it would end the process.
				if reason := recover(); reason != nil {
					err = fmt.Errorf("internal error in a conversation with the node %q: %v", addr, reason)
				}
				if err != nil {
					mu.Lock()
					failed[addr] = err
					mu.Unlock()
				}
			}()
			err = r.sendTo(ctx, addr, cmds, group, values)
		})
	}
	wg.Wait()
	return failed
}

// sendTo holds one conversation with one node.
func (r *Router) sendTo(ctx context.Context, addr string, cmds []redisclient.Command, group []hop, values []resp.Value) error {
	doer := r.entry
	if addr != "" {
		var err error
		if doer, err = r.node(ctx, addr); err != nil {
			return err
		}
	}
	var pipeline []redisclient.Command
	for _, h := range group {
		if h.asking {
			pipeline = append(pipeline, redisclient.Command{"ASKING"})
		}
		pipeline = append(pipeline, cmds[h.index])
	}
	replies, err := doer.DoAll(ctx, pipeline...)
	if err != nil && addr != "" {
		return fmt.Errorf("node %s: %w", addr, err)
	}
	if err != nil {
		return err
	}
	i := 0
	for _, h := range group {
		if h.asking {
			i++
		}
		values[h.index] = replies[i]
		i++
	}
	return nil
}
