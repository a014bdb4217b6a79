package acllog

import (
	"fmt"

	"redisjobs/metrics/info"
	"redisjobs/metrics/jsondoc"
)

// counterNames are fields of INFO's Stats that count whom a server refused, turned
// away, disconnected or made copy everything, since its start or CONFIG RESETSTAT.
// Those of the ACL and the disconnections exist from Redis 7.2 on,
// acl_access_denied_tls_cert from 8.6, acl_access_denied_db from Valkey 9.1, and evicted_clients from 7.0.
var counterNames = []string{
	"acl_access_denied_auth", "acl_access_denied_cmd", "acl_access_denied_key", "acl_access_denied_channel", "acl_access_denied_tls_cert",
	"acl_access_denied_db",
	"client_query_buffer_limit_disconnections", "client_output_buffer_limit_disconnections", "evicted_clients", "rejected_connections",
	"sync_full", "sync_partial_ok", "sync_partial_err",
}

// counter is one of them, and by how much it has grown since the last poll.
type counter struct{ total, fresh info.Reading }

// counters are as many as counterNames.
type counters []counter

func readCounters(x *info.Text, id *info.Identity) counters {
	out := make(counters, len(counterNames))
	for i, name := range counterNames {
		if value, ok := x.Field("stats", name); ok && !id.Impossible([]byte(name), value) {
			out[i].total = info.ParseCount(value)
		}
	}
	return out
}

// since notes by how much they have grown: not at all known of the first poll,
// nor when one has fallen, which CONFIG RESETSTAT and a restart do to all.
func (c counters) since(before counters) {
	for i := range c {
		if i >= len(before) || before[i].total.Known && c[i].total.Value < before[i].total.Value {
			return
		}
	}
	for i := range c {
		if c[i].total.Known && before[i].total.Known {
			c[i].fresh = info.Known(c[i].total.Value - before[i].total.Value)
		}
	}
}

func (c counters) of(name string) counter {
	for i := range c {
		if counterNames[i] == name {
			return c[i]
		}
	}
	return counter{}
}

func (c counters) write(w *jsondoc.Writer) {
	w.Key("counters").BeginObject()
	for i, name := range counterNames {
		if !c[i].total.Known {
			continue
		}
		w.Key(name).BeginObject()
		w.Key("total").Int(c[i].total.Value)
		info.WriteReading(w, "new", c[i].fresh)
		w.EndObject()
	}
	w.EndObject()
}

// resyncCause is the likely cause of the full copies since the last poll; "" when
// there were none. known is false when that is not known.
// Source: redis src/replication.c, masterTryPartialResync
func (c counters) resyncCause(x *info.Text) (text string, known bool) {
	full, refused := c.of("sync_full").fresh, c.of("sync_partial_err").fresh
	if !full.Known {
		return "", false
	}
	closed := c.of("client_output_buffer_limit_disconnections").fresh
	backlog, _ := x.Field("replication", "repl_backlog_size")
	switch {
	case full.Value == 0:
		return "", true
	case refused.Value > 0 && closed.Value > 0:
		text = "a replica was disconnected at client-output-buffer-limit, and what it lacks had left the backlog"
	case refused.Value > 0:
		text = fmt.Sprintf("a replica asked to go on where the backlog (repl_backlog_size %s) does not reach any more, or from another history of writes", backlog)
	case closed.Value > 0:
		text = "a replica was disconnected at client-output-buffer-limit while it copied, and began anew"
	default:
		text = "a replica is new, or was restarted without its data: it asked for everything"
	}
	return text, true
}
