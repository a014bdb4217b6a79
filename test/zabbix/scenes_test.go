//go:build zabbix && linux

package zabbix

import "testing"

// scenes are all of them.
func (w *world) scenes(t testing.TB) (out []*scene) {
	out = append(out, w.redisScenes(t)...)
	out = append(out, loadScenes(t)...)
	out = append(out, w.sessionsScenes(t)...)
	out = append(out, w.stormScenes(t)...)
	out = append(out, w.healthScenes(t)...)
	out = append(out, w.clusterScenes(t)...)
	out = append(out, w.sentinelScenes(t)...)
	out = append(out, w.groupScenes(t)...)
	out = append(out, w.jobScenes(t)...)
	out = append(out, w.keysScenes(t)...)
	out = append(out, w.officialScene(t))
	return out
}

// mayLack are items that have a value only where there is something to tell.
var mayLack = []string{
	`rj\.redis\.memory\.(growth|full_in)`, // polls over minutes
	`rj\.redis\.backlog\.time`,            // replicas
	`rj\.redis\.cpu\.main`,                // polls over half a minute
	`rj\.redis\.loading\..*`,              // a server that loads
	`rj\.redis\.(clients\.cut\..*|sync\.cause|commandlog\..*|hot\..*|config\.drift)`, // newer servers, or replicas
	`rj\.cluster\.hot\..*`,        // newer servers
	`rj\.redis\.command\.p99\[.*`, // calls
	`rj\.storm\.job\.(version|host|message|expected|type|lag|progress|duration|started|success\.age|failed\.rate|emitted\.rate|processed\.rate|finished|supervisor|raw_status|age)\[.*`, // such a field in the record
	`rj\.jobs\.failures\.newest\[.*`,                             // failed jobs
	`rj\.redis\.(config\.changed|acl\.entries)`,                  // a change, a refusal
	`rj\.redis\.time\.auth`,                                      // a login
	`rj\.redis\.memory\.(pused|limit)`,                           // a limit
	`rj\.redis\.rdb\.duration`,                                   // a save
	`rj\.redis\.slowlog\.(rate|entries|commands|slowest|newest)`, // a slow command
	`rj\.redis\.pubsub\.unheard.*`,                               // a channel in {$REDIS.PUBSUB.CHANNELS}
	`rj\.redis\.hit_ratio`,                                       // lookups
	`rj\.redis\.link\.broken_for\[\]`,                            // a broken link
	`rj\.redis\.db\.avg_ttl\[.*`,                                 // keys that expire
	`rj\.group\.member\.(primary|lag_bytes)\[.*`,                 // a replica
}
