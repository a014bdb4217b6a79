//go:build zabbix && linux

package zabbix

import (
	"testing"

	"redisjobs/internal/redistest"
)

// setupScene is a server whose configuration changes to the worse, and that refuses a client.
func setupScene(t testing.TB) *scene {
	s := redistest.Start(t, redistest.Config{})
	const changed, findings = "Redis: Configuration was changed", "Redis: Setup has findings of high severity"
	return &scene{host: "setup", templates: []string{redisTemplate},
		macros: map[string]string{"{$REDIS.CONN}": "tcp://" + s.Addr, "{$REDIS.SLOWLOG.RATE.MAX.WARN}": "1000", "{$REDIS.LATENCY.MAX.WARN}": "10",
			"{$REDIS.ERROR.RATE.MAX.WARN}": "1000"},
		steps: []step{
			{name: "a setting that refuses writes", want: []string{changed, findings},
				do:   func(t testing.TB) { s.Do(t, "CONFIG", "SET", "min-replicas-to-write", "1") },
				undo: func(t testing.TB) { s.Do(t, "CONFIG", "SET", "min-replicas-to-write", "0") }},
			{name: "a client that guesses passwords", want: []string{"Redis: Clients are refused by access rules"},
				do: func(testing.TB) {
					for range 11 {
						s.TryDo("AUTH", "app", "guessed")
					}
				}},
		}}
}
