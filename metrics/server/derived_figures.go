package server

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"

	"redisjobs/metrics/info"
)

// figure is one field of INFO that the member derived is reckoned from.
type figure int

const (
	figRunID figure = iota
	figUptime
	figServerTime // microseconds
	figClients
	figClusterConnections
	figMaxClients
	figUsedMemory
	figUsedMemoryRSS
	figNotCounted
	figSystemMemory
	figDataset
	figOverhead
	figClientMemory
	figReplicaMemory
	figBacklogMemory
	figScriptMemory
	figAllocated
	figAllocatorResident
	figLoading
	figAsyncLoading
	figLoadingStart
	figLoadingTotal
	figLoadingLoaded
	figLastSave
	figSaving
	figSaveTime
	figRewriteTime
	figAOFRewrites
	figAOFRewriting
	figAOFStatus
	figAOFSize
	figAOFBase
	figHits
	figMisses
	figCommands
	figConnections
	figRejected
	figEvicted
	figExpired
	figErrors
	figNetInput
	figNetOutput
	figCPUSys
	figCPUUser
	figMainCPUSys
	figMainCPUUser
	figReplicas
	figReplID
	figReplOffset
	figBacklogActive
	figBacklogSize
	figureCount
)

// wantedFigure is where a figure stands. Some servers have another name for
// it: Dragonfly says max_clients and last_success_save, Kvrocks
// last_bgsave_time.
type wantedFigure struct {
	key    string
	prefix uint64 // of the key, as info.Line has it
	figure figure
}

// wantedFigures are the figures by section, in the order of their keys.
var wantedFigures = func() map[string][]wantedFigure {
	wanted := map[string][]wantedFigure{
		"server": {
			{key: "run_id", figure: figRunID},
			{key: "uptime_in_seconds", figure: figUptime},
			{key: "server_time_usec", figure: figServerTime},
		},
		"clients": {
			{key: "connected_clients", figure: figClients},
			{key: "cluster_connections", figure: figClusterConnections},
			{key: "maxclients", figure: figMaxClients},
			{key: "max_clients", figure: figMaxClients},
		},
		"memory": {
			{key: "used_memory", figure: figUsedMemory},
			{key: "used_memory_rss", figure: figUsedMemoryRSS},
			{key: "mem_not_counted_for_evict", figure: figNotCounted},
			{key: "total_system_memory", figure: figSystemMemory},
			{key: "used_memory_dataset", figure: figDataset},
			{key: "used_memory_overhead", figure: figOverhead},
			{key: "mem_clients_normal", figure: figClientMemory},
			{key: "mem_clients_slaves", figure: figReplicaMemory},
			{key: "mem_replication_backlog", figure: figBacklogMemory},
			{key: "used_memory_scripts", figure: figScriptMemory},
			{key: "allocator_allocated", figure: figAllocated},
			{key: "allocator_resident", figure: figAllocatorResident},
		},
		"persistence": {
			{key: "loading", figure: figLoading},
			{key: "async_loading", figure: figAsyncLoading},
			{key: "loading_start_time", figure: figLoadingStart},
			{key: "loading_total_bytes", figure: figLoadingTotal},
			{key: "loading_loaded_bytes", figure: figLoadingLoaded},
			{key: "rdb_bgsave_in_progress", figure: figSaving},
			{key: "rdb_current_bgsave_time_sec", figure: figSaveTime},
			{key: "aof_current_rewrite_time_sec", figure: figRewriteTime},
			{key: "rdb_last_save_time", figure: figLastSave},
			{key: "last_success_save", figure: figLastSave},
			{key: "last_bgsave_time", figure: figLastSave},
			{key: "aof_rewrites", figure: figAOFRewrites},
			{key: "aof_rewrite_in_progress", figure: figAOFRewriting},
			{key: "aof_last_bgrewrite_status", figure: figAOFStatus},
			{key: "aof_current_size", figure: figAOFSize},
			{key: "aof_base_size", figure: figAOFBase},
		},
		"stats": {
			{key: "keyspace_hits", figure: figHits},
			{key: "keyspace_misses", figure: figMisses},
			{key: "total_commands_processed", figure: figCommands},
			{key: "total_connections_received", figure: figConnections},
			{key: "rejected_connections", figure: figRejected},
			{key: "evicted_keys", figure: figEvicted},
			{key: "expired_keys", figure: figExpired},
			{key: "total_error_replies", figure: figErrors},
			{key: "total_net_input_bytes", figure: figNetInput},
			{key: "total_net_output_bytes", figure: figNetOutput},
		},
		"cpu": {
			{key: "used_cpu_sys", figure: figCPUSys},
			{key: "used_cpu_user", figure: figCPUUser},
			{key: "used_cpu_sys_main_thread", figure: figMainCPUSys},
			{key: "used_cpu_user_main_thread", figure: figMainCPUUser},
		},
		"replication": {
			{key: "connected_slaves", figure: figReplicas},
			{key: "master_replid", figure: figReplID},
			{key: "master_repl_offset", figure: figReplOffset},
			{key: "repl_backlog_active", figure: figBacklogActive},
			{key: "repl_backlog_size", figure: figBacklogSize},
		},
	}
	for _, list := range wanted {
		for i := range list {
			list[i].prefix = info.SortPrefix([]byte(list[i].key))
		}
		slices.SortFunc(list, func(a, b wantedFigure) int { return cmp.Compare(a.key, b.key) })
	}
	return wanted
}()

// figures are the values of one INFO, nil for those that it does not have.
// They are parts of its text.
type figures [figureCount][]byte

// take notes the figures of one section. Its lines are sorted by field, as the
// wanted ones are, so that one walk over both finds all.
func (f *figures) take(text []byte, section string, lines []info.Line) {
	wanted := wantedFigures[section]
	for _, l := range lines {
		order := -1
		for ; len(wanted) > 0; wanted = wanted[1:] {
			if order = cmp.Compare(wanted[0].prefix, l.Prefix); order == 0 {
				order = bytes.Compare([]byte(wanted[0].key), l.Key(text))
			}
			if order >= 0 {
				break
			}
		}
		switch {
		case len(wanted) == 0:
			return
		case order == 0:
			f[wanted[0].figure] = l.Value(text)
		}
	}
}

// count returns a figure that cannot be negative. Servers say -1 for what they
// do not know or have not done yet.
func (f *figures) count(which figure) (int64, bool) {
	if f[which] == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(string(f[which]), 10, 64)
	return n, err == nil && n >= 0
}

// counter is count for a history: -1 for what is not known.
func (f *figures) counter(which figure) int64 {
	if n, ok := f.count(which); ok {
		return n
	}
	return -1
}

// cpu is the time that two figures in seconds, of the kernel and of user space,
// make together, in microseconds; -1 when that is not known.
func (f *figures) cpu(kernel, space figure) int64 {
	sys, err1 := strconv.ParseFloat(string(f[kernel]), 64)
	user, err2 := strconv.ParseFloat(string(f[space]), 64)
	if sum := (sys + user) * 1e6; err1 == nil && err2 == nil && sum >= 0 && sum < 1e18 {
		return int64(sum)
	}
	return -1
}
