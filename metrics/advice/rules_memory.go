package advice

import (
	"fmt"
	"strings"
)

// minMemory is the used memory from which ratios of memory say something, in
// bytes: below it the process itself makes any server look fragmented.
const minMemory = 100 << 20

var memoryRules = []Rule{
	{
		ID: "no_maxmemory", Severity: Info, Scope: Server,
		Title: "No memory limit",
		When:  "maxmemory is 0.",
		Why: "Redis takes memory until the system has none left. Then the kernel kills a process, often Redis itself, or the " +
			"server swaps and becomes slow.",
		Remedy: "Set maxmemory below the memory of the machine or container, with room for replicas' and clients' buffers and for " +
			"copy-on-write during saves (a quarter is a usual reserve), and choose a maxmemory-policy.",
		Source: "https://redis.io/docs/latest/operate/oss_and_stack/management/admin/",
		judge: func(f *facts) string {
			if f.number("memory", "maxmemory") != 0 {
				return ""
			}
			return fmt.Sprintf("maxmemory is 0, used_memory is %s", size(f.number("memory", "used_memory")))
		},
	},
	{
		ID: "machine_memory_full", Severity: High, Scope: Server,
		Title: "The machine is nearly full, and nothing limits Redis",
		When:  "maxmemory is 0 and used_memory_rss is at least 80 % of total_system_memory.",
		Why:   "The next growth or the copy-on-write memory of a save may make the kernel kill the server.",
		Remedy: "Set maxmemory and a maxmemory-policy now (CONFIG SET works without a restart), delete what is not needed, or move to a " +
			"larger machine.",
		Source: "https://redis.io/docs/latest/operate/oss_and_stack/management/admin/",
		judge: func(f *facts) string {
			rss, all := f.number("memory", "used_memory_rss"), f.number("memory", "total_system_memory")
			if f.number("memory", "maxmemory") != 0 || all == 0 || percent(rss, all) < 80 {
				return ""
			}
			return fmt.Sprintf("used_memory_rss is %s, %.0f %% of the machine's %s", size(rss), percent(rss, all), size(all))
		},
	},
	{
		ID: "maxmemory_above_machine", Severity: Warning, Scope: Server,
		Title: "The memory limit leaves the machine no room",
		When:  "maxmemory is more than 90 % of total_system_memory.",
		Why: "maxmemory does not count replicas' output buffers, the allocator's fragmentation and the pages that a save copies. The " +
			"machine runs out of memory before the limit takes effect.",
		Remedy: "Lower maxmemory to about three quarters of the memory of the machine or container.",
		Source: "https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/redis-memory-management.html",
		judge: func(f *facts) string {
			limit := f.number("memory", "maxmemory")
			if limit == 0 {
				return ""
			}
			all := f.number("memory", "total_system_memory")
			if all == 0 || percent(limit, all) <= 90 {
				return ""
			}
			return fmt.Sprintf("maxmemory is %s, the machine has %s", size(limit), size(all))
		},
	},
	{
		ID: "noeviction_nearly_full", Severity: Warning, Scope: Server,
		Title: "Writes will fail: nothing is evicted and hardly a key expires",
		When: "maxmemory-policy is noeviction, used_memory without mem_not_counted_for_evict is at least 80 % of maxmemory, and less than 1 % of the keys expire. " +
			"Not of a replica that leaves the limit to its master (replica-ignore-maxmemory yes).",
		Why: "At the limit every command that needs memory fails with OOM. Keys without a time to live never make room.",
		Remedy: "Give cached keys a time to live (EXPIRE), choose a policy that evicts (allkeys-lru for a cache), or raise maxmemory. Of a " +
			"store, delete old data.",
		Source: "https://redis.io/docs/latest/develop/reference/eviction/",
		judge: func(f *facts) string {
			limit := f.number("memory", "maxmemory")
			if limit == 0 || f.text("memory", "maxmemory_policy") != "noeviction" {
				return ""
			}
			used := f.number("memory", "used_memory")
			if f.has("memory", "mem_not_counted_for_evict") {
				used -= f.number("memory", "mem_not_counted_for_evict")
			}
			keys, expires := f.keys()
			if percent(used, limit) < 80 || keys == 0 || percent(expires, keys) >= 1 || f.leavesLimit() {
				return ""
			}
			return fmt.Sprintf("%.0f %% of maxmemory is used, %d of %d keys expire", percent(used, limit), expires, keys)
		},
	},
	{
		ID: "volatile_policy_without_ttl", Severity: Warning, Scope: Server,
		Title: "The eviction policy has nothing to evict",
		When: "maxmemory is set, maxmemory-policy is one of volatile-*, and no key expires. Not of a replica that leaves the limit to its master " +
			"(replica-ignore-maxmemory yes).",
		Why: "These policies evict only keys with a time to live. Without any, the server behaves as with noeviction: at the limit " +
			"writes fail.",
		Remedy: "Give keys a time to live, or choose the policy of the same kind for all keys (allkeys-lru, allkeys-lfu).",
		Source: "https://redis.io/docs/latest/develop/reference/eviction/",
		judge: func(f *facts) string {
			if f.number("memory", "maxmemory") == 0 {
				return ""
			}
			policy := f.text("memory", "maxmemory_policy")
			keys, expires := f.keys()
			if !strings.HasPrefix(policy, "volatile-") || keys == 0 || expires > 0 || f.leavesLimit() {
				return ""
			}
			return fmt.Sprintf("maxmemory-policy is %s, and none of %d keys expires", policy, keys)
		},
	},
	{
		ID: "eviction_on_store", Severity: Warning, Scope: Server,
		Title: "A server that saves its data throws keys away",
		When:  "evicted_keys is above 0, and the server writes an AOF or RDB files.",
		Why: "Persistence says that the data is meant to stay, eviction deletes it. Deleted keys are gone from the files as well. Queues " +
			"and sessions vanish without an error.",
		Remedy: "For a store set maxmemory-policy noeviction and enough memory. For a cache switch persistence off. Keep caches and stores " +
			"on servers of their own.",
		Source: "https://redis.io/docs/latest/develop/reference/eviction/",
		judge: func(f *facts) string {
			evicted := f.number("stats", "evicted_keys")
			if evicted == 0 || f.number("persistence", "aof_enabled") == 0 && f.setting("save") == "" {
				return ""
			}
			return "evicted since the start of the server: " + counted(evicted, "key")
		},
	},
	{
		ID: "low_hit_ratio", Severity: Info, Scope: Server,
		Title: "The cache misses more often than it hits",
		When: "maxmemory-policy is one of allkeys-*, there were at least 100,000 lookups since the start, and less than half of them found " +
			"their key.",
		Why:    "Most reads go on to the slower system behind the cache, and pay for the cache on top.",
		Remedy: "Look at the times to live and at evicted_keys: give the cache more memory, or cache other things.",
		Source: "https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/CacheMetrics.WhichShouldIMonitor.html",
		judge: func(f *facts) string {
			if !strings.HasPrefix(f.text("memory", "maxmemory_policy"), "allkeys-") {
				return ""
			}
			hits, misses := f.number("stats", "keyspace_hits"), f.number("stats", "keyspace_misses")
			if hits+misses < 100_000 || hits >= misses {
				return ""
			}
			return fmt.Sprintf("%.0f %% of %d lookups found their key", percent(hits, hits+misses), hits+misses)
		},
	},
	{
		ID: "expired_keys_pile_up", Severity: Info, Scope: Server,
		Title:  "Expired keys are deleted too slowly",
		When:   "expired_stale_perc is at least 10 with at least 10,000 keys that expire.",
		Why:    "Keys that have expired and that nobody reads take memory until the server comes to them.",
		Remedy: "Raise active-expire-effort (1 to 10) while the CPU has room, or spread the times to live.",
		Source: "https://redis.io/docs/latest/commands/expire/",
		judge: func(f *facts) string {
			stale := f.share("stats", "expired_stale_perc")
			if _, expires := f.keys(); stale < 10 || expires < 10_000 {
				return ""
			}
			return fmt.Sprintf("about %.0f %% of the keys with a time to live have expired and are still there", stale)
		},
	},
	{
		ID: "fragmentation", Severity: Warning, Scope: Server,
		Title: "Memory is fragmented",
		When:  "used_memory is at least 100 MiB, and used_memory_rss more than 1.4 times as much.",
		Why:   "The process holds memory that no data is in. The machine fills although used_memory does not grow.",
		Remedy: "Set activedefrag yes where the server has it (jemalloc), or restart a replica and fail over to it. After a peak of memory " +
			"the ratio falls by itself as the data grows again.",
		Source: "MEMORY DOCTOR (redis src/object.c, getMemoryDoctorReport)",
		judge: func(f *facts) string {
			used, rss := f.number("memory", "used_memory"), f.number("memory", "used_memory_rss")
			if used < minMemory || float64(rss) <= 1.4*float64(used) {
				return ""
			}
			return fmt.Sprintf("used_memory_rss is %s for %s of used_memory, %.2g times as much", size(rss), size(used), float64(rss)/float64(used))
		},
	},
	{
		ID: "memory_peak", Severity: Info, Scope: Server,
		Title:  "Memory was much higher once",
		When:   "used_memory is at least 100 MiB, and used_memory_peak more than 1.5 times as much.",
		Why:    "What happened once happens again, and the machine must have room for the peak. Pages of the peak may also stay with the process.",
		Remedy: "Find out what made the peak (a batch, a full copy to a replica, one large reply) and size maxmemory for it.",
		Source: "MEMORY DOCTOR (redis src/object.c, getMemoryDoctorReport)",
		judge: func(f *facts) string {
			used, peak := f.number("memory", "used_memory"), f.number("memory", "used_memory_peak")
			if used < minMemory || float64(peak) <= 1.5*float64(used) {
				return ""
			}
			return fmt.Sprintf("used_memory is %s, its peak was %s", size(used), size(peak))
		},
	},
	{
		ID: "scripts_pile_up", Severity: Warning, Scope: Server,
		Title:  "Scripts pile up",
		When:   "number_of_cached_scripts is more than 1,000.",
		Why:    "A client puts values into the text of its scripts, so that each call is a new script. They stay in memory, and each is compiled.",
		Remedy: "Hand values over as KEYS and ARGV. SCRIPT FLUSH frees the memory (SCRIPT FLUSH ASYNC from 6.2 on, without a pause).",
		Source: "MEMORY DOCTOR (redis src/object.c, getMemoryDoctorReport); https://redis.io/docs/latest/develop/programmability/eval-intro/",
		judge: func(f *facts) string {
			if n := f.number("memory", "number_of_cached_scripts"); n > 1000 {
				return fmt.Sprintf("%d scripts are cached", n)
			}
			return ""
		},
	},
}

// leavesLimit reports whether the server is a replica that neither refuses writes nor
// evicts at its maxmemory: its master does. Before Redis 5 all servers kept the limit.
// Source: redis.conf, replica-ignore-maxmemory
func (f *facts) leavesLimit() bool {
	if f.role() != "replica" {
		return false
	}
	if f.why.config != nil {
		f.lacks("CONFIG GET: %v", f.why.config)
		return false
	}
	return f.config["replica-ignore-maxmemory"] == "yes" || f.config["slave-ignore-maxmemory"] == "yes"
}
