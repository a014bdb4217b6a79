//go:build e2e && linux

package faults

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/metrics"
	"redisjobs/metrics/item"
	"redisjobs/test/driver"
)

// agentGrace is how long an agent from 7.0 on waits beyond an item's timeout.
const agentGrace = 500 * time.Millisecond

// ownParams are values of parameters, by name, that lead far into each key.
var ownParams = map[string][]string{
	"Key":      {"text", "list", "hash", "zset", "set", "stream", "none"},
	"Sessions": {"Only", "A B"},
	"Member":   {"", "f", "0", "-1", "a"},
	"Pattern":  {"*", "key*", "a?[b-c]", "max*"},
	"Budget":   {"", "1000", "100000"},
	"Command":  {"GET", "LRANGE", "PING", "HGET", "INFO", "XLEN"},
	"Arg1":     {"text", "list", "hash"},
	"Arg2":     {"0", "f", ""},
	"Arg3":     {"5", ""},
	"System": {"sidekiq", "resque", "rq", "celery", "bullmq", "bull", "asynq", "laravel", "horizon", "symfony", "huey", "arq", "dramatiq",
		"taskiq", "beequeue", "saq", "djangoq", "redbeat", "plain"},
	"Queue":   {"default", "q", "celery", "key1"},
	"Prefix":  {"", "resque", "bull"},
	"Job":     {"job", "other", "soak"},
	"Section": {"", "server", "all", "everything", "keyspace"},
}

// paramsOf are parameters of a key for one of the connections. One in twenty is what nobody should write.
func paramsOf(m *item.Metric, conns []string, random *rand.Rand) []string {
	var params []string
	for _, p := range m.Params {
		switch p.Kind {
		case item.ParamConn:
			params = append(params, conns[random.IntN(len(conns))])
		case item.ParamPassword, item.ParamUser:
			params = append(params, "")
		default:
			value := p.Default
			if all := ownParams[p.Name]; len(all) > 0 {
				value = all[random.IntN(len(all))]
			}
			if random.IntN(20) == 0 {
				odd := []string{"\x00", "-1", "99999999999999999999", strings.Repeat("x", 3000), "*a*a*a*a*a*b", "é\xff", "[", "{job}"}
				value = odd[random.IntN(len(odd))]
			}
			params = append(params, value)
		}
	}
	for len(params) > 0 && params[len(params)-1] == "" {
		params = params[:len(params)-1]
	}
	return params
}

// judgeAnyAnswer says what is wrong with an answer, whatever the server said.
func judgeAnyAnswer(m *item.Metric, check *driver.Check, timeout int) (refused bool, wrong error) {
	value, err := check.Answer()
	var no *driver.Refused
	switch {
	case errors.As(err, &no):
		if no.Text == "" || len(no.Text) > 2000 || !utf8.ValidString(no.Text) ||
			strings.Contains(no.Text, "internal error") || strings.Contains(no.Text, "goroutine ") || strings.Contains(no.Text, "deadline exceeded") {
			wrong = fmt.Errorf("the error %.2000q", no.Text)
		}
	case err != nil:
		return false, err
	case strings.Contains(m.Description, "as JSON") && m.Key != "redis.command" && !json.Valid([]byte(value)):
		wrong = fmt.Errorf("no JSON: %.500q", value)
	case !utf8.ValidString(value) || strings.Contains(value, "internal error") || strings.Contains(value, "goroutine "):
		wrong = fmt.Errorf("%.2000q", value)
	}
	if limit := time.Duration(timeout)*time.Second + agentGrace; wrong == nil && check.TookAwake() > limit {
		wrong = fmt.Errorf("came after %v, %v without the time in which the machine stood still", check.Took(), check.TookAwake())
	}
	return no != nil, wrong
}

// TestSoakAnyReply asks servers that answer anything for every key, REDISJOBS_SOAKTIME long, else for 20 seconds.
func TestSoakAnyReply(t *testing.T) {
	t.Parallel()
	const servers, pollers, pause = 24, 24, 10 * time.Millisecond
	duration, err := time.ParseDuration(cmp.Or(os.Getenv("REDISJOBS_SOAKTIME"), "20s"))
	require.NoError(t, err)
	seed := soakSeed(t)
	t.Logf("seed %d", seed)
	backend, healthy := redis(t, redistest.Config{}), redis(t, redistest.Config{})
	fillForAll(t, backend)
	ui := newWhimUI(t, seed)
	// The sessions' addresses are known before the process starts, and the servers end before it does.
	var p *driver.Plugin
	var before driver.Resources
	var counts anyCounts
	t.Run("attack", func(attack *testing.T) {
		all := newWhims(attack, servers, seed, backend)
		p = start(t, "SlowlogArguments=1", "Sessions.Healthy.Uri=tcp://"+healthy.Addr, "Sessions.UI.Uri="+ui,
			"Sessions.Watched.Uri=sentinel://"+all.addrs[0]+","+all.addrs[1]+"/mymaster", "Sessions.Plain.Uri=tcp://"+all.addrs[2])
		want(attack, p, "Healthy", healthy, key(0))
		before = p.Resources(attack)
		conns := []string{"Watched", "Plain", "UI", "Plain"}
		for _, addr := range all.addrs {
			conns = append(conns, "tcp://"+addr)
		}
		stop := watch(attack, p, "Healthy", healthy, 3*time.Second)
		done := time.Now().Add(duration)
		var group sync.WaitGroup
		for i := range pollers {
			group.Go(func() {
				random := rand.New(rand.NewPCG(seed, uint64(i)))
				keys := metrics.All()
				pace := time.NewTicker(pause)
				defer pace.Stop()
				for ; time.Now().Before(done); <-pace.C {
					m := keys[random.IntN(len(keys))]
					params, timeout := paramsOf(m, conns, random), 1+random.IntN(3)
					check := p.Ask(timeout, m.Key, params...)
					refused, wrong := judgeAnyAnswer(m, check, timeout)
					counts.add(m, params, refused, wrong)
				}
			})
		}
		group.Wait()
		stop()
		attack.Logf("%d values, %d errors; replies: %s", counts.values, counts.refused, all.figures())
	})
	require.Empty(t, counts.failures)
	require.True(t, p.Alive())
	require.False(t, p.Logged("panic"), "%q", p.Logs())
	for _, m := range metrics.All() {
		require.Positive(t, counts.byKey[m.Key], m.Key)
	}
	want(t, p, "Healthy", healthy, key(1))
	var pool driver.Pool
	await(t, patience, "the memory of replies to be given back", func() bool {
		pool = p.Pool(t)
		return pool.Replies.Used == 0
	})
	require.Positive(t, pool.Replies.Highest)
	require.LessOrEqual(t, pool.Replies.Highest, pool.Replies.Limit)
	awaitCalm(t, p, before)
	t.Logf("replies: at most %.1f MB at once, %d refused; RSS at most %.1f MB", float64(pool.Replies.Highest)/(1<<20),
		pool.Replies.Refused, float64(peakRSS(t, p))/(1<<20))
	if os.Getenv("REDISJOBS_RACE") == "" { // the race detector's own memory is many times that
		require.Less(t, peakRSS(t, p), int64(mostUnderAttack))
	}
}

// anyCounts count what the pollers have seen.
type anyCounts struct {
	mu              sync.Mutex
	values, refused int
	byKey           map[string]int
	failures        []string
}

func (c *anyCounts) add(m *item.Metric, params []string, refused bool, wrong error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byKey == nil {
		c.byKey = map[string]int{}
	}
	c.byKey[m.Key]++
	switch {
	case wrong != nil:
		c.failures = append(c.failures, fmt.Sprintf("%s%.300q: %v", m.Key, params, wrong))
	case refused:
		c.refused++
	default:
		c.values++
	}
}
