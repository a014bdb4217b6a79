package jobs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"redisjobs/metrics/ask"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// The longest name and address of a client that are looked at, in bytes.
const (
	maxClientName = 1024
	maxClientAddr = 64
)

// wantsClients are called with the clients that are connected to each node, once for
// all who ask.
type wantsClients []func(nodes [][]client, err error)

// client is one that is connected.
type client struct {
	name string // "" for none
	// patterns: it has subscribed to patterns. listens: or it waits for a list.
	patterns, listens bool
	// cmd is its last command when that is one of workerCommands, else "".
	cmd string
	// addr is its own end of the connection, which no other client has meanwhile; "" for
	// one that is not looked at.
	addr string
	// fresh: it sent that command within the last second or two.
	fresh bool
	// idle is how long ago it sent that command, and age how long it has been connected, in
	// seconds; -1 if that is not known.
	idle, age int
	// silent: the server does not say what it does.
	silent bool
}

// workerCommands are what workers of systems send that do not register.
var workerCommands = []string{"blpop", "brpop", "brpoplpush", "srem", "xack", "xautoclaim", "xreadgroup",
	"blmove", "bzpopmin", "eval", "evalsha", "exec", "rpop", "xadd", "xclaim", "zpopmin", "zrangebyscore", "zrem",
	"hdel", "hexists", "hexpire", "hincrby", "hmget", "hset", "hsetnx", "lpush", "zadd"} // of Huey, see hueyWorks

// listeners counts the clients that may be workers of a system whose workers do not
// register: those whose last command is in takes, which only workers send, and those of
// which it was so a short time ago, for a worker may use one connection for everything.
// Those count as well that have just sent one of works, which others may send, too.
// Without any, none lives.
func (p *poll) listeners(r *reading, takes, works []string) {
	p.clients(func(nodes [][]client, err error) {
		out := p.lookout(r.instance)
		r.count(nodes, err, func(c client) bool {
			return out.sees(c, takes) || slices.Contains(works, c.cmd) && out.maySee(c)
		})
		if err == nil {
			out.keep()
		}
	})
}

// count counts the listeners.
func (r *reading) count(nodes [][]client, err error, may func(c client) bool) {
	r.counted, r.listeners, r.listenersErr = true, 0, err
	for _, c := range slices.Concat(nodes...) {
		if c.silent {
			r.listenersErr = errSilentClients
		} else if may(c) {
			r.listeners++
		}
	}
}

var errSilentClients = errors.New("CLIENT LIST: the server does not say what its clients do")

// clients gives then the clients that are connected with the target's database
// selected, by node: one list for a server that is in no
// cluster. It is for systems whose workers show nowhere else.
func (p *poll) clients(then func(nodes [][]client, err error)) {
	p.wantClients = append(p.wantClients, then)
}

// tell gives all who asked the same answer.
func (w wantsClients) tell(nodes [][]client, err error) {
	for _, then := range w {
		then(nodes, err)
	}
}

// askClients asks for the clients if anybody wants them: in the poll's own round
// trip, or of a cluster beside it.
func (p *poll) askClients(ctx context.Context) error {
	if len(p.wantClients) == 0 {
		return nil
	}
	masters, err := p.masters(ctx)
	switch {
	case err != nil && redisclient.ConcernsServer(err):
		return err
	case err != nil:
		p.wantClients.tell(nil, fmt.Errorf("CLIENT LIST: the other nodes of the cluster are not known: %w", err))
	case len(masters) > 0:
		ctx, cancel := thirdOf(ctx)
		defer cancel()
		nodes, err := clientsOfNodes(ctx, masters, p.state.listenedTo)
		p.wantClients.tell(nodes, err)
	default:
		var own []byte
		var ownErr error
		p.Ask(func(v resp.Value, err error) { own, ownErr = ownID(v, err) }, "CLIENT", "ID")
		p.Ask(func(v resp.Value, err error) {
			list, err := readClients(own, ownErr, v, err, p.state.listenedTo)
			p.wantClients.tell([][]client{list}, err)
		}, "CLIENT", "LIST")
	}
	return nil
}

// masters are those of the target's cluster; none for a server that is in none,
// which is asked again with each search.
func (p *poll) masters(ctx context.Context) ([]node, error) {
	c, ok := p.doer.(wholeCluster)
	if !ok {
		return nil, nil
	}
	s := p.state
	s.mu.Lock()
	alone := s.alone.After(time.Now())
	s.mu.Unlock()
	if alone {
		return nil, nil
	}
	ctx, cancel := thirdOf(ctx)
	defer cancel()
	masters, err := c.Masters(ctx)
	if err == nil && len(masters) == 0 {
		s.mu.Lock()
		s.alone = time.Now().Add(aloneMemory)
		s.mu.Unlock()
	}
	return masters, err
}

// thirdOf leaves the others of the time to the poll itself.
func thirdOf(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(deadline)/3)
}

// aloneMemory is how long a server that is in no cluster is not asked again
// whether it is.
const aloneMemory = 10 * time.Minute

// clientsOfNodes asks all nodes side by side. Without one of them it is not known
// who works.
func clientsOfNodes(ctx context.Context, nodes []node, known func(addr string) bool) ([][]client, error) {
	out := make([][]client, len(nodes))
	errs := make([]error, len(nodes))
	var wg sync.WaitGroup
	for i, n := range nodes {
		wg.Go(func() {
			defer func() {
				if r := recover(); r != nil { // it would end the process, and the agent with it
					errs[i] = fmt.Errorf("internal error: %v", r)
				}
			}()
			if out[i], errs[i] = clientsOfNode(ctx, n, known); errs[i] != nil {
				errs[i] = fmt.Errorf("node %s: %w", n.Addr, errs[i])
			}
		})
	}
	wg.Wait()
	for _, err := range errs { // one is enough
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func clientsOfNode(ctx context.Context, n node, known func(addr string) bool) ([]client, error) {
	if n.Err != nil {
		return nil, n.Err
	}
	replies, err := n.DoAll(ctx, redisclient.Command{"CLIENT", "ID"}, redisclient.Command{"CLIENT", "LIST"})
	if err != nil {
		return nil, err
	}
	own, ownErr := ownID(replies[0], replies[0].Err())
	return readClients(own, ownErr, replies[1], replies[1].Err(), known)
}

// ownID is the id of our own connection, as CLIENT LIST shows it.
func ownID(v resp.Value, err error) ([]byte, error) {
	var id int64
	if err == nil {
		id, err = v.Int64()
	}
	return fmt.Appendf(nil, "id=%d ", id), err
}

var errOwnDatabase = errors.New("CLIENT LIST: it is not known which clients use this database: our own connection is not in it")

// readClients reads a reply to CLIENT LIST. It lists the clients of all
// databases; ours is where our own connection is.
func readClients(own []byte, ownErr error, v resp.Value, err error, known func(addr string) bool) ([]client, error) {
	if err == nil {
		_, err = v.Text()
	}
	if err != nil {
		return nil, fmt.Errorf("CLIENT LIST: %w", err)
	}
	if ownErr != nil {
		// Servers before 5.0 have no CLIENT ID. One database is enough for most.
		db, ok := onlyDatabase(v.Str)
		if !ok || redisclient.ReasonOf(ownErr) == redisclient.ReasonACL {
			return nil, fmt.Errorf("CLIENT ID: %w", ownErr)
		}
		return clientsOf(v.Str, db, known), nil
	}
	for line := range bytes.Lines(v.Str) {
		if bytes.HasPrefix(line, own) {
			return clientsOf(v.Str, clientDatabase(line), known), nil
		}
	}
	return nil, errOwnDatabase
}

// onlyDatabase is the one that all clients use.
func onlyDatabase(list []byte) (string, bool) {
	only := ""
	for line := range bytes.Lines(list) {
		db := clientDatabase(line)
		if only != "" && db != only {
			return "", false
		}
		only = db
	}
	return only, only != ""
}

// clientDatabase is the one that a client has selected; in Kvrocks, which has none,
// its namespace.
func clientDatabase(line []byte) string {
	var db, namespace []byte
	for line = bytes.TrimRight(line, "\r\n"); len(line) > 0; {
		var name, value []byte
		switch name, value, line = ask.ClientField(line); string(name) {
		case "db":
			db = value
		case "namespace":
			namespace = value
		}
	}
	return string(db) + " " + string(namespace)
}

// clientsOf reads the clients of a database: a line for each client. What has no name,
// may be no worker, and is not known by its address, is left out.
func clientsOf(list []byte, database string, known func(addr string) bool) []client {
	var out []client
	for line := range bytes.Lines(list) {
		if clientDatabase(line) != database {
			continue
		}
		c := readClient(bytes.TrimRight(line, "\r\n"))
		again := c.addr != "" && known(c.addr)
		if c.cmd == "" && !again {
			c.addr = ""
		}
		if c.name != "" || c.listens || c.cmd != "" || c.silent || again {
			out = append(out, c)
		}
	}
	return out
}

// readClient reads a client's line.
func readClient(line []byte) client {
	c := client{silent: true, idle: -1, age: -1}
	for len(line) > 0 {
		var name, value []byte
		switch name, value, line = ask.ClientField(line); string(name) {
		case "name":
			if len(value) <= maxClientName {
				c.name = string(value)
			}
		case "psub":
			c.patterns = len(value) > 0 && string(value) != "0"
		case "cmd":
			c.silent = false
			if cmd := strings.ToLower(string(value)); slices.Contains(workerCommands, cmd) {
				c.cmd = cmd
			}
		case "addr": // one of a socket of the file system all share
			if len(value) <= maxClientAddr && !bytes.HasPrefix(value, []byte("/")) {
				c.addr = string(value)
			}
		case "idle":
			c.idle = seconds(value)
		case "age":
			c.age = seconds(value)
		}
	}
	c.listens = c.patterns || c.cmd == "brpop"
	c.fresh = c.cmd != "" && (c.idle == 0 || c.idle == 1)
	return c
}

// seconds reads a time, -1 for none.
func seconds(value []byte) int {
	n, err := strconv.Atoi(string(value))
	if err != nil {
		return -1
	}
	return n
}
