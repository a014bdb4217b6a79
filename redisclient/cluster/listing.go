package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"redisjobs/redisclient"
)

// A redirect is followed only to a node that the entry node lists in CLUSTER
// NODES: the login goes there. A server that is no cluster lists none.
const (
	// listingPause is the time between two questions for the listing, which are
	// asked when a redirect names a node that is not in it.
	listingPause = time.Second
	// maxListed bounds the nodes of a listing.
	maxListed = 2000
)

// listing is what the entry node lists: each address, in lower case, with what
// the node is asked for by. Router.mu guards it.
type listing struct {
	nodes map[string]string
	err   error // why there are no newer ones
	at    time.Time
}

var (
	errNotListed = errors.New("CLUSTER NODES does not list it")
	errNoAddress = errors.New("the cluster has no address of the node with this slot (noaddr in CLUSTER NODES): " +
		"CLUSTER MEET it, or CLUSTER FAILOVER TAKEOVER on a replica of it")
)

// listed finds a redirect's address in the listing, which is asked for when it
// is not in it.
func (r *Router) listed(ctx context.Context, addr string) (string, error) {
	if strings.HasSuffix(addr, ":0") {
		return "", errNoAddress
	}
	addr = strings.ToLower(addr)
	r.mu.RLock()
	node, ok := r.listing.nodes[addr]
	recent := time.Since(r.listing.at) < listingPause
	err := r.listing.err
	r.mu.RUnlock()
	switch {
	case ok:
		return node, nil
	case recent && err != nil:
		return "", err
	case recent:
		return "", errNotListed
	}
	nodes, err := r.askListing(ctx)
	if err != nil && redisclient.ReasonOf(err) == redisclient.ReasonTimeout {
		return "", err // it says nothing for the next call
	}
	r.mu.Lock()
	r.listing.at, r.listing.err = time.Now(), err
	if err == nil {
		r.listing.nodes = nodes
	}
	r.mu.Unlock()
	if err != nil {
		return "", err
	}
	if node, ok = nodes[addr]; !ok {
		return "", errNotListed
	}
	return node, nil
}

func (r *Router) askListing(ctx context.Context) (map[string]string, error) {
	values, err := r.entry.DoAll(ctx, redisclient.Command{"CLUSTER", "NODES"})
	if err != nil {
		return nil, err
	}
	text, err := values[0].Text()
	if err != nil {
		return nil, fmt.Errorf("CLUSTER NODES: %w", err)
	}
	if len(text) > redisclient.MaxClusterNodes {
		return nil, redisclient.ErrClusterNodes
	}
	return readListing(text), nil
}

// readListing reads the addresses in a reply to CLUSTER NODES, of which a line's
// second field is ip:port@cport[,hostname[,…]]. Each node is found by its address
// and by its name; by its port alone where a redirect leaves the host out, which
// then is that of the node that said it; and by its port after a "?", which a redirect
// has where names are preferred and the node has none, if no other one without a name
// has that port.
// Sources: https://redis.io/docs/latest/commands/cluster-nodes/, redis.conf
// (cluster-preferred-endpoint-type)
func readListing(text string) map[string]string {
	out, nameless := make(map[string]string), make(map[string]int)
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 3 || len(out) > 3*maxListed {
			continue
		}
		addr, rest, _ := strings.Cut(fields[1], ",")
		name, _, _ := strings.Cut(rest, ",")
		if strings.Contains(name, "=") {
			name = ""
		}
		addr, _, _ = strings.Cut(addr, "@")
		colon := strings.LastIndexByte(addr, ':')
		if colon < 0 {
			continue
		}
		host, port := strings.Trim(addr[:colon], "[]"), addr[colon+1:]
		if port == "0" { // noaddr
			continue
		}
		if host == "" {
			host = name
		}
		out[":"+port] = ":" + port
		if host == "" {
			continue
		}
		node := net.JoinHostPort(host, port)
		asked := node
		if name != "" {
			asked += "," + name
			out[strings.ToLower(net.JoinHostPort(name, port))] = asked
		}
		out[strings.ToLower(node)] = asked
		if unknown := "?:" + port; name == "" {
			if nameless[unknown]++; nameless[unknown] == 1 {
				out[unknown] = asked
			} else {
				delete(out, unknown)
			}
		}
	}
	return out
}
