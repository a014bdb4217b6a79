//go:build zabbix && linux

package zabbix

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"redisjobs/internal/redistest"
)

const keysTemplate = "Redis keys and streams by RedisJobs"

// keysScenes are keys that grow, and groups of streams whose consumers are slow, dead or none.
func (w *world) keysScenes(t testing.TB) []*scene {
	s := redistest.Start(t, redistest.Config{})
	s.Do(t, "EVAL", "for i=1,1500 do redis.call('SET','other:'..i,'x') end for i=1,205 do redis.call('XADD','zz:'..i,'1-1','f','v') end", "0")
	s.Do(t, "RPUSH", "queue:mails", "1")
	s.Do(t, "SET", "queue:blob", "x")
	for i := range 5 {
		s.Do(t, "SET", fmt.Sprint("tmp:", i), "x", "EX", "100000")
	}
	for _, stream := range []string{"orders", "events", "log"} {
		s.Do(t, "XADD", stream, "*", "f", "v")
	}
	s.Do(t, "XGROUP", "CREATE", "orders", "billing", "0")
	s.Do(t, "XGROUP", "CREATE", "events", "audit", "0")
	// Consumers that ask every second, and acknowledge what they get.
	var count atomic.Int64 // entries at once
	count.Store(100)
	consumer := func(stream, group string) func() {
		return every(time.Second, func() {
			if n := count.Load(); n > 0 {
				s.TryDo("EVAL", `local got = redis.call('XREADGROUP','GROUP',ARGV[2],'w','COUNT',ARGV[3],'STREAMS',KEYS[1],'>')
					if not got then return 0 end
					for _, e in ipairs(got[1][2]) do redis.call('XACK',KEYS[1],ARGV[2],e[1]) end return 1`, "1", stream, stream, group, fmt.Sprint(n))
			} else {
				s.TryDo("XREADGROUP", "GROUP", group, "w", "COUNT", "1", "STREAMS", stream, "0") // it asks for what it has
			}
		})
	}
	billing, audit := consumer("orders", "billing"), consumer("events", "audit")
	t.Cleanup(func() { billing(); audit() })
	sc := &scene{host: "keys", templates: []string{keysTemplate}, ownAgent: true,
		macros: map[string]string{
			"{$KEYS.CONN}": "tcp://" + s.Addr, "{$KEYS.WATCH}": "queue:* tmp:*", "{$KEYS.STREAMS.WATCH}": "orders events log", "{$KEYS.IDLE}": "5s",
			`{$KEYS.LENGTH.MAX.WARN:"queue:mails"}`: "100", `{$KEYS.MEMORY.MAX.WARN:"queue:blob"}`: "100K", "{$KEYS.PERMANENT.GROWTH.MAX.WARN}": "2",
			`{$KEYS.STREAM.LENGTH.MAX.WARN:"log"}`: "100", "{$KEYS.LAG.GROWTH.MAX.WARN}": "10", `{$KEYS.PENDING.AGE.MAX.WARN:"events"}`: "5s",
			"{$KEYS.LLD.FILTER.KEY.MATCHES}": "^(queue|tmp):", "{$KEYS.LLD.FILTER.STREAM.MATCHES}": "^(orders|events|log)$",
		},
		lacks: []string{`rj\.keys\.key\.ttl\["queue:.*`}}
	const group = "Keys: Group billing of orders "
	sc.steps = []step{
		{name: "a server that hangs", want: []string{"Keys: Keys cannot be read"}, do: func(t testing.TB) { s.Pause(t) }, undo: func(t testing.TB) { s.Resume(t) }},
		{name: "a consumer that dies with an entry", want: []string{group + "has dead consumers"},
			do: func(t testing.TB) {
				s.Do(t, "EVAL", "redis.call('XADD','orders','*','f','v') redis.call('XREADGROUP','GROUP','billing','lost','COUNT','1','STREAMS','orders','>')", "0")
			},
			undo: func(t testing.TB) { s.Do(t, "XGROUP", "DELCONSUMER", "orders", "billing", "lost") }},
		{name: "a group without a consumer", want: []string{group + "has no consumer"},
			do: func(t testing.TB) {
				billing()
				s.Do(t, "XGROUP", "DELCONSUMER", "orders", "billing", "w")
				s.Do(t, "XADD", "orders", "*", "f", "v")
			},
			undo: func(testing.TB) { billing = consumer("orders", "billing") }},
		{name: "a lag that grows", want: []string{"Keys: Lag of group billing of orders grows"},
			do: func(t testing.TB) {
				count.Store(0)
				s.Do(t, "EVAL", "for i=1,50 do redis.call('XADD','orders','*','f','v') end", "0")
			},
			undo: func(testing.TB) { count.Store(100) }},
		{name: "an entry that nobody acknowledges", want: []string{"Keys: Group audit of events has old pending entries"},
			do: func(t testing.TB) {
				count.Store(0)
				s.Do(t, "EVAL", "redis.call('XADD','events','*','f','v') redis.call('XREADGROUP','GROUP','audit','w','COUNT','1','STREAMS','events','>')", "0")
			},
			undo: func(t testing.TB) {
				count.Store(100)
				s.Do(t, "EVAL", "for _, e in ipairs(redis.call('XPENDING','events','audit','-','+','10')) do redis.call('XACK','events','audit',e[1]) end", "0")
			}},
		{name: "a stream that nothing trims", want: []string{"Keys: Stream log is too long"},
			do:   func(t testing.TB) { s.Do(t, "EVAL", "for i=1,200 do redis.call('XADD','log','*','f','v') end", "0") },
			undo: func(t testing.TB) { s.Do(t, "XTRIM", "log", "MAXLEN", "1") }},
		{name: "a list that nobody empties", want: []string{"Keys: Key queue:mails is too long"},
			do:   func(t testing.TB) { s.Do(t, "EVAL", "for i=1,200 do redis.call('RPUSH','queue:mails','x') end", "0") },
			undo: func(t testing.TB) { s.Do(t, "DEL", "queue:mails") }}, // an empty list is no key
		{name: "a value that is too large", want: []string{"Keys: Key queue:blob is too large"},
			do: func(t testing.TB) { s.Do(t, "SETRANGE", "queue:blob", "200000", "x") }, undo: func(t testing.TB) { s.Do(t, "SET", "queue:blob", "x") }},
		{name: "keys that do not expire any more", want: []string{"Keys: Keys without a time to live grow"},
			do: func(t testing.TB) {
				for i := range 5 {
					s.Do(t, "PERSIST", fmt.Sprint("tmp:", i))
				}
			}}, // it ends with its period
		{name: "a budget that is too small", want: []string{"Keys: Search for keys is incomplete"},
			may:  []string{"Keys: Keys without a time to live grow"}, // when all are listed again
			do:   func(t testing.TB) { w.macro(t, sc, "{$KEYS.BUDGET}", "1000") },
			undo: func(t testing.TB) { w.macro(t, sc, "{$KEYS.BUDGET}", "1000000") }},
		{name: "more keys than are listed", want: []string{"Keys: Some keys are truncated"},
			may:  []string{"Keys: Keys without a time to live grow"}, // of the other keys
			do:   func(t testing.TB) { w.macro(t, sc, "{$KEYS.WATCH}", "other:* queue:*") },
			undo: func(t testing.TB) { w.macro(t, sc, "{$KEYS.WATCH}", "queue:* tmp:*") }},
		{name: "more streams than are read", want: []string{"Keys: Some streams are truncated"},
			do:   func(t testing.TB) { w.macro(t, sc, "{$KEYS.STREAMS.WATCH}", "*") },
			undo: func(t testing.TB) { w.macro(t, sc, "{$KEYS.STREAMS.WATCH}", "orders events log") }},
		w.silence(sc, "Keys: No data from the plugin"),
	}
	return []*scene{sc}
}
