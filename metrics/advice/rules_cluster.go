package advice

import (
	"fmt"
	"slices"

	"redisjobs/metrics/cluster"
	"redisjobs/metrics/info"
)

var clusterRules = []Rule{
	{
		ID: "shard_without_replica", Severity: Warning, Scope: Cluster,
		Title: "Shards have no replica",
		When: "A master with slots has no replica, or only ones that fail, have no address (the flag noaddr) or never take over " +
			"(cluster-replica-no-failover). A replica that is asked itself does not count, too, if it was never synchronized, or has been " +
			"without its master for longer than cluster-replica-validity-factor allows.",
		Why:    "If it fails, its slots are down, and with cluster-require-full-coverage yes (the default) the whole cluster.",
		Remedy: "Add a replica to each shard (redis-cli --cluster add-node new:6379 any:6379 --cluster-slave), or set cluster-replica-no-failover no.",
		Source: "https://redis.io/docs/latest/operate/oss_and_stack/management/scaling/",
		judge: func(f *facts) string {
			var alone, doubtful []string
			f.eachShard(func(master cluster.Node, replicas []cluster.Node) {
				switch {
				case !slices.ContainsFunc(replicas, f.takesOver):
					alone = append(alone, master.Addr)
				case master.ID == f.myself && f.hasNoneInSync():
					doubtful = append(doubtful, master.Addr)
				}
			})
			if len(alone) == 0 && len(doubtful) > 0 {
				f.lacks("no replica of %s has a link to it, and for how long is not known here: see takes_over of redis.cluster.get", list(doubtful))
			}
			return list(alone)
		},
	},
	{
		ID: "shard_on_one_host", Severity: Warning, Scope: Cluster,
		Title:  "All copies of a shard are on one host",
		When:   "A master with slots and all of its replicas have the same IP address, and announce no host names that differ.",
		Why:    "If the host fails, the shard is lost, and with it a part of the data.",
		Remedy: "Place each replica on another host than its master (redis-cli --cluster create spreads them; CLUSTER REPLICATE moves one).",
		Source: "https://redis.io/docs/latest/operate/oss_and_stack/management/scaling/",
		judge: func(f *facts) string {
			var together []string
			f.eachShard(func(master cluster.Node, replicas []cluster.Node) {
				for _, r := range replicas {
					if r.Host != master.Host || r.Hostname != master.Hostname {
						return
					}
				}
				if len(replicas) > 0 && master.Host != "" {
					together = append(together, master.Addr)
				}
			})
			if len(together) == 0 {
				return ""
			}
			return "masters whose replicas are on their host: " + list(together)
		},
	},
	{
		ID: "few_masters", Severity: Warning, Scope: Cluster,
		Title:  "The cluster has too few masters to survive a failure",
		When:   "Fewer than three masters have slots. Not of Amazon's services, which promote replicas by themselves.",
		Why:    "A majority of the masters must agree on a failover. With one or two, none is left when one fails.",
		Remedy: "Spread the slots over at least three masters.",
		Source: "https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/",
		judge: func(f *facts) string {
			n := 0
			f.eachShard(func(cluster.Node, []cluster.Node) { n++ })
			if n >= 3 || f.ofAmazon() {
				return ""
			}
			return "with slots: " + counted(int64(n), "master")
		},
	},
	{
		ID: "hash_tag_skew", Severity: Warning, Scope: Cluster,
		Title: "One slot has a great part of the keys",
		When: "The slot with the most keys of this node has at least 10,000 of them, and more than a fifth of all (Redis 8.2 and Valkey 8.0 " +
			"tell, by CLUSTER SLOT-STATS).",
		Why:    "Keys with one hash tag, as {user}, are all in one slot, which cannot be split: one server carries the load, and resharding does not help.",
		Remedy: "Use hash tags only for the few keys that one command needs together.",
		Source: "https://redis.io/docs/latest/commands/cluster-slot-stats/; https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/",
		judge: func(f *facts) string {
			if f.why.slots != nil {
				f.lacks("CLUSTER SLOT-STATS: %v", f.why.slots)
				return ""
			}
			keys, _ := f.keys()
			if !f.topSlot.known || f.topSlot.keys < 10_000 || percent(f.topSlot.keys, keys) <= 20 {
				return ""
			}
			return fmt.Sprintf("slot %d has %d of %d keys", f.topSlot.slot, f.topSlot.keys, keys)
		},
	},
}

// takesOver reports whether a node, a replica, becomes the master when that fails: by
// its flags, and by its INFO and configuration if it is the node that was asked.
func (f *facts) takesOver(n cluster.Node) bool {
	return n.TakesOver && (n.ID != f.myself || info.TakesOver(&f.id, info.Masters(f.x, &f.id, f.x.SectionLines("replication")), f.validity()))
}

// validity is what the configuration says of it, as far as that is known.
func (f *facts) validity() info.Validity {
	of := func(names ...string) info.Reading {
		for _, name := range names {
			if v, ok := f.config[name]; ok {
				return info.ParseCount([]byte(v))
			}
		}
		return info.Reading{}
	}
	return info.Validity{
		NodeTimeout: of("cluster-node-timeout"),
		PingPeriod:  of("repl-ping-replica-period", "repl-ping-slave-period"),
		Factor:      of("cluster-replica-validity-factor", "cluster-slave-validity-factor"),
	}
}

// hasNoneInSync reports whether a master says that no replica follows it at this moment.
func (f *facts) hasNoneInSync() bool {
	connected, ok := f.x.Field("replication", "connected_slaves")
	if n := info.ParseCount(connected); !ok || !n.Known {
		return false
	}
	return !slices.ContainsFunc(info.Replicas(f.x, &f.id, f.x.SectionLines("replication")), func(r info.Replica) bool {
		return !r.InSync.Known || r.InSync.Value > 0
	})
}

// eachShard visits each master that has slots, with its replicas that work.
func (f *facts) eachShard(visit func(master cluster.Node, replicas []cluster.Node)) {
	if f.why.cluster != nil {
		f.lacks("CLUSTER NODES: %v", f.why.cluster)
		return
	}
	replicas := make(map[string][]cluster.Node)
	for _, n := range f.nodes {
		if n.Master != "" && !n.Failing {
			replicas[n.Master] = append(replicas[n.Master], n)
		}
	}
	for _, n := range f.nodes {
		if n.Slots > 0 {
			visit(n, replicas[n.ID])
		}
	}
}
