package instances

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strconv"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
)

// Discovery discovers the servers on this machine: a row for each process of a known
// server that listens, in the order of their addresses.
//
//	{#URI}     where it can be asked: tcp://127.0.0.1:6379, tcp://[::1]:6379 or,
//	           for one without a port, unix:/run/redis/redis.sock
//	{#TYPE}    redis, valkey, keydb, dragonfly or sentinel
//	{#PORT}    of {#URI}; left out where there is none
//	{#SOCKET}  the path of its unix socket; left out where there is none, or it
//	           cannot be seen
//	{#PID}     the process
//	{#UID}     whose process it is, as a number
//	{#SESSION} the session of the configuration that has an address of this
//	           process; empty when none has, as far as its host is an IP address,
//	           localhost or the name of this machine
//	{#LABEL}   the parameter Label; left out without it
//
// Zabbix accepts only an array here. redis.instances.get reports what could not be
// seen. Any user of the machine can name a program redis-server: use {#UID} in
// filters.
var Discovery = &item.Metric{
	Key:         "redis.instances.discovery",
	Description: "Returns the servers that listen on this machine for low-level discovery; Linux only.",
	Params:      []item.Param{item.Label},
	Collect:     collectDiscovery,
}

// Get is the same as a document:
//
//	instances    [{"uri":"tcp://127.0.0.1:6379","type":"redis","port":6379,
//	             "socket":"/run/redis/redis.sock","pid":812,"uid":107,
//	             "listens":["127.0.0.1:6379","[::1]:6379"]}]; listens are all of
//	             the process's TCP sockets, a cluster's bus included
//	unavailable  {"process 812":"…"}: processes whose sockets could not be seen, or
//	             that seem to have none here, and what else hides some
//	truncated    {"instances":2}
//
// Sources: proc(5); /proc/net/tcp and unix: Documentation/networking/proc_net_tcp.rst
// and net/unix/af_unix.c of Linux.
var Get = &item.Metric{
	Key:         "redis.instances.get",
	Description: "Returns the servers that listen on this machine, and what could not be seen, as JSON; Linux only.",
	Collect:     collectGet,
}

// instance is a process that serves.
type instance struct {
	typ      string
	pid, uid int
	port     uint16 // of uri; 0: none
	uri      string
	socket   string // "" when there is none, or none can be seen
	listens  []netip.AddrPort
}

// instances are those of a machine, and what could not be seen.
type instances struct {
	found  []instance
	hidden []hiddenThing
}

type hiddenThing struct{ name, why string }

func (i *instances) hide(name, why string) { i.hidden = append(i.hidden, hiddenThing{name, why}) }

func collectDiscovery(_ context.Context, r *item.Request, w *jsondoc.Writer) error {
	all, err := find()
	if err != nil {
		return err
	}
	named := sessionsHere(r.Env.Sessions)
	w.Grow(128 * len(all.found))
	w.BeginArray()
	for _, in := range all.found[:min(len(all.found), ask.MaxRows)] {
		w.BeginObject()
		w.Key("{#URI}").String(in.uri)
		w.Key("{#TYPE}").String(in.typ)
		if in.port != 0 {
			w.Key("{#PORT}").String(strconv.Itoa(int(in.port)))
		}
		ask.WriteText(w, "{#SOCKET}", in.socket)
		w.Key("{#PID}").String(strconv.Itoa(in.pid))
		w.Key("{#UID}").String(strconv.Itoa(in.uid))
		w.Key("{#SESSION}").String(named.of(in))
		ask.WriteText(w, "{#LABEL}", r.Arg(item.Label.Name))
		w.EndObject()
	}
	w.EndArray()
	return nil
}

func collectGet(_ context.Context, _ *item.Request, w *jsondoc.Writer) error {
	all, err := find()
	if err != nil {
		return err
	}
	var cut ask.Truncations
	w.Grow(256 * (1 + len(all.found)))
	w.BeginObject()
	w.Key("schema_version").Int(ask.SchemaVersion)
	w.Key("instances").BeginArray()
	for _, in := range all.found[:cut.Limit("instances", len(all.found))] {
		w.BeginObject()
		w.Key("uri").String(in.uri)
		w.Key("type").String(in.typ)
		if in.port != 0 {
			w.Key("port").Int(int64(in.port))
		}
		ask.WriteText(w, "socket", in.socket)
		w.Key("pid").Int(int64(in.pid))
		w.Key("uid").Int(int64(in.uid))
		w.Key("listens").BeginArray()
		for _, at := range in.listens[:cut.LimitTo("listens", len(in.listens), maxListens)] {
			w.String(at.String())
		}
		w.EndArray()
		w.EndObject()
	}
	w.EndArray()
	w.Key("unavailable").BeginObject()
	for _, h := range all.hidden[:cut.Limit("unavailable", len(all.hidden))] {
		w.Key(h.name).String(h.why)
	}
	w.EndObject()
	cut.Write(w)
	w.EndObject()
	return nil
}

// maxListens bounds the sockets that are shown of one process.
const maxListens = 32

// serverTypes are the executables that are known.
var serverTypes = map[string]string{
	"redis-server": "redis", "valkey-server": "valkey", "keydb-server": "keydb", "dragonfly": "dragonfly",
	"redis-sentinel": "sentinel", "valkey-sentinel": "sentinel", "keydb-sentinel": "sentinel",
}

// locate chooses the address to ask a process at, of those that it listens on:
// main is the port that its title names, 0 when there is none. A cluster's bus
// is never taken for it: it has a higher number than the port for clients.
func (in *instance) locate(main uint16) {
	slices.SortFunc(in.listens, netip.AddrPort.Compare)
	if len(in.listens) == 0 {
		in.uri = "unix:" + in.socket
		return
	}
	best := slices.MinFunc(in.listens, func(a, b netip.AddrPort) int {
		return cmp.Or(
			cmp.Compare(ask.Number(a.Port() != main), ask.Number(b.Port() != main)),
			cmp.Compare(a.Port(), b.Port()),
			cmp.Compare(nearness(a.Addr()), nearness(b.Addr())),
			a.Compare(b))
	})
	addr := best.Addr()
	switch {
	case addr == netip.IPv4Unspecified():
		addr = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case addr == netip.IPv6Unspecified():
		addr = netip.IPv6Loopback()
	}
	in.port = best.Port()
	in.uri = "tcp://" + netip.AddrPortFrom(addr, best.Port()).String()
}

// nearness prefers this machine's own addresses, and IPv4.
func nearness(a netip.Addr) int {
	switch {
	case a.Is4() && (a.IsLoopback() || a.IsUnspecified()):
		return 0
	case a.IsLoopback() || a.IsUnspecified():
		return 1
	case a.IsLinkLocalUnicast(): // of no use without a zone
		return 3
	}
	return 2
}

// sort orders by address, so that a list that has not changed is the
// same text.
func (i *instances) sort() {
	slices.SortFunc(i.found, func(a, b instance) int {
		return cmp.Or(cmp.Compare(a.port, b.port), cmp.Compare(a.uri, b.uri), cmp.Compare(a.pid, b.pid))
	})
	slices.SortFunc(i.hidden, func(a, b hiddenThing) int { return cmp.Compare(a.name, b.name) })
}
