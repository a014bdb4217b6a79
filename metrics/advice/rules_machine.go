package advice

import (
	"fmt"
)

var machineRules = []Rule{
	{
		ID: "swapped", Severity: High, Scope: Server,
		Title: "Redis is swapped out",
		When: "The server is on this machine and has at least 16 MiB and 5 % of its used_memory in swap; of another machine, used_memory is at " +
			"least 100 MiB, used_memory_rss less than 70 % of it, the replication backlog left aside, and no module is loaded: modules reserve " +
			"memory that is not in use yet (BF.RESERVE), as a hash table that has just grown does.",
		Why:    "A key that is on disk costs milliseconds instead of microseconds, and all other clients wait meanwhile.",
		Remedy: "Lower maxmemory or free memory on the machine. Set vm.swappiness to 1, and restart the server if pages do not come back.",
		Source: "https://redis.io/docs/latest/operate/oss_and_stack/management/optimization/latency/",
		judge: func(f *facts) string {
			used := f.number("memory", "used_memory")
			if f.machine.swapOK {
				if swap := f.machine.swap; swap >= 16<<20 && percent(swap, used) >= 5 {
					return fmt.Sprintf("%s of the process are in swap", size(swap))
				}
				return ""
			}
			rss := f.number("memory", "used_memory_rss")
			if f.has("memory", "mem_replication_backlog") { // a large one is not touched before it is written to
				used -= f.number("memory", "mem_replication_backlog")
			}
			if used < minMemory || percent(rss, used) >= 70 {
				return ""
			}
			if len(f.x.SectionLines("modules")) > 0 {
				f.lacks("used_memory is %s, of which %s are in memory; the rest may be swapped out, or reserved by modules and not in use yet", size(used), size(rss))
			}
			return fmt.Sprintf("used_memory is %s, of which %s are in memory (used_memory_rss)", size(used), size(rss))
		},
	},
	{
		ID: "transparent_huge_pages", Severity: Warning, Scope: Server,
		Title: "Transparent huge pages are on",
		When: "The server is on this machine, /sys/kernel/mm/transparent_hugepage/enabled is always, and the process has not switched " +
			"them off for itself (disable-thp, Redis 6.2 and newer).",
		Why:    "After a fork each write copies 2 MiB instead of 4 KiB: latency rises, and a save may double the memory.",
		Remedy: "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled at boot, or disable-thp yes; then restart the server.",
		Source: "https://redis.io/docs/latest/operate/oss_and_stack/management/optimization/latency/; LATENCY DOCTOR (redis src/latency.c)",
		judge: func(f *facts) string {
			if !f.machine.hugePagesOK {
				f.lacks("%s", f.machine.unknown("its transparent huge pages"))
			}
			if !f.machine.hugePages {
				return ""
			}
			return "the kernel gives huge pages to every process, and to this one"
		},
	},
	{
		ID: "overcommit", Severity: Warning, Scope: Server,
		Title: "Saves may fail for want of memory that is not needed",
		When: "The server is on this machine, vm.overcommit_memory is 0, used_memory is at least 100 MiB, and the server forks: it saves, writes " +
			"an AOF or has replicas.",
		Why: "A fork asks for as much memory as the process has, though it hardly uses any. When less is free the kernel may refuse, and the " +
			"save or the copy to a replica fails.",
		Remedy: "sysctl vm.overcommit_memory=1, and the same line in /etc/sysctl.conf.",
		Source: "https://redis.io/docs/latest/operate/oss_and_stack/management/admin/",
		judge: func(f *facts) string {
			if !f.machine.overcommitOK {
				f.lacks("%s", f.machine.unknown("vm.overcommit_memory"))
			}
			if f.machine.overcommit != 0 || f.number("memory", "used_memory") < minMemory {
				return ""
			}
			if f.number("persistence", "aof_enabled") == 0 && f.replicas() == 0 && f.setting("save") == "" {
				return ""
			}
			return fmt.Sprintf("vm.overcommit_memory is 0, used_memory is %s", size(f.number("memory", "used_memory")))
		},
	},
}
