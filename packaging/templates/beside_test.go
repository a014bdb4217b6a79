package templates

import (
	"slices"
	"strings"
	"testing"

	"redisjobs/metrics"
	"redisjobs/plugin"
)

// officialMacros are those of the official template Redis by Zabbix agent 2, in all its versions from 6.0 to 7.0-3. One of
// that name here would have one value for both on a host that is linked to both, as docs/migration.md says to do.
// test/zabbix compares with all templates that a server comes with.
var officialMacros = []string{
	"{$REDIS.CLIENTS.PRC.MAX.WARN}", "{$REDIS.CONN.URI}", "{$REDIS.LLD.FILTER.DB.MATCHES}", "{$REDIS.LLD.FILTER.DB.NOT_MATCHES}",
	"{$REDIS.LLD.PROCESS_NAME}", "{$REDIS.MEM.FRAG_RATIO.MAX.WARN}", "{$REDIS.MEM.PUSED.MAX.WARN}", "{$REDIS.PASSWORD}",
	"{$REDIS.PATTERN}", "{$REDIS.PROCESS_NAME}", "{$REDIS.REPL.LAG.MAX.WARN}", "{$REDIS.SECTION}", "{$REDIS.SLOWLOG.COUNT.MAX.WARN}",
	"{$REDIS.USERNAME}",
}

// TestTemplatesStandBesideTheOfficialOne: no macro and no key is the same.
func TestTemplatesStandBesideTheOfficialOne(t *testing.T) {
	t.Parallel()
	for _, d := range loadAll(t) {
		for _, m := range d.Macros {
			d.must(t, !slices.Contains(officialMacros, macroName(m.Macro)), m.Macro, "the official template has a macro of this name: on a host with both, one value counts for both")
		}
		for key := range d.byKey {
			if strings.HasPrefix(key, "rj.") {
				continue
			}
			name, _, err := plugin.ParseItemKey(key)
			_, ours := metrics.Lookup(name)
			d.must(t, err == nil && ours, key, "the keys of a template are the plugin's own, or begin with rj., so that no other template on a host has them")
		}
	}
}
