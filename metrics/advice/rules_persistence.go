package advice

import (
	"fmt"
)

var persistenceRules = []Rule{
	{
		ID: "rdb_save_failed", Severity: High, Scope: Server,
		Title:  "The last save failed",
		When:   "rdb_last_bgsave_status is not ok.",
		Why:    "What was written since the last good save is lost at a crash. With stop-writes-on-bgsave-error yes (the default) all writes fail already.",
		Remedy: "The server's log has the reason: a full disk, missing permissions on dir, or a fork without memory. Then run BGSAVE.",
		Source: "https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/",
		judge: func(f *facts) string {
			if s := f.text("persistence", "rdb_last_bgsave_status"); s != "ok" {
				return "rdb_last_bgsave_status is " + s
			}
			return ""
		},
	},
	{
		ID: "aof_write_failed", Severity: High, Scope: Server,
		Title:  "The append-only file cannot be written",
		When:   "aof_enabled is 1 and aof_last_write_status is not ok.",
		Why:    "Writes are refused, or lost at a crash.",
		Remedy: "The server's log has the reason, mostly a full or failing disk.",
		Source: "https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/",
		judge: func(f *facts) string {
			if f.number("persistence", "aof_enabled") == 0 {
				return ""
			}
			if s := f.text("persistence", "aof_last_write_status"); s != "ok" {
				return "aof_last_write_status is " + s
			}
			return ""
		},
	},
	{
		ID: "aof_rewrite_failed", Severity: Warning, Scope: Server,
		Title:  "The last rewrite of the append-only file failed",
		When:   "aof_enabled is 1 and aof_last_bgrewrite_status is not ok.",
		Why:    "The file grows until the disk is full, and a restart takes longer and longer.",
		Remedy: "The server's log has the reason: too little disk space for a second file, or a fork without memory. Then run BGREWRITEAOF.",
		Source: "https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/",
		judge: func(f *facts) string {
			if f.number("persistence", "aof_enabled") == 0 {
				return ""
			}
			if s := f.text("persistence", "aof_last_bgrewrite_status"); s != "ok" {
				return "aof_last_bgrewrite_status is " + s
			}
			return ""
		},
	},
	{
		ID: "save_errors_ignored", Severity: Warning, Scope: Server,
		Title:  "Failed saves go unnoticed",
		When:   "save is set and stop-writes-on-bgsave-error is no.",
		Why:    "The server accepts writes although it cannot save them. Nobody notices before the restart that loses them.",
		Remedy: "Set stop-writes-on-bgsave-error yes, or keep it at no only with an alarm on rdb_last_bgsave_status.",
		Source: "https://redis.io/docs/latest/operate/oss_and_stack/management/config-file/",
		judge: func(f *facts) string {
			if save := f.setting("save"); save != "" && f.setting("stop-writes-on-bgsave-error") == "no" {
				return fmt.Sprintf("save is %q and stop-writes-on-bgsave-error no", save)
			}
			return ""
		},
	},
	{
		ID: "slow_fork", Severity: Warning, Scope: Server,
		Title:  "Saves stop the server",
		When:   "latest_fork_usec is at least 100 ms.",
		Why:    "During a fork no command is served. It happens at each save, rewrite and full copy to a replica.",
		Remedy: "Split the data over more servers, save on a replica, switch transparent huge pages off, and avoid virtual machines without hardware support for page tables.",
		Source: "https://redis.io/docs/latest/operate/oss_and_stack/management/optimization/latency/; LATENCY DOCTOR (redis src/latency.c)",
		judge: func(f *facts) string {
			if usec := f.number("stats", "latest_fork_usec"); usec >= 100_000 {
				return fmt.Sprintf("the last fork took %d ms with %s of used_memory", usec/1000, size(f.number("memory", "used_memory")))
			}
			return ""
		},
	},
	{
		ID: "slow_disk", Severity: Warning, Scope: Server,
		Title:  "The disk is too slow for the append-only file",
		When:   "aof_enabled is 1 and aof_delayed_fsync is above 0.",
		Why:    "Each time, an fsync took longer than two seconds, and all clients waited for it.",
		Remedy: "Use a faster disk, or one that nobody else writes to; no-appendfsync-on-rewrite yes when it happens during rewrites.",
		Source: "https://redis.io/docs/latest/operate/oss_and_stack/management/optimization/latency/",
		judge: func(f *facts) string {
			if f.number("persistence", "aof_enabled") == 0 {
				return ""
			}
			if n := f.number("persistence", "aof_delayed_fsync"); n > 0 {
				return counted(n, "time") + " since the start of the server"
			}
			return ""
		},
	},
	{
		ID: "fsync_never", Severity: Info, Scope: Server,
		Title:  "The append-only file is not synced",
		When:   "aof_enabled is 1 and appendfsync is no.",
		Why:    "At a power failure everything is lost that the kernel has not written yet, usually up to 30 seconds.",
		Remedy: "Set appendfsync everysec unless that loss is acceptable.",
		Source: "https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/",
		judge: func(f *facts) string {
			if f.number("persistence", "aof_enabled") == 1 && f.setting("appendfsync") == "no" {
				return "appendfsync is no"
			}
			return ""
		},
	},
	{
		ID: "primary_without_persistence", Severity: Warning, Scope: Server,
		Title: "A restart of this primary empties its replicas",
		When:  "A master with replicas has no save parameter and no append-only file.",
		Why: "If it crashes and is started again by systemd or Kubernetes before a failover, it comes back empty, and its replicas copy the " +
			"empty data set: everything is lost.",
		Remedy: "Switch persistence on at the primary, or make sure that it is never restarted automatically.",
		Source: "https://redis.io/docs/latest/operate/oss_and_stack/management/replication/",
		judge: func(f *facts) string {
			n := f.replicas()
			if n == 0 || f.number("persistence", "aof_enabled") == 1 || f.setting("save") != "" {
				return ""
			}
			return counted(n, "replica") + ", save is empty and appendonly no"
		},
	},
}
