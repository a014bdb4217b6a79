package server

import (
	"math"
	"time"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/jsondoc"
)

// minFragmentationSize is the used memory from which the ratio of resident to
// used memory says something. Below it the process itself, which is resident
// and not counted as used, makes any small server look fragmented.
const minFragmentationSize = 100 << 20

// derived writes the member derived of redis.get: what people calculate from INFO by
// hand, and often wrong. A member that is not known is left out. Those that need an
// earlier poll are not known at the first one, after a restart of the server, and
// after CONFIG RESETSTAT.
//
// Of this moment:
//
//	keys, keys_expiring         of all databases, those left out of the list included
//	hit_ratio_since_start       percent of the lookups that found their key,
//	                            since the start or CONFIG RESETSTAT
//	memory_limit                bytes: maxmemory, or the machine's memory when that is 0
//	memory_limit_source         which of them: maxmemory or system
//	memory_used_percent         used_memory of memory_limit; of maxmemory without what the
//	                            server does not count for it either, the buffers of
//	                            replicas and of the AOF (mem_not_counted_for_evict)
//	fragmentation_ratio         resident to used memory, only from
//	                            minFragmentationSize of used memory on
//	memory_dataset              bytes of used_memory that keys and values take
//	memory_clients              bytes of used_memory in buffers of clients and replicas
//	memory_backlog              bytes of used_memory in the replication backlog
//	memory_scripts              bytes of used_memory in cached scripts and functions
//	memory_other                the rest of used_memory, bytes: what the server took
//	                            at its start, the tables of the keys, the AOF buffer,
//	                            links of the cluster, the buffer of a full
//	                            synchronization
//	memory_allocator            bytes that the allocator holds in addition to what it
//	                            has handed out: fragmentation, and pages that it has
//	                            not given back
//	loading_percent             of the data set that has been loaded, while the server
//	                            loads it
//	loading_left_seconds        until it is loaded, at the speed so far
//	clients_used_percent        of maxclients; connections of replicas and of
//	                            the cluster's bus count, as for the server
//	rdb_save_age                seconds since the last successful save, or since
//	                            the server's start when there was none
//	rdb_save_running_seconds    since a background save began, also one for a replica;
//	                            0 while none is under way
//	aof_rewrite_running_seconds since a rewrite of the AOF began; 0 while none is
//	                            under way
//	aof_growth_percent          of the AOF since its last rewrite, which is what
//	                            auto-aof-rewrite-percentage is compared with
//	aof_rewrite_age             seconds since a rewrite was seen to have ended
//	replicas_online             replicas that are in sync
//	replica_lag_bytes_max       the most that one of them has not confirmed
//	replica_lag_writes_max      the same on servers that count writes
//	replica_lag_seconds_max     the longest time since one of them confirmed
//	master_link_up              of a replica: 1, or 0 when the link to any of its
//	                            masters is down
//	master_last_io_seconds      of a replica whose link is up: since it heard of its master
//	master_link_down_seconds    of a replica whose link is down
//	replica_unapplied_bytes     of a replica: received and not yet applied
//	sync_left_bytes             of a replica that is loading its master's data, when
//	                            the master says how much that is
//
// Of the last window seconds, at least info.RateWindow:
//
//	window                      seconds
//	hit_ratio_recent            percent
//	commands_per_second … net_output_bytes_per_second
//	                            how fast the counters of Stats grow
//	cpu_percent                 of one processor core, all threads of the
//	                            server together
//	cpu_main_thread_percent     of one processor core, the thread that runs the
//	                            commands; Redis 6.2 and newer, on Linux
//	repl_write_bytes_per_second how fast the replication stream grows
//	repl_backlog_seconds        how long a replica may be away at that rate
//	                            without a full resynchronisation
//
// Of the last memorySamples polls that were at least memoryStep apart:
//
//	memory_growth_bytes_per_second  slope of used_memory; negative when it shrinks
//	memory_full_in_seconds          until memory_limit at that slope, only when
//	                                it grows
type derived struct {
	id         *info.Identity
	replicas   []info.Replica
	links      info.Links
	figures    figures
	keys       info.Reading
	expiring   info.Reading
	maxMemory  info.Reading // of CONFIG or INFO
	maxClients info.Reading
	clock      float64 // of the server by TIME, in seconds since 1970; 0: not asked
}

// take notes what derived needs of one section.
func (d *derived) take(x *info.Text, section string, lines []info.Line) {
	d.figures.take(x.Text, section, lines)
	if section == "keyspace" {
		d.keys, d.expiring = info.SumKeys(x, d.id, lines)
	}
}

// derivedWriter leaves out what is not known.
type derivedWriter struct{ *jsondoc.Writer }

func (w derivedWriter) count(name string, n int64, known bool) {
	if known {
		w.Key(name).Int(n)
	}
}

func (w derivedWriter) number(name string, f float64, known bool) {
	if known {
		w.Key(name).Float(ask.SixDigits(f))
	}
}

// percent writes part of whole.
func (w derivedWriter) percent(name string, part, whole int64, known bool) {
	if known && whole > 0 {
		w.number(name, 100*float64(part)/float64(whole), true)
	}
}

// write writes the member and adds the poll, at now, to the history.
func (d *derived) write(out *jsondoc.Writer, h *history, now time.Time) {
	f := &d.figures
	t := h.poll(f, now)
	w := derivedWriter{out}
	w.Key("derived").BeginObject()
	w.count("keys", d.keys.Value, d.keys.Known)
	w.count("keys_expiring", d.expiring.Value, d.expiring.Known)
	hits, hitsKnown := f.count(figHits)
	misses, missesKnown := f.count(figMisses)
	w.percent("hit_ratio_since_start", hits, hits+misses, hitsKnown && missesKnown)
	d.writeMemory(w, &t)
	d.writeMemoryParts(w)
	d.writeClients(w)
	d.writePersistence(w, &t)
	d.writeLoading(w)
	d.writeReplication(w, &t)
	if t.window > 0 {
		w.number("window", t.window.Seconds(), true)
		w.percent("hit_ratio_recent", t.grown[0], t.grown[0]+t.grown[1], t.grown[0] >= 0 && t.grown[1] >= 0)
		for i, c := range counterNames {
			if rate, known := t.perSecond(t.grown[i]); c.name != "" {
				w.number(c.name, rate, known)
			}
		}
		cpu, known := t.perSecond(t.cpu)
		w.number("cpu_percent", cpu/1e4, known)
		cpu, known = t.perSecond(t.main)
		w.number("cpu_main_thread_percent", cpu/1e4, known)
	}
	w.EndObject()
}

func (d *derived) writeMemory(w derivedWriter, t *trend) {
	f := &d.figures
	used, usedKnown := f.count(figUsedMemory)
	limit, limitKnown, source := d.maxMemory.Value, d.maxMemory.Known && d.maxMemory.Value >= 0, "maxmemory"
	// A server that does not say whether it has a limit is not called unlimited.
	if limitKnown && limit == 0 {
		source = "system"
		limit, limitKnown = f.count(figSystemMemory)
	}
	limitKnown = limitKnown && limit > 0
	counted := used
	if notCounted, known := f.count(figNotCounted); known && source == "maxmemory" {
		counted = max(0, used-notCounted)
	}
	if limitKnown {
		w.Key("memory_limit").Int(limit)
		w.Key("memory_limit_source").String(source)
	}
	w.percent("memory_used_percent", counted, limit, usedKnown && limitKnown)
	w.number("memory_growth_bytes_per_second", t.memory, t.memoryKnown)
	if t.memoryKnown && t.memory > 0 && limitKnown {
		left := float64(max(0, limit-counted)) / t.memory
		w.count("memory_full_in_seconds", int64(left), left < math.MaxInt64)
	}
	resident, known := f.count(figUsedMemoryRSS)
	w.number("fragmentation_ratio", float64(resident)/float64(max(1, used)),
		known && resident > 0 && usedKnown && used >= minFragmentationSize)
}

// writeMemoryParts writes what used_memory is made of. The parts of its overhead
// are known from Redis 5 on.
// Source: redis src/object.c, getMemoryOverheadData
func (d *derived) writeMemoryParts(w derivedWriter) {
	f := &d.figures
	dataset, known := f.count(figDataset)
	w.count("memory_dataset", dataset, known)
	rest, restKnown := f.count(figOverhead)
	for _, part := range []struct {
		name string
		of   []figure
	}{
		{"memory_clients", []figure{figClientMemory, figReplicaMemory}},
		{"memory_backlog", []figure{figBacklogMemory}},
		{"memory_scripts", []figure{figScriptMemory}},
	} {
		sum, known := int64(0), true
		for _, figure := range part.of {
			n, ok := f.count(figure)
			sum, known = sum+n, known && ok
		}
		w.count(part.name, sum, known)
		rest, restKnown = rest-sum, restKnown && known
	}
	// The server counts the parts one after the other. Those that are together more
	// than all of it tell nothing of the rest.
	used, usedKnown := f.count(figUsedMemory)
	overhead, _ := f.count(figOverhead)
	w.count("memory_other", rest, restKnown && rest >= 0 && usedKnown && overhead <= used)
	allocated, allocatedKnown := f.count(figAllocated)
	resident, residentKnown := f.count(figAllocatorResident)
	w.count("memory_allocator", resident-allocated, allocatedKnown && residentKnown && resident >= allocated)
}

func (d *derived) writeClients(w derivedWriter) {
	f := &d.figures
	limit := d.maxClients
	if !limit.Known {
		limit.Value, limit.Known = f.count(figMaxClients)
	}
	// The server compares its limit with all of them; connected_clients leaves
	// the replicas out. Sources: acceptCommonHandler and genRedisInfoString in
	// redis src.
	clients, known := f.count(figClients)
	for _, more := range []figure{figReplicas, figClusterConnections} {
		if n, ok := f.count(more); ok {
			clients += n
		}
	}
	w.percent("clients_used_percent", clients, limit.Value, known && limit.Known)
}

func (d *derived) writeReplication(w derivedWriter, t *trend) {
	f := &d.figures
	online, behind, writes, lag := info.Known(0), info.Reading{}, info.Reading{}, info.Reading{}
	for i := range d.replicas {
		r := &d.replicas[i]
		online = info.Reading{Value: online.Value + r.InSync.Value, Known: online.Known && r.InSync.Known}
		if r.InSync.Value > 0 {
			behind, writes, lag = behind.Max(r.LagBytes), writes.Max(r.LagWrites), lag.Max(r.Lag)
		}
	}
	_, known := f.count(figReplicas)
	w.count("replicas_online", online.Value, known && online.Known)
	w.count("replica_lag_bytes_max", behind.Value, behind.Known)
	w.count("replica_lag_writes_max", writes.Value, writes.Known)
	w.count("replica_lag_seconds_max", lag.Value, lag.Known)
	l := &d.links
	w.count("master_link_up", l.Up.Value, l.Up.Known)
	w.count("master_last_io_seconds", l.LastIO.Value, l.LastIO.Known)
	w.count("master_link_down_seconds", l.Down.Value, l.Down.Known)
	w.count("sync_left_bytes", l.SyncLeft.Value, l.SyncLeft.Known)
	w.count("replica_unapplied_bytes", l.Unapplied.Value, l.Unapplied.Known)
	if d.id.Means.Offset != info.UnitBytes {
		return
	}
	rate, known := t.perSecond(t.offset)
	w.number("repl_write_bytes_per_second", rate, known)
	size, sizeKnown := f.count(figBacklogSize)
	if active, _ := f.count(figBacklogActive); active == 1 && sizeKnown && known && rate > 0 {
		seconds := float64(size) / rate
		w.count("repl_backlog_seconds", int64(seconds), seconds < math.MaxInt64)
	}
}
