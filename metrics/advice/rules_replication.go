package advice

import (
	"fmt"

	"redisjobs/metrics/info"
)

// minBacklog is the time that a backlog should cover, in seconds.
const minBacklog = 60

var replicationRules = []Rule{
	{
		ID: "small_backlog", Severity: Warning, Scope: Server,
		Title: "The replication backlog is too small for the write rate",
		When:  "A master with replicas writes its whole repl_backlog_size in less than 60 seconds, measured over at least 30 s.",
		Why: "A replica whose link was down for longer must copy everything: a fork, a save and the whole data set over the network, while " +
			"the primary is under load.",
		Remedy: "Raise repl-backlog-size (CONFIG SET works at once) to the bytes written in the longest interruption that shall not matter.",
		Source: "https://redis.io/docs/latest/operate/oss_and_stack/management/replication/",
		judge: func(f *facts) string {
			if f.replicas() == 0 {
				return ""
			}
			if !f.backlogOK {
				f.lacks("the write rate is known from the second poll on, after 30 s")
			}
			if f.backlog == 0 || f.backlog.Seconds() >= minBacklog {
				return "" // 0: nothing is written
			}
			return fmt.Sprintf("%s of backlog cover %.0f s of writes", size(f.number("replication", "repl_backlog_size")), f.backlog.Seconds())
		},
	},
	{
		ID: "replica_near_resync", Severity: Warning, Scope: Server,
		Title: "A replica is about to fall out of the backlog",
		When:  "A replica that is in sync has not confirmed more than half of repl_backlog_size.",
		Why:   "If its link breaks now, what it lacks is gone from the backlog, and it must copy everything.",
		Remedy: "Look for a slow network or a busy replica (a long command, a slow disk). Raise repl-backlog-size meanwhile, and " +
			"client-output-buffer-limit replica.",
		Source: "https://redis.io/docs/latest/operate/oss_and_stack/management/replication/",
		judge: func(f *facts) string {
			if f.replicas() == 0 {
				return ""
			}
			backlog := f.number("replication", "repl_backlog_size")
			for _, r := range info.FindReplicas(f.x, &f.id) {
				if r.InSync.Known && r.InSync.Value == r.Count && r.LagBytes.Known && 2*r.LagBytes.Value > backlog {
					return fmt.Sprintf("%s:%s has not confirmed %s, the backlog holds %s", r.IP, r.Port, size(r.LagBytes.Value), size(backlog))
				}
			}
			return ""
		},
	},
	{
		ID: "repeated_full_copies", Severity: Warning, Scope: Server,
		Title: "Replicas copy everything again and again",
		When:  "sync_partial_err is at least 5 and more than one for each day since the start of the server.",
		Why: "Each time a replica asked to go on where it had stopped, and could not. Full copies cost a fork and the whole data set over the " +
			"network, and the replica serves old data or none meanwhile.",
		Remedy: "Raise repl-backlog-size and client-output-buffer-limit replica; look for what breaks the links (repl-timeout, network).",
		Source: "https://redis.io/docs/latest/operate/oss_and_stack/management/replication/",
		judge: func(f *facts) string {
			refused, uptime := f.number("stats", "sync_partial_err"), f.number("server", "uptime_in_seconds")
			if refused < 5 || refused*86400 <= uptime {
				return ""
			}
			return fmt.Sprintf("%d partial copies were refused and %d full ones made in %d hours", refused, f.number("stats", "sync_full"), uptime/3600)
		},
	},
	{
		ID: "writes_without_replica", Severity: Info, Scope: Server,
		Title: "A primary that is cut off goes on accepting writes",
		When:  "A master with replicas, which is no node of a cluster, has min-replicas-to-write 0.",
		Why:   "When the network parts, a new primary is elected on the other side. What the old one accepts meanwhile is lost when it comes back.",
		Remedy: "Set min-replicas-to-write 1 (with min-replicas-max-lag 10), if you would rather have writes fail than lost. With one replica " +
			"alone its failure then stops writes.",
		Source: "https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/",
		judge: func(f *facts) string {
			if n := f.replicas(); n > 0 && !f.isCluster() && f.settingNumber("min-replicas-to-write", "min-slaves-to-write") == 0 {
				return "min-replicas-to-write is 0 with " + counted(n, "replica")
			}
			return ""
		},
	},
	{
		ID: "writes_refused", Severity: High, Scope: Server,
		Title:  "Writes are refused for want of replicas",
		When:   "min-replicas-to-write is above 0, and fewer replicas are good (min_slaves_good_slaves).",
		Why:    "Every write fails with NOREPLICAS until enough replicas confirm again.",
		Remedy: "Bring the replicas back, or lower min-replicas-to-write for the time being.",
		Source: "https://redis.io/docs/latest/operate/oss_and_stack/management/replication/",
		judge: func(f *facts) string {
			if !f.isMaster() {
				return ""
			}
			want := f.settingNumber("min-replicas-to-write", "min-slaves-to-write")
			if want == 0 || f.settingNumber("min-replicas-max-lag", "min-slaves-max-lag") == 0 {
				return ""
			}
			if good := f.number("replication", "min_slaves_good_slaves"); good < want {
				return fmt.Sprintf("%s in step, %d required", counted(good, "replica"), want)
			}
			return ""
		},
	},
	{
		ID: "writable_replica", Severity: Warning, Scope: Server,
		Title:  "A replica accepts writes of its own",
		When:   "A replica has replica-read-only no.",
		Why:    "What is written there is on no other server, and is lost or in the way at the next copy.",
		Remedy: "Set replica-read-only yes.",
		Source: "https://redis.io/docs/latest/operate/oss_and_stack/management/replication/",
		judge: func(f *facts) string {
			if f.role() == "replica" && f.number("replication", "slave_read_only") == 0 {
				return "replica-read-only is no"
			}
			return ""
		},
	},
	{
		ID: "large_replica_buffers", Severity: Warning, Scope: Server,
		Title:  "Replicas cannot keep up",
		When:   "mem_clients_slaves is more than 10 MiB for each replica.",
		Why:    "What a replica has not read is kept in the primary's memory. At client-output-buffer-limit replica it is disconnected, and must copy again.",
		Remedy: "Look for a slow network or a busy replica, and write less at once.",
		Source: "MEMORY DOCTOR (redis src/object.c, getMemoryDoctorReport)",
		judge: func(f *facts) string {
			n := f.replicas()
			if n == 0 {
				return ""
			}
			if bytes := f.number("memory", "mem_clients_slaves"); bytes/n > 10<<20 {
				return fmt.Sprintf("%s for %s", size(bytes), counted(n, "replica"))
			}
			return ""
		},
	},
}

func (f *facts) isCluster() bool {
	enabled, ok := f.x.Field("cluster", "cluster_enabled")
	return ok && string(enabled) == "1"
}
