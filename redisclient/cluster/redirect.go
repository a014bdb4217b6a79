package cluster

import (
	"bytes"
	"net"
	"strconv"
	"strings"

	"redisjobs/redisclient/resp"
)

// redirect is a node's answer that a key is elsewhere.
type redirect struct {
	slot int
	addr string // host:port; ":port" is a port of the host that said so
	ask  bool   // for this once: the slot is on its way
}

// readRedirect reads "MOVED 3999 127.0.0.1:6381" and "ASK 3999 …". An IPv6
// address has no brackets there.
func readRedirect(v resp.Value) (redirect, bool) {
	if v.Kind != resp.Error || !bytes.HasPrefix(v.Str, []byte("MOVED ")) && !bytes.HasPrefix(v.Str, []byte("ASK ")) {
		return redirect{}, false
	}
	fields := strings.Fields(string(v.Str))
	if len(fields) != 3 {
		return redirect{}, false
	}
	slot, err := strconv.ParseUint(fields[1], 10, 16)
	colon := strings.LastIndexByte(fields[2], ':')
	if err != nil || slot >= Slots || colon < 0 {
		return redirect{}, false
	}
	to := redirect{slot: int(slot), ask: fields[0] == "ASK"}
	host, port := strings.Trim(fields[2][:colon], "[]"), fields[2][colon+1:]
	if to.addr = ":" + port; host != "" {
		to.addr = net.JoinHostPort(host, port)
	}
	return to, true
}

// from completes an address without a host by that of the node that said it;
// the entry node's is not known here, and left to who dials.
func from(addr, node string) string {
	node, _, _ = strings.Cut(node, ",")
	if !strings.HasPrefix(addr, ":") || node == "" {
		return addr
	}
	host, _, err := net.SplitHostPort(node)
	if err != nil {
		return addr
	}
	return net.JoinHostPort(host, addr[1:])
}
