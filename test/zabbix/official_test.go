//go:build zabbix && linux

package zabbix

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

// officialScene is Zabbix' own template, as its server came with it, served by our plugin through the aliases.
func (w *world) officialScene(t testing.TB) *scene {
	s := redistest.Start(t, redistest.Config{Args: []string{"--appendonly", "yes"}})
	replica := redistest.Start(t, redistest.Config{Args: []string{"--replicaof", "127.0.0.1 " + portOf(s.Addr)}})
	s.Do(t, "SET", "a", "1", "EX", "10000")
	_ = replica
	return &scene{
		host: "official", templates: []string{"Redis by Zabbix agent 2"},
		macros: map[string]string{"{$REDIS.CONN.URI}": "tcp://" + s.Addr},
		// Redis 7 does not tell it any more; the template of 6.0 has no handler for that.
		lacks: []string{`redis\.persistence\.aof_rewrite_buffer_length\[\]`},
		slow:  true,
		// It takes any small server for fragmented, and a new one for restarted.
		calm: []string{"Redis: has been restarted", "Redis: Host has been restarted", "Redis: Memory fragmentation ratio is too high"},
		steps: []step{{name: "the connections of its items", do: func(t testing.TB) {
			// The built-in plugin gives its connections no name.
			var others int
			for line := range strings.Lines(s.Do(t, "CLIENT", "LIST", "TYPE", "normal")) {
				if !strings.Contains(line, "cmd=client|list") && !strings.Contains(line, "name=zabbix_redisjobs") {
					others++
					t.Logf("%s", line)
				}
			}
			require.Zero(t, others, "connections that are not the plugin's")
		}}},
	}
}
