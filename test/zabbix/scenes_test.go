//go:build e2e && linux

package zabbix

import "testing"

// scenes are all of them.
func (w *world) scenes(t testing.TB) (out []*scene) {
	out = append(out, w.redisScenes(t)...)
	out = append(out, w.stormScenes(t)...)
	out = append(out, w.healthScenes(t)...)
	return out
}

// mayLack are items that have a value only where there is something to tell.
var mayLack = []string{
	`rj\.redis\.time\.auth`,           // a login
	`rj\.redis\.memory\.pused`,        // a limit
	`rj\.redis\.rdb\.duration`,        // a save
	`rj\.redis\.slowlog\.rate`,        // a slow command
	`rj\.redis\.hit_ratio`,            // lookups
	`rj\.redis\.link\.broken_for\[\]`, // a broken link
	`rj\.redis\.db\.avg_ttl\[.*`,      // keys that expire
}

// neverMade are triggers that no scene makes, and why.
var neverMade = map[string]string{}
