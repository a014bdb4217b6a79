//go:build e2e && linux

package faults

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/ports"
	"redisjobs/internal/redistest"
	"redisjobs/test/driver"
)

func TestStory03_PlacesSurviveACancelInEveryPhase(t *testing.T) {
	t.Parallel()
	const limit, atOnce = 3, 150
	const password = "open sesame"
	s := redis(t, redistest.Config{Password: password, TLS: true})
	hole, open := blackHole(t)
	addr := map[string]string{"Dial": hole}
	between := map[string]*proxy{}
	for name, backend := range map[string]string{"Wait": s.Addr, "Tls": s.TLSAddr, "Auth": s.Addr, "Write": s.Addr, "Read": s.Addr} {
		between[name] = newProxy(t, backend)
		addr[name] = between[name].addr
	}
	options := []string{"Timeout=1", "MaxConnections=3", "Default.Password=" + password,
		"Sessions.Tls.TLSConnect=required"}
	for name, at := range addr {
		options = append(options, "Sessions."+name+".Uri=tcp://"+at)
	}
	p := start(t, options...)
	for _, name := range []string{"Wait", "Write", "Read"} {
		want(t, p, name, s, key(0))
	}
	before := p.Resources(t)

	between["Tls"].lose()
	between["Auth"].lose()
	between["Write"].choke(true)
	between["Wait"].hold()
	between["Read"].hold()
	var holders []*driver.Check
	for i := range limit {
		holders = append(holders, ask(p, 1, "Wait", key(i)))
	}
	await(t, patience, "all connections busy", func() bool { return between["Wait"].held() == limit })
	var checks []*driver.Check
	for i := range atOnce {
		for _, name := range []string{"Wait", "Dial", "Tls", "Auth", "Read"} {
			checks = append(checks, ask(p, 1, name, key(i)))
		}
	}
	// More than the buffers of two sockets hold.
	for i := range limit {
		checks = append(checks, p.Ask(1, "redis.command", append([]string{"Write", "", ""}, reading(strings.Repeat("x", 12<<20)+key(i))...)...))
	}
	for _, c := range append(holders, checks...) {
		refused(t, c)
		require.Less(t, c.TookAwake(), 6*time.Second)
	}
	pool := awaitCalm(t, p, before)
	for name := range addr {
		row := pool.Target(t, name+" (")
		require.LessOrEqual(t, row.Open, limit, name)
	}

	between["Dial"] = open(s.Addr)
	for _, b := range between {
		b.restore()
		b.choke(false)
		b.release()
	}
	for name := range addr {
		awaitValue(t, p, name, s, key(7))
		wantAll(t, p, name, s, 20)
	}
	pool = awaitCalm(t, p, before)
	for name, b := range between {
		row := pool.Target(t, name+" (")
		require.LessOrEqual(t, row.Open, limit, name)
		require.Equal(t, 1, row.Up, name)
		require.Less(t, b.count(), 20, "%s: few dials for %d checks", name, atOnce)
	}
}

func TestStory04_DialFailuresLeakNothing(t *testing.T) {
	t.Parallel()
	s := redis(t, redistest.Config{})
	p := start(t, "MaxConnectionsTotal=2", "Sessions.A.Uri=tcp://"+s.Addr)
	want(t, p, "A", s, key(0))
	s.Kill(t)
	_, err := get(p, "A", key(0))
	require.ErrorContains(t, err, "connection refused")
	before := p.Resources(t)
	pid := p.PID()

	began := time.Now()
	pace := time.NewTicker(80 * time.Millisecond)
	for i := range 50 {
		text := refused(t, ask(p, 3, "A", key(i)))
		require.Contains(t, text, "A (tcp://"+s.Addr+")")
		require.Contains(t, text, "connection refused")
		<-pace.C
	}
	pace.Stop()
	row := awaitCalm(t, p, before).Target(t, "A (")
	// One per step of the backoff, which begins at 1 s less a tenth.
	require.LessOrEqual(t, row.Counters.Dials, 3+int(time.Since(began)/(900*time.Millisecond)))
	require.Equal(t, 0, row.Open)
	require.Equal(t, "tcp", row.Failing.Reason)
	require.Greater(t, row.Counters.FastFails, 40)

	s.Restart(t)
	fill(t, s)
	for _, text := range awaitValue(t, p, "A", s, key(1)) {
		require.Contains(t, text, "connection refused")
	}
	require.Equal(t, 1, p.Pool(t).Target(t, "A (").Up)
	require.Equal(t, pid, p.PID())
	require.True(t, p.Alive())
}

func TestStory05_FullPoolEndsAtTheDeadlineAndSaysWhy(t *testing.T) {
	t.Parallel()
	s := redis(t, redistest.Config{})
	between := newProxy(t, s.Addr)
	// The dial of the second is held up with it, and must not end before the third's time.
	p := start(t, "Timeout=20", "MaxConnections=2", "Sessions.A.Uri=tcp://"+between.addr, "Sessions.Closed.Uri=tcp://"+ports.FreeAddr(t))
	want(t, p, "A", s, key(0))
	between.hold()
	holders := []*driver.Check{ask(p, 20, "A", key(1)), ask(p, 20, "A", key(2))}
	await(t, patience, "both connections busy", func() bool { return between.held() == 2 })

	// Three seconds leave the check time for words of its own before it is answered in its place, also on a busy machine.
	third, document := ask(p, 3, "A", key(3)), p.Ask(3, "redis.get", "A")
	text := refused(t, third)
	require.Contains(t, text, "wait: all connections to the target (limit 2) were busy with earlier checks until the deadline")
	require.NotContains(t, text, "refused")
	require.GreaterOrEqual(t, third.Took(), 2800*time.Millisecond)
	require.Less(t, third.TookAwake(), 4*time.Second)
	down, err := document.Answer()
	require.NoError(t, err)
	require.Contains(t, down, `"up":0,"reason":"pool"`)
	require.Contains(t, refused(t, ask(p, 1, "Closed", key(3))), "connection refused")
	require.Equal(t, 2, between.count(), "no third socket")

	between.release()
	for i, c := range holders {
		got, err := c.Answer()
		require.NoError(t, err)
		require.Equal(t, value(s, key(i+1)), got)
	}
	want(t, p, "A", s, key(4))
	require.Equal(t, 2, between.count())
}

// Releases come at the very moment when those who wait give up; a place that is lost on the way shows at once, because
// each target has but one.
func TestStory06_HandOverRace(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	for name, total := range map[string]string{"each target has its own place": "100", "targets wait for each other's places": "3"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const targets, rounds, waiting = 6, 4, 40
			s := redis(t, redistest.Config{})
			between := newProxy(t, s.Addr)
			p := start(t, "MaxConnections=1", "MaxConnectionsTotal="+total)
			conn := func(i int) string { return "tcp://" + between.addr + "/" + string(rune('0'+i)) }
			for i := range targets {
				s.Do(t, "SELECT", string(rune('0'+i)))
				fill(t, s)
			}
			before := p.Resources(t)
			random := rand.New(rand.NewPCG(seed, 6))
			for range rounds {
				between.hold()
				// Spread over a moment, so that some have given up and some have not whenever the release comes.
				pace := time.NewTicker(time.Millisecond)
				began := time.Now()
				var checks []*driver.Check
				for j := range waiting {
					for i := range targets {
						checks = append(checks, ask(p, 1, conn(i), key(j)))
						<-pace.C
					}
				}
				pace.Stop()
				spread := time.Since(began)
				<-time.After(time.Until(began.Add(950*time.Millisecond + time.Duration(random.Int64N(int64(spread))))))
				between.release()
				answered := 0
				for i, c := range checks {
					got, err := c.Answer()
					var no *driver.Refused
					if err == nil {
						answered++
						require.Equal(t, value(s, key(i/targets)), got)
					} else {
						require.True(t, errors.As(err, &no), "%v", err)
					}
				}
				t.Logf("%d of %d in time", answered, len(checks))
				for i := range targets {
					awaitValue(t, p, conn(i), s, key(i))
				}
			}
			pool := awaitCalm(t, p, before)
			require.LessOrEqual(t, pool.Open, min(targets, number(t, total)))
		})
	}
}

func TestStory13_ColdStartBurst(t *testing.T) {
	t.Parallel()
	s := redis(t, redistest.Config{TLS: true})
	between := newProxy(t, s.TLSAddr)
	closed := ports.FreeAddr(t)
	p := start(t, "MaxConnections=2", "Sessions.Slow.Uri=tcp://"+between.addr, "Sessions.Slow.TLSConnect=required",
		"Sessions.Closed.Uri=tcp://"+closed)
	between.hold() // the handshake, which is part of the dial
	var checks []*driver.Check
	for i := range 50 {
		checks = append(checks, ask(p, 1, "Slow", key(i)))
	}
	for _, c := range checks {
		require.Regexp(t, "being dialed|were busy with earlier checks|no answer|has not answered", refused(t, c))
		require.Less(t, c.TookAwake(), 2*time.Second)
	}
	require.LessOrEqual(t, between.count(), 2, "few dials")
	between.release()
	awaitValue(t, p, "Slow", s, key(1))
	wantAll(t, p, "Slow", s, 20)
	require.LessOrEqual(t, between.count(), 2, "what was nearly finished is used")

	checks = nil
	for i := range 50 {
		checks = append(checks, ask(p, 3, "Closed", key(i)))
	}
	for _, c := range checks {
		require.Contains(t, refused(t, c), "connection refused")
		require.Less(t, c.TookAwake(), time.Second)
	}
	require.LessOrEqual(t, p.Pool(t).Target(t, "Closed (").Counters.Dials, 4)
}
