//go:build e2e && linux

package faults

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.zabbix.com/sdk/plugin/comms"

	"redisjobs/internal/redistest"
	"redisjobs/test/agent"
	"redisjobs/test/driver"
	"redisjobs/test/stall"
)

// startTestBuild runs the plugin with the keys that break it on purpose.
func startTestBuild(t testing.TB, options ...string) *driver.Plugin {
	t.Helper()
	return driver.Start(t, driver.Config{
		Program: agent.TestPlugin(t),
		Options: append([]string{"CustomCommands=1"}, options...),
	})
}

// frame is a request as agents send it.
func frame(kind uint32, body string) []byte {
	b := binary.LittleEndian.AppendUint32(nil, kind)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(body)))
	return append(b, body...)
}

// sleepers are n checks that run until the plugin's own timeout.
func sleepers(p *driver.Plugin, n int) []*driver.Check {
	checks := make([]*driver.Check, n)
	for i := range checks {
		checks[i] = p.Ask(30, "redis.test.sleep", "30")
	}
	return checks
}

// awaitGoroutines waits until the process has so many more than before.
func awaitGoroutines(t testing.TB, p *driver.Plugin, before driver.Resources, more int) {
	t.Helper()
	await(t, patience, "the checks to run", func() bool { return p.Resources(t).Goroutines >= before.Goroutines+more })
}

func TestTheProcessEndsWithItsAgent(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, p *driver.Plugin){
		"when it is told to, amid 500 checks": func(t *testing.T, p *driver.Plugin) { require.NoError(t, p.SendTerminate()) },
		"when the socket ends, amid 500 checks": func(_ *testing.T, p *driver.Plugin) {
			p.HangUp()
		},
		"when the socket ends within a header": func(t *testing.T, p *driver.Plugin) {
			require.NoError(t, p.Write([]byte{1, 0, 0, 0, 9}))
			p.HangUp()
		},
		"when the socket ends within a request": func(t *testing.T, p *driver.Plugin) {
			whole := frame(comms.JSONType, `{"id":7,"type":6,"key":"redis.server.ping"}`)
			require.NoError(t, p.Write(whole[:len(whole)/2]))
			p.HangUp()
		},
		"when the socket ends while it writes": func(t *testing.T, p *driver.Plugin) {
			p.PauseReading()
			for range 40 {
				p.Ask(3, "redis.test.big", "1000000")
			}
			p.HangUp()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redis(t, redistest.Config{})
			p := startTestBuild(t, "Timeout=30", "Sessions.A.Uri=tcp://"+s.Addr)
			before := p.Resources(t)
			wantAll(t, p, "A", s, 10)
			sleepers(p, 500)
			awaitGoroutines(t, p, before, 500)
			began := time.Now()
			end(t, p)
			code, ended := p.Wait(patience)
			require.True(t, ended)
			require.Zero(t, code)
			require.Less(t, stall.Awake(began, time.Now()), 2*time.Second)
			await(t, patience, "the end of its connections", func() bool {
				return s.InfoField(t, "clients", "connected_clients") == "1"
			})
		})
	}
}

func TestRequestsThatNobodySends(t *testing.T) {
	t.Parallel()
	s := redis(t, redistest.Config{})
	p := start(t, "Sessions.A.Uri=tcp://"+s.Addr)
	want(t, p, "A", s, key(0))
	before := p.Resources(t)
	for _, b := range [][]byte{
		frame(comms.JSONType, `{"id":1000001,"type":77}`),
		frame(comms.JSONType, `{"id":1000002,"type":6.5,"key":"redis.server.ping"}`),
		frame(comms.JSONType, `{"id":-1,"type":6,"key":"redis.server.ping"}`),
		frame(comms.JSONType, `{"id":1000003,"type":"six"}`),
		frame(comms.JSONType, `[1,2,3]`),
		frame(comms.JSONType, `null`),
		frame(comms.JSONType, `{not JSON`),
		frame(comms.JSONType, ``),
		frame(comms.JSONType, strings.Repeat("[", 100_000)),
		frame(comms.JSONType, "\x00\xff\xfe"),
		frame(9, "whatever"),
		frame(comms.JSONType, strings.Repeat("x", 17<<20)),
		frame(9, strings.Repeat("x", 17<<20)),
	} {
		require.NoError(t, p.Write(b))
		want(t, p, "A", s, key(1))
	}
	require.Contains(t, p.Refused(t, "redis.nosuch", "A"), `unknown item key "redis.nosuch"`)
	require.Contains(t, p.Refused(t, ""), "unknown item key")
	require.True(t, p.Logged("ignored"))
	want(t, p, "A", s, key(2))
	awaitCalm(t, p, before)
	require.Less(t, p.RSS(t), int64(60<<20))
}

func TestARequestInSingleBytes(t *testing.T) {
	t.Parallel()
	p := start(t)
	for _, b := range frame(comms.JSONType, `{"id":5,"type":77}`) {
		require.NoError(t, p.Write([]byte{b}))
	}
	await(t, patience, "the request", func() bool { return p.Logged("unknown type 77") })
	require.Equal(t, "0", p.Value(t, "redis.server.ping", "127.0.0.1:1"))
}

func TestAThousandRequestsAtOnce(t *testing.T) {
	t.Parallel()
	const n = 1000
	servers := []*redistest.Server{redis(t, redistest.Config{}), redis(t, redistest.Config{UnixSocket: true})}
	p := start(t, "Sessions.S0.Uri=tcp://"+servers[0].Addr, "Sessions.S1.Uri=unix:"+servers[1].Socket)
	before := p.Resources(t)
	for range 3 {
		var checks []*driver.Check
		for i := range n {
			checks = append(checks, ask(p, 3, fmt.Sprintf("S%d", i%2), key(i)))
		}
		for i, c := range checks {
			got, err := c.Answer()
			require.NoError(t, err)
			require.Equal(t, value(servers[i%2], key(i)), got)
		}
	}
	pool := awaitCalm(t, p, before)
	require.LessOrEqual(t, pool.Counters.Dials, 4)
	// More than are taken at once: none is lost, some are told so.
	q := startTestBuild(t, "Timeout=2")
	before = q.Resources(t)
	refusedAtOnce := 0
	for _, c := range sleepers(q, 2500) {
		if strings.Contains(refused(t, c), "too many checks at once") {
			refusedAtOnce++
		}
	}
	require.Equal(t, 2500-2048, refusedAtOnce)
	awaitCalm(t, q, before)
}

func TestParametersOf64KB(t *testing.T) {
	t.Parallel()
	s := redis(t, redistest.Config{})
	p := start(t, "Sessions.A.Uri=tcp://"+s.Addr)
	long := strings.Repeat("k", 64<<10)
	longest := long[:2048] // Zabbix keeps no more of an item key
	s.Do(t, "SET", longest, "the long one")
	got, err := get(p, "A", longest)
	require.NoError(t, err)
	require.Equal(t, "the long one", got)
	require.Contains(t, p.Refused(t, "redis.command", "A", "", "", "GET", long), "has 65536 characters, more than the 2048 of an item key")
	before := p.Resources(t)

	refuse := func(key string, params ...string) {
		t.Helper()
		text := p.Refused(t, key, params...)
		require.Less(t, len(text), 2000)
	}
	refuse("redis.server.info", long)
	refuse("redis.server.info", "A", "", long)
	refuse("redis.server.config", "A", "", long)
	refuse("storm.job.status", "A", "", "", long, long)
	refuse("redis.server.info", "A", long, "", long)
	refuse(long)
	refuse("redis.server.info", strings.Split(long, "")...)
	refuse("redis.server.info", "tcp://"+long+":6379")
	refuse("redis.server.ping", "A", long)
	refuse("redis.server.ping", "A", "", long)
	want(t, p, "A", s, key(1))
	awaitCalm(t, p, before)
}

func TestAnswersOf16MB(t *testing.T) {
	t.Parallel()
	const limit = 16 << 20
	s := redis(t, redistest.Config{})
	p := startTestBuild(t, "MaxAnswer=16M", "Sessions.A.Uri=tcp://"+s.Addr)
	want(t, p, "A", s, key(0))
	before := p.Resources(t)
	var big []*driver.Check
	for range 4 {
		big = append(big, p.Ask(30, "redis.test.big", fmt.Sprint(limit)))
		wantAll(t, p, "A", s, 20)
	}
	over := p.Ask(30, "redis.test.big", fmt.Sprint(limit+1))
	require.Contains(t, refused(t, over), "more than the limit of 16777216 (option Plugins.RedisJobs.MaxAnswer)")
	for _, c := range big {
		got, err := c.Answer()
		require.NoError(t, err)
		require.Len(t, got, limit)
		require.Equal(t, limit, strings.Count(got, "x"))
	}
	wantAll(t, p, "A", s, 20)
	awaitCalm(t, p, before)
	require.Less(t, peakRSS(t, p), int64(400<<20))
}

func TestALogFloodStaysSmall(t *testing.T) {
	t.Parallel()
	p := startTestBuild(t)
	before := p.Resources(t)
	began := time.Now()
	const panics = 2000
	var checks []*driver.Check
	for range panics {
		checks = append(checks, p.Ask(3, "redis.test.panic"))
	}
	for _, c := range checks {
		require.Contains(t, refused(t, c), "internal error in redis.test.panic")
	}
	lines := p.Logs()
	most := 2 * (20 + int(2*time.Since(began).Seconds()) + 2) // a line may come with one about those left out
	require.LessOrEqual(t, len(lines), most)
	require.Greater(t, len(lines), 10)
	for _, line := range lines {
		require.Less(t, len(line), 2*4096+100)
		require.NotContains(t, line, "\n")
	}
	await(t, patience, "the word about those left out", func() bool {
		_, err := p.Get("redis.test.panic")
		require.Error(t, err)
		return p.Logged("log lines were left out")
	})
	awaitCalm(t, p, before)
}

func TestAnAgentThatStopsReadingForAWhile(t *testing.T) {
	t.Parallel()
	s := redis(t, redistest.Config{})
	p := startTestBuild(t, "Sessions.A.Uri=tcp://"+s.Addr)
	wantAll(t, p, "A", s, 20)
	before := p.Resources(t)
	p.PauseReading()
	// More than the socket holds and more than the plugin keeps for it, so that senders have to wait.
	var big, small []*driver.Check
	for i := range 60 {
		big = append(big, p.Ask(30, "redis.test.big", fmt.Sprint(1_000_000-i)))
		for j := range 5 {
			small = append(small, ask(p, 30, "A", key(5*i+j)))
		}
	}
	<-time.After(time.Second) // that is the while
	answered := 0
	for _, c := range append(big, small...) {
		if c.Answered() {
			answered++
		}
	}
	require.Less(t, answered, 10)
	p.ResumeReading()
	for i, c := range big {
		got, err := c.Answer()
		require.NoError(t, err)
		require.Len(t, got, 1_000_000-i)
	}
	for i, c := range small {
		got, err := c.Answer()
		require.NoError(t, err)
		require.Equal(t, value(s, key(i)), got)
	}
	wantAll(t, p, "A", s, 20)
	awaitCalm(t, p, before)
}
