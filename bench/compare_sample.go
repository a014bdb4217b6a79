package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

const (
	sampledKeys = 1_000_000
	// sampleClients send a command each every samplePace: 2,000 a second.
	sampleClients = 8
	samplePace    = 4 * time.Millisecond
	samplePoll    = 100 * time.Millisecond

	slowestAnswer figure = "answer" // of redis.keyspace.sample, the slowest of the turn, ms
	sampleRate    figure = "keys"   // that the pass looked at, per second
	addedP99      figure = "added"  // to the p99 of the turn before, ms
)

// compareSample measures a server under load while its keys are looked at.
func compareSample(s *scope, e *environment) (table, []claim, error) {
	// Many short turns: what else the machine does falls on both sides alike.
	window, turns := 1500*time.Millisecond, 9
	if e.short {
		window, turns = time.Second, 3
	}
	t := table{
		title: "redis.keyspace.sample: a server under load while its keys are looked at",
		notes: []string{fmt.Sprintf("A server with %d keys, %d clients that send a GET each every %v, and the plugin "+
			"beside them, which is asked for redis.keyspace.sample every %v. Latencies are those of the clients; added is "+
			"the difference to the turn without a pass right before. The slowest answer is of the item key itself.",
			sampledKeys, sampleClients, samplePace, samplePoll)},
		columns: []column{
			colP50, colP99, {addedP99, "p99 added, ms", "%.3f", 0}, {sampleRate, "keys per second", "%.0f", 0},
			{slowestAnswer, "slowest answer, ms", "%.2f", 0},
		},
	}
	server := startRedis(s, "--enable-debug-command", "yes")
	server.Do(s, "DEBUG", "POPULATE", fmt.Sprint(sampledKeys), "key", "64")
	var claims []claim
	for _, c := range []struct{ condition, options string }{
		{"the default, 2,000 keys a second", ""},
		{"50,000 keys a second", "50000"},
		{"no limit but the time of a slice", "1000000"},
	} {
		var before float64
		g, err := takeTurns(turns, window, []contestant{
			{name: "no pass", turn: func(d time.Duration) (values, error) {
				v, err := underLoad(server, d, nil)
				before = v[p99]
				return v, err
			}},
			{name: "a pass under way", own: true, turn: func(d time.Duration) (v values, err error) {
				err = within(func(s *scope) error {
					v, err = whileSampling(s, e, server, c.options, d)
					return err
				})
				if err == nil {
					v[addedP99] = v[p99] - before
				}
				return v, err
			}},
		})
		if err != nil {
			return t, nil, fmt.Errorf("%s: %w", c.condition, err)
		}
		t.groups = append(t.groups, group{c.condition, g})
		added, _ := g[1].median(addedP99)
		answer, _ := g[1].median(slowestAnswer)
		if c.options == "" {
			claims = append(claims, claim{text: "redis.keyspace.sample: added to the server's p99, ms", measured: added, bound: 1, format: "%.3f"})
		}
		claims = append(claims, claim{
			text: "redis.keyspace.sample, " + c.condition + ": slowest answer, ms", measured: answer, bound: 10, format: "%.2f",
		})
	}
	return t, claims, nil
}

// whileSampling puts the server under load while a plugin of its own looks at
// its keys.
func whileSampling(s *scope, e *environment, server redisServer, keysPerSecond string, d time.Duration) (values, error) {
	plugin := drive(s, e.plugin)
	if keysPerSecond != "" {
		plugin.limitKeys(keysPerSecond)
		if err := plugin.flush(); err != nil {
			return nil, err
		}
	}
	it := item{"redis.keyspace.sample", []string{server.uri()}}
	if _, err := plugin.get(it); err != nil {
		return nil, err
	}
	time.Sleep(samplePoll) // the first slices are small
	first, err := seen(plugin, it)
	if err != nil {
		return nil, err
	}
	began, slowest := time.Now(), time.Duration(0)
	v, err := underLoad(server, d, func() error {
		asked := time.Now()
		_, err := plugin.get(it)
		slowest = max(slowest, time.Since(asked))
		return err
	})
	if err != nil {
		return nil, err
	}
	took := time.Since(began)
	last, err := seen(plugin, it)
	if err != nil {
		return nil, err
	}
	v[slowestAnswer] = float64(slowest) / 1e6
	v[sampleRate] = (last - first) / took.Seconds()
	return v, nil
}

// seen is how many keys the pass has looked at.
func seen(plugin *driver, it item) (float64, error) {
	text, err := plugin.get(it)
	if err != nil {
		return 0, err
	}
	var doc struct {
		Keys *float64
		Pass struct{ Seen *float64 }
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return 0, err
	}
	switch {
	case doc.Pass.Seen != nil:
		return *doc.Pass.Seen, nil
	case doc.Keys != nil:
		return *doc.Keys, nil
	}
	return 0, fmt.Errorf("no pass is under way: %.300s", text)
}

// limitKeys configures the plugin once more, as an agent sends its options.
func (d *driver) limitKeys(keysPerSecond string) {
	value := base64.StdEncoding.EncodeToString([]byte(keysPerSecond))
	d.frame(func(b []byte) []byte {
		return fmt.Appendf(b, `{"id":3,"type":%d,"global_options":{"Timeout":3},"private_options":{"Name":"RedisJobs","Line":1,"Nodes":[`+
			`{"Name":"Keyspace","Line":1,"Nodes":[{"Name":"KeysPerSecond","Line":1,"Nodes":[{"Value":%q,"Line":1}]}]}]}}`,
			configureRequest, value)
	})
}

// underLoad lets the clients work for some time, and calls beside, if there is
// any, now and then.
func underLoad(server redisServer, d time.Duration, beside func() error) (values, error) {
	var (
		l    latencies
		wg   sync.WaitGroup
		mu   sync.Mutex
		fail error
	)
	failed := func(err error) {
		if err != nil {
			mu.Lock()
			fail = err
			mu.Unlock()
		}
	}
	for client := range sampleClients {
		wg.Go(func() { failed(reader(server.Addr, client, d, &l)) })
	}
	if beside != nil {
		tick := time.NewTicker(samplePoll)
		defer tick.Stop()
		for began := time.Now(); time.Since(began) < d; <-tick.C {
			failed(beside())
		}
	}
	wg.Wait()
	v := values{}
	l.fill(v)
	return v, fail
}

// reader is a client: one GET every samplePace, whatever became of the last.
func reader(addr string, client int, d time.Duration, l *latencies) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	// Not all in the same moment.
	time.Sleep(samplePace * time.Duration(client) / sampleClients)
	tick := time.NewTicker(samplePace)
	defer tick.Stop()
	for i, began := client, time.Now(); time.Since(began) < d; i += 7919 {
		<-tick.C
		asked := time.Now()
		key := fmt.Sprintf("key:%d", i%sampledKeys)
		if _, err := fmt.Fprintf(conn, "*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n", len(key), key); err != nil {
			return err
		}
		var length int
		head, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		if _, err := fmt.Sscanf(strings.TrimSpace(head), "$%d", &length); err != nil || length < 0 {
			return fmt.Errorf("GET %s was answered with %q", key, head)
		}
		body := make([]byte, length+2)
		if _, err := io.ReadFull(in, body); err != nil {
			return err
		}
		if !bytes.HasPrefix(body, []byte("value")) {
			return fmt.Errorf("GET %s is %q", key, body)
		}
		l.add(time.Since(asked))
	}
	return nil
}
