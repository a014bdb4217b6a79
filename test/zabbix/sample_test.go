//go:build zabbix && screenshots && linux

package zabbix

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

// sample is a small shop as the pictures show it: its servers, and who works with them.
type sample struct {
	master   *redistest.Server
	replicas []*redistest.Server
	cluster  []*redistest.Node // three masters, then their replicas
	watched  *redistest.Watched
	jobs     *redistest.Server
	storm    *redistest.Server

	stopJobs    func()
	reportFails atomic.Bool // the batch of that name ends badly
	began       time.Time
}

// swing is how much there is to do now: between 0 and 1, in waves as long as a third of what the pictures show.
func (s *sample) swing(delay time.Duration) float64 {
	at := (time.Since(s.began) - delay).Seconds() / (life.Seconds() / 3)
	return 0.5 + 0.36*math.Sin(2*math.Pi*at) + 0.14*math.Sin(2*math.Pi*at*3.7+1)
}

// span is a part of what the pictures show, by which one load follows another.
func span(k, of int) time.Duration { return time.Duration(k) * *life / time.Duration(of) }

// pipe is a connection on which commands are sent whose answers nobody reads.
type pipe struct{ *bufio.Writer }

func newPipe(t testing.TB, s *redistest.Server) pipe {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	go io.Copy(io.Discard, conn)
	return pipe{bufio.NewWriterSize(conn, 64<<10)}
}

func (p pipe) send(words ...string) {
	fmt.Fprintf(p, "*%d\r\n", len(words))
	for _, word := range words {
		fmt.Fprintf(p, "$%d\r\n%s\r\n", len(word), word)
	}
}

func startSample(t testing.TB) *sample {
	t.Helper()
	s := &sample{began: time.Now()}
	s.startShop(t)
	s.startCart(t)
	s.watched = redistest.NewWatched(t, "", "", "")
	for _, sentinel := range s.watched.Sentinels { // one more master, with two replicas
		sentinel.Do(t, "SENTINEL", "MONITOR", "shop", "127.0.0.1", portOf(s.master.Addr), "2")
	}
	s.startMail(t)
	s.startStorm(t)
	return s
}

// work repeats something until the test ends.
func work(t testing.TB, pause time.Duration, f func()) (stop func()) {
	stop = every(pause, f)
	t.Cleanup(stop)
	return stop
}

// startShop is a cache of sessions and products with two replicas.
func (s *sample) startShop(t testing.TB) {
	s.master = redistest.Start(t, redistest.Config{Args: []string{"--maxmemory", "96mb", "--appendonly", "yes",
		"--repl-diskless-sync-delay", "0", "--slowlog-log-slower-than", "15000", "--repl-backlog-size", "16mb"}})
	for range 2 {
		s.replicas = append(s.replicas, redistest.Start(t, redistest.Config{Args: []string{"--replicaof", "127.0.0.1 " + portOf(s.master.Addr)}}))
	}
	dice := rand.New(rand.NewPCG(1, 2))
	text := func(n int) string { return strings.Repeat("x", n/2+dice.IntN(n)) }
	p, second := newPipe(t, s.master), newPipe(t, s.master)
	for n := range 8000 {
		p.send("SET", "product:"+strconv.Itoa(n), text(3000))
	}
	second.send("SELECT", "1")
	n := 0
	work(t, 100*time.Millisecond, func() {
		n++
		load := s.swing(0)
		for range int(20 + 60*load) {
			session := "session:" + strconv.Itoa(dice.IntN(6000))
			p.send("GET", session)
			p.send("GET", "product:"+strconv.Itoa(dice.IntN(8100)))
			switch dice.IntN(12) {
			case 0, 1:
				p.send("SET", session, text(2500), "EX", strconv.Itoa(20+dice.IntN(100)))
			case 2:
				p.send("HSET", "cart:"+strconv.Itoa(dice.IntN(400)), strconv.Itoa(dice.IntN(9)), "1")
				p.send("HGETALL", "cart:"+strconv.Itoa(dice.IntN(400)))
			case 3:
				p.send("LPUSH", "mails", "x")
			}
		}
		if n%450 == 0 {
			p.send("EVAL", "local s = 0; for i = 1, 3000000 do s = s + i end; return s", "0") // slow
		}
		if n%90 == 0 {
			p.send("LPUSH", "product:1", "x") // WRONGTYPE
		}
		if n%600 == 0 {
			p.send("BGSAVE")
		}
		p.Flush()
		second.send("SET", "rate:"+strconv.Itoa(dice.IntN(5000)), "1", "EX", "60")
		second.Flush()
	})
	t.Cleanup(clients(t, s.master.Addr, 24))
	for range 4 { // workers that wait
		w := newPipe(t, s.master)
		work(t, time.Second, func() { w.send("BRPOP", "letters", "1"); w.Flush() })
	}
	var some []func()
	t.Cleanup(func() {
		for _, end := range some {
			end()
		}
	})
	work(t, 2*time.Second, func() {
		for want := max(0, int(8*s.swing(0))); len(some) != want; {
			if len(some) < want {
				c, err := net.Dial("tcp", s.master.Addr)
				if err != nil {
					return
				}
				some = append(some, func() { c.Close() })
				continue
			}
			some[len(some)-1]()
			some = some[:len(some)-1]
		}
	})
}

// startCart is a cluster whose shards are not all equally busy.
func (s *sample) startCart(t testing.TB) {
	s.cluster = redistest.NewCluster(t, redistest.Flavour{}, redistest.Config{Args: []string{"--maxmemory", "24mb", "--cluster-node-timeout", "5000"}})
	dice := rand.New(rand.NewPCG(3, 4))
	tags := make([][]string, 3) // of keys that belong to a master
	for n := range 60 {
		tag := "{" + strconv.Itoa(n) + "}"
		for k, node := range s.cluster[:3] {
			if _, err := node.TryDo("GET", tag); err == nil {
				tags[k] = append(tags[k], tag)
			}
		}
	}
	for k, node := range s.cluster[:3] {
		require.NotEmpty(t, tags[k])
		p := newPipe(t, node.Server)
		work(t, 100*time.Millisecond, func() {
			for range int((5 + 20*s.swing(span(k, 20))) * []float64{1, 0.8, 1.3}[k]) {
				key := "cart:" + tags[k][dice.IntN(len(tags[k]))] + strconv.Itoa(dice.IntN(400))
				p.send("GET", key)
				if dice.IntN(3) == 0 {
					p.send("SET", key, strings.Repeat("x", 200+dice.IntN(3000)), "EX", "120")
				}
			}
			p.Flush()
		})
	}
}

// startMail is what Sidekiq writes: four queues, three workers, jobs that wait, run, are to be tried again and are given up.
func (s *sample) startMail(t testing.TB) {
	s.jobs = redistest.Start(t, redistest.Config{})
	p := newPipe(t, s.jobs)
	dice := rand.New(rand.NewPCG(5, 6))
	queues := []struct {
		name     string
		arriving float64 // jobs per second in the middle
		leaving  int     // at most
	}{{"default", 22, 26}, {"mailers", 9, 11}, {"reports", 3, 4}, {"critical", 6, 12}}
	waiting := map[string]int{}
	now := func() string { return strconv.FormatInt(time.Now().Unix(), 10) }
	for n := range 30 {
		p.send("ZADD", "schedule", strconv.FormatInt(time.Now().Add(24*time.Hour).Unix(), 10), fmt.Sprintf(`{"class":"Digest","queue":"mailers","jid":"s%d"}`, n))
	}
	for n := range 3 {
		p.send("ZADD", "dead", now(), fmt.Sprintf(`{"class":"Mail","queue":"mailers","jid":"d%d"}`, n))
	}
	serial, failed := 0, 0
	s.stopJobs = work(t, time.Second, func() {
		p.send("MULTI")
		done := 0
		for k, q := range queues {
			p.send("SADD", "queues", q.name)
			load := s.swing(span(k, 12))
			for range int(q.arriving*2*load + dice.Float64()*2) {
				serial++
				waiting[q.name]++
				p.send("LPUSH", "queue:"+q.name, fmt.Sprintf(`{"class":"Mail","jid":"%d","enqueued_at":%d.5}`, serial, time.Now().Unix()))
			}
			for range min(waiting[q.name], q.leaving) {
				waiting[q.name]--
				done++
				p.send("RPOP", "queue:"+q.name)
			}
		}
		p.send("INCRBY", "stat:processed", strconv.Itoa(done))
		if fails := dice.IntN(3); fails > 0 {
			failed++
			p.send("INCRBY", "stat:failed", strconv.Itoa(fails))
			p.send("ZADD", "retry", strconv.FormatInt(time.Now().Add(time.Hour).Unix(), 10), fmt.Sprintf(`{"class":"Mail","queue":"mailers","jid":"r%d"}`, failed%17))
		}
		for n := range 3 {
			worker := fmt.Sprintf("app%d:1:abc", n+1)
			busy := min(9, done/5+dice.IntN(2))
			p.send("SADD", "processes", worker)
			p.send("HSET", worker, "beat", now()+".5", "busy", strconv.Itoa(busy), "quiet", "false", "rss", "100000", "rtt_us", "100",
				"info", `{"hostname":"app","started_at":1700000000.1,"pid":1,"tag":"","concurrency":10,"queues":["default","mailers","reports","critical"],"labels":[],"identity":"`+worker+`"}`)
			p.send("DEL", worker+":work")
			for tid := range busy {
				p.send("HSET", worker+":work", strconv.Itoa(tid), fmt.Sprintf(`{"queue":"%s","payload":"{}","run_at":%s}`, queues[tid%4].name, now()))
			}
		}
		p.send("EXEC")
		p.Flush()
	})
}

// startStorm are topologies and batches that write records of themselves.
func (s *sample) startStorm(t testing.TB) {
	s.storm = redistest.Start(t, redistest.Config{})
	p := newPipe(t, s.storm)
	dice := rand.New(rand.NewPCG(7, 8))
	now := func() string { return strconv.FormatInt(time.Now().Unix(), 10) }
	write := func(job string, fields ...string) {
		p.send("SADD", "storm:jobs", job)
		p.send(append([]string{"HSET", "storm:job:" + job, "updated_at", now(), "host", "storm1", "version", "2.4.1"}, fields...)...)
	}
	number := func(n float64) string { return strconv.Itoa(int(n)) }
	began := now()
	type topology struct {
		name              string
		rate              float64
		processed, failed float64
		lag               float64
	}
	topologies := []*topology{{name: "orders", rate: 220}, {name: "clicks", rate: 900}, {name: "payments", rate: 60}, {name: "search-index", rate: 140}}
	// Batches start again and again: they wait, run, and have succeeded.
	batches := []struct {
		name           string
		every, waiting int // ticks
		running        int
	}{{"backup", 75, 8, 30}, {"report", 50, 4, 20}, {"invoices", 110, 12, 60}}
	rows := map[string]float64{}
	tick := 0
	work(t, time.Second, func() {
		tick++
		for k, j := range topologies {
			load := s.swing(span(k, 15))
			done := j.rate * (0.4 + load) * (0.95 + 0.1*dice.Float64())
			j.processed += done
			j.failed += float64(dice.IntN(3)) * done / 400
			j.lag = max(0, j.lag+(load-0.6)*j.rate/4)
			write(j.name, "type", "topology", "status", "ACTIVE", "interval", "10", "started_at", began,
				"processed", number(j.processed), "failed", number(j.failed), "emitted", number(2*j.processed), "lag", number(j.lag))
		}
		for k, j := range batches {
			status, at := "SUCCESS", (tick+17*k)%j.every
			more := []string{"finished_at", now()}
			switch {
			case at < j.waiting:
				status, more = "QUEUED", nil
			case at < j.waiting+j.running:
				status = "ACTIVE"
				rows[j.name] += float64(200 + dice.IntN(100))
				more = []string{"progress", number(float64(100*(at-j.waiting)) / float64(j.running))}
			case at > j.waiting+j.running && tick > 1 && !s.reportFails.Load():
				continue // it writes when it ends, and no more
			default:
				more = append(more, "last_success_at", now(), "duration_ms", strconv.Itoa(1000*j.running), "progress", "100")
			}
			if j.name == "report" && s.reportFails.Load() {
				write(j.name, "status", "FAILED", "error", "disk full")
				continue
			}
			write(j.name, append([]string{"type", "batch", "status", status, "processed", number(rows[j.name]), "failed", "0",
				"lag", number(max(0, float64(j.waiting+j.running-at)*250))}, more...)...)
		}
		write("archive", "type", "topology", "status", "INACTIVE", "interval", "60", "processed", "81200", "failed", "0", "lag", "0")
		p.Flush()
	})
}
