package targets

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

const (
	// maxListed bounds the addresses that are remembered of a cluster; the largest
	// clusters have about a thousand nodes.
	maxListed = 4000
	// listedAgain is the least time between two questions for the nodes.
	listedAgain = time.Second
	// unlistedFor is how long redirects are followed of a server that may not say
	// which nodes there are.
	unlistedFor = time.Minute
)

var (
	errNoCluster = errors.New("the server is not a node of a cluster")
	errNotListed = errors.New("CLUSTER NODES does not list it")
)

// redirects are the addresses that a server may redirect to: those of the nodes
// that it lists. The user and password of the target go there.
type redirects struct {
	mu     sync.Mutex
	asked  time.Time
	open   time.Time // until then all are followed
	refuse error     // why none is
	listed map[string]bool
}

// allow reports why a redirect to an address must not be followed. addr is
// host:port or, where the server named no host, :port.
func (r *redirects) allow(ctx context.Context, server redisclient.Doer, addr string) error {
	addr = strings.ToLower(addr)
	if known, err := r.known(addr); known {
		return err
	}
	values, err := server.DoAll(ctx, redisclient.Command{"CLUSTER", "NODES"})
	if err != nil {
		return err
	}
	r.learn(values[0])
	_, err = r.known(addr)
	return err
}

// known reports whether it need not be asked.
func (r *redirects) known(addr string) (known bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if r.listed[addr] || now.Before(r.open) {
		return true, nil
	}
	cause := r.refuse
	if cause == nil {
		cause = errNotListed
	}
	return now.Before(r.asked.Add(listedAgain)), fmt.Errorf("the redirect to %s is not followed: %w", addr, cause)
}

// learn reads the reply to CLUSTER NODES. A server that may not be asked is
// believed: its cluster would not work otherwise.
func (r *redirects) learn(reply resp.Value) {
	now := time.Now()
	listed := map[string]bool{}
	text, err := reply.Text()
	var refused *resp.ServerError
	isRefused := errors.As(err, &refused)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked, r.refuse = now, nil
	switch {
	case isRefused && strings.HasPrefix(err.Error(), "NOPERM"):
		r.open = now.Add(unlistedFor)
		return
	case isRefused:
		r.refuse = fmt.Errorf("%w: CLUSTER NODES: %w", errNoCluster, err)
	case err != nil:
		r.refuse = fmt.Errorf("CLUSTER NODES: %w", err)
	}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 || len(listed) >= maxListed {
			continue
		}
		addNode(listed, fields[1])
	}
	r.listed = listed
}

// addNode adds the addresses of a node, as CLUSTER NODES prints it:
// ip:port@cport,hostname,name=value…; before Redis 4 ip:port.
func addNode(listed map[string]bool, text string) {
	addr, rest, _ := strings.Cut(text, "@")
	colon := strings.LastIndexByte(addr, ':')
	if colon < 0 {
		return
	}
	host, port := strings.Trim(addr[:colon], "[]"), addr[colon+1:]
	listed[":"+port] = true
	if host != "" {
		listed[strings.ToLower(net.JoinHostPort(host, port))] = true
	}
	if names := strings.Split(rest, ","); len(names) > 1 && names[1] != "" && !strings.Contains(names[1], "=") {
		listed[strings.ToLower(net.JoinHostPort(names[1], port))] = true
	}
}
