//go:build zabbix && linux

package zabbix

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

// setupScene is a server whose configuration changes to the worse, and that refuses a client.
func setupScene(t testing.TB) *scene {
	s := redistest.Start(t, redistest.Config{})
	subscribe := func(t testing.TB) (end func()) {
		c, err := net.Dial("tcp", s.Addr)
		require.NoError(t, err)
		_, err = c.Write([]byte("SUBSCRIBE news\r\n"))
		require.NoError(t, err)
		return func() { _ = c.Close() }
	}
	end := subscribe(t)
	t.Cleanup(func() { end() })
	const changed, findings = "Redis: Configuration was changed", "Redis: Setup has findings of high severity"
	return &scene{host: "setup", templates: []string{redisTemplate},
		macros: map[string]string{"{$REDIS.CONN}": "tcp://" + s.Addr, "{$REDIS.SLOWLOG.RATE.MAX.WARN}": "1000", "{$REDIS.LATENCY.MAX.WARN}": "10",
			"{$REDIS.ERROR.RATE.MAX.WARN}": "1000", "{$REDIS.PUBSUB.CHANNELS}": "news"},
		steps: []step{
			{name: "a setting that refuses writes", want: []string{changed, findings},
				do:   func(t testing.TB) { s.Do(t, "CONFIG", "SET", "min-replicas-to-write", "1") },
				undo: func(t testing.TB) { s.Do(t, "CONFIG", "SET", "min-replicas-to-write", "0") }},
			{name: "a channel without a subscriber", want: []string{"Redis: Nobody listens to a channel"},
				do: func(testing.TB) { end() }, undo: func(t testing.TB) { end = subscribe(t) }},
			{name: "a client that guesses passwords", want: []string{"Redis: Clients are refused by access rules"},
				do: func(testing.TB) {
					for range 11 {
						s.TryDo("AUTH", "app", "guessed")
					}
				}},
		}}
}
