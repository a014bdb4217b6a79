package info

// History is where a server stands in a history of writes. Offsets of two servers are
// compared only within one history: each has a count of its own.
type History struct {
	// ID is master_replid; "" before Redis 4.
	ID string
	// Before is the history that it had until it was promoted (master_replid2), Until
	// the first offset that it does not share with that (second_repl_offset).
	Before string
	Until  Reading
	// Offset is what a primary has written, or what a replica has read of its primary;
	// unknown while a replica copies everything or has not begun to.
	Offset Reading

	linked bool // of a replica: no link to a primary is down
}

// ReadHistory reads the section Replication. masters are those that it names.
func ReadHistory(x *Text, id *Identity, masters []Master) History {
	text := func(name string) string {
		v, _ := x.Field("replication", name)
		return string(v)
	}
	h := History{
		ID: text("master_replid"), Before: text("master_replid2"),
		Until: ParseCount([]byte(text("second_repl_offset"))), Offset: ParseCount([]byte(text("master_repl_offset"))),
	}
	if id.Role != "replica" {
		return h
	}
	h.Offset, h.linked = ParseCount([]byte(text("slave_repl_offset"))), SumLinks(x, id, masters).Up.Value == 1
	copying := !h.linked && h.Offset.Value <= 1 // Redis prints 1 from REPLICAOF to the end of the copy
	for i := range masters {
		copying = copying || masters[i].Syncing
	}
	if copying {
		h.Offset = Reading{}
	}
	return h
}

// IsNoHistory reports whether an id is none: servers print 40 zeros for that.
func IsNoHistory(id string) bool {
	for _, c := range id {
		if c != '0' {
			return false
		}
	}
	return true
}

// Kin reports whether two servers have a part of their histories in common: one was
// promoted while the other went on.
func (h History) Kin(o History) bool {
	same := func(a, b string) bool { return a == b && !IsNoHistory(a) }
	return same(h.ID, o.ID) || same(h.ID, o.Before) || same(h.Before, o.ID) || same(h.Before, o.Before)
}

// has reports whether what a replica has read is a part of this history, as Redis
// decides whether it may go on without a full copy. A replica keeps the id of the
// primary that it had before, and its offset, until it has copied the new one.
// Source: redis src/replication.c, masterTryPartialResync
func (h History) has(replica History) bool {
	switch {
	case IsNoHistory(replica.ID): // before Redis 4, which forget their offset at SLAVEOF
		return true
	case IsNoHistory(h.ID):
		return replica.linked
	case replica.ID == h.ID:
		return true
	}
	return replica.ID == h.Before && h.Until.Known && replica.Offset.Value < h.Until.Value
}

// Lag is by how many bytes a replica is behind its primary, whose identity id is;
// unknown where their offsets are not of one history, see Behind as well. The two were
// asked in the same moment, and not in the same instant: a replica that was asked later
// may be ahead.
func (id *Identity) Lag(primary, replica History) Reading {
	if !replica.Offset.Known || !primary.has(replica) {
		return Reading{}
	}
	return id.Behind(Reading{Value: max(primary.Offset.Value, replica.Offset.Value), Known: primary.Offset.Known}, replica.Offset)
}
