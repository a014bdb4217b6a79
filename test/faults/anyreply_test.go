//go:build e2e && linux

package faults

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

// whims are servers that answer any command with anything: mostly what a real server says to it, so that the plugin goes
// on to its next question, and otherwise what no server should say.
type whims struct {
	backend *redistest.Server
	addrs   []string // of all of them
	seed    uint64
	conns   atomic.Uint64
	ready   chan struct{}
	counts  [numWhims]atomic.Uint64
}

// whim is how a reply is spoiled.
type whim int

const (
	honest whim = iota
	twisted
	anyValue
	anError
	cut
	hungUp
	hugeLength
	junk
	silence
	large
	twice
	dripped
	numWhims
)

// weights are how often each occurs, of a thousand.
var weights = [numWhims]int{honest: 680, twisted: 90, anyValue: 70, anError: 70, cut: 20, hungUp: 15, hugeLength: 15, junk: 15,
	silence: 5, large: 8, twice: 6, dripped: 6}

func (w whim) String() string {
	return [numWhims]string{"honest", "twisted", "any value", "an error", "cut", "hung up", "huge length", "junk", "silence",
		"large", "twice", "dripped"}[w]
}

func anyWhim(random *rand.Rand) whim {
	total := 0
	for _, n := range weights {
		total += n
	}
	at := random.IntN(total)
	for w, n := range weights {
		if at -= n; at < 0 {
			return whim(w)
		}
	}
	return honest
}

// newWhims starts n of them, before a real server.
func newWhims(t testing.TB, n int, seed uint64, backend *redistest.Server) *whims {
	t.Helper()
	w := &whims{backend: backend, seed: seed, ready: make(chan struct{})}
	for range n {
		w.addrs = append(w.addrs, redistest.NewFake(t, redistest.Script{redistest.StallUntil(w.ready), w.serve}).Addr)
	}
	close(w.ready)
	return w
}

// figures are how often each whim has occurred.
func (w *whims) figures() string {
	var parts []string
	for i := range w.counts {
		parts = append(parts, fmt.Sprintf("%v %d", whim(i), w.counts[i].Load()))
	}
	return strings.Join(parts, ", ")
}

func (w *whims) serve(p *redistest.Peer) error {
	random := rand.New(rand.NewPCG(w.seed, w.conns.Add(1)))
	conn, err := net.Dial("tcp", w.backend.Addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	backend := bufio.NewReader(conn)
	for {
		cmd, err := p.ReadCommand()
		if err != nil {
			return err
		}
		reply, ok := w.invented(cmd, random)
		if !ok {
			var text strings.Builder
			fmt.Fprintf(&text, "*%d\r\n", len(cmd))
			for _, arg := range cmd {
				text.WriteString(bulk(arg))
			}
			if _, err := io.WriteString(conn, text.String()); err != nil {
				return err
			}
			if reply, err = rawReply(backend); err != nil {
				return err
			}
		}
		how := anyWhim(random)
		w.counts[how].Add(1)
		if err := w.answer(p, how, reply, random); err != nil {
			return err
		}
	}
}

// answer spoils a reply. An error ends the connection.
func (w *whims) answer(p *redistest.Peer, how whim, reply string, random *rand.Rand) error {
	ended := false
	switch how {
	case twisted:
		reply = twist(reply, random)
	case anyValue:
		reply = w.anyValue(random, 0)
	case anError:
		reply = w.anyError(random)
	case cut:
		reply, ended = reply[:random.IntN(len(reply))], true
	case hungUp:
		reply, ended = "", true
	case hugeLength:
		lengths := []string{"$536870912", "$67108865", "$16777217", "*2147483647", "*1048577", "%1000000", "$9223372036854775807", "~99999999"}
		reply = lengths[random.IntN(len(lengths))] + "\r\n" + reply
	case junk:
		b := make([]byte, 1+random.IntN(500))
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		reply = string(b)
	case silence:
		time.Sleep(time.Duration(random.IntN(4000)) * time.Millisecond)
	case large:
		reply = bulk(strings.Repeat("field:12345678\r\n", (1 + random.IntN(1<<20))))
	case twice:
		reply += reply
	case dripped:
		return redistest.Drip(reply[:min(len(reply), 2000)], time.Millisecond)(p)
	}
	if _, err := io.WriteString(p, reply); err != nil {
		return err
	}
	if ended {
		return io.EOF
	}
	return nil
}

// addr is where a redirect or a list of nodes leads.
func (w *whims) addr(random *rand.Rand) string {
	if random.IntN(10) == 0 {
		odd := []string{"127.0.0.1:1", ":0", "", "127.0.0.1:99999", "no.such.invalid:6379", "[::1]:6379", "127.0.0.1", "a b:1", "%s:1", w.backend.Addr}
		return odd[random.IntN(len(odd))]
	}
	return w.addrs[random.IntN(len(w.addrs))]
}

// invented is the reply to what the real server, which is no cluster and no sentinel, would refuse, or which never ends.
func (w *whims) invented(cmd []string, random *rand.Rand) (reply string, ok bool) {
	switch strings.ToUpper(strings.Join(cmd[:min(len(cmd), 2)], " ")) {
	case "CLUSTER NODES":
		var b strings.Builder
		for i := range 1 + random.IntN(30) {
			flags := []string{"master", "slave", "myself,master", "myself,slave", "master,fail", "master,fail?", "handshake", "noaddr", ""}
			fmt.Fprintf(&b, "%040x %s@1%s %s - 0 %d %d connected %d-%d [%d->-%040x]\n", i, w.addr(random),
				[]string{"", ",host.invalid", ",localhost", ",,shard-id=1"}[random.IntN(4)], flags[random.IntN(len(flags))],
				random.Int64(), random.IntN(9), random.IntN(17000), random.IntN(17000), random.IntN(17000), random.IntN(30))
		}
		return bulk(b.String()), true
	case "CLUSTER INFO":
		return bulk(fmt.Sprintf("cluster_state:ok\r\ncluster_slots_assigned:%d\r\ncluster_known_nodes:%d\r\n", random.Int64(), random.IntN(50))), true
	case "CLUSTER MIGRATION", "CLUSTER GETSLOTMIGRATIONS":
		return w.anyValue(random, 0), true
	case "SENTINEL MYID":
		return bulk(fmt.Sprintf("%040x", random.IntN(3))), true
	case "SENTINEL GET-MASTER-ADDR-BY-NAME":
		host, port, _ := strings.Cut(w.addr(random), ":")
		return "*2\r\n" + bulk(host) + bulk(port), true
	case "SENTINEL MASTERS", "SENTINEL REPLICAS", "SENTINEL SLAVES", "SENTINEL SENTINELS":
		return w.sentinelRows(random), true
	case "ROLE":
		host, port, _ := strings.Cut(w.addr(random), ":")
		roles := []string{"*3\r\n" + bulk("master") + ":1\r\n*0\r\n", "*5\r\n" + bulk("slave") + bulk(host) + ":" +
			strconv.Itoa(len(port)) + "\r\n" + bulk("connected") + ":1\r\n", "*2\r\n" + bulk("sentinel") + "*1\r\n" + bulk("mymaster"), "*0\r\n"}
		return roles[min(random.IntN(8), 3)], true
	}
	if name := strings.ToUpper(cmd[0]); strings.HasSuffix(name, "SCAN") && random.IntN(2) == 0 {
		var b strings.Builder
		n := random.IntN(50)
		fmt.Fprintf(&b, "*2\r\n%s*%d\r\n", bulk(strconv.FormatUint(random.Uint64()|1, 10)), n)
		for range n {
			b.WriteString(bulk(scanned[random.IntN(len(scanned))] + strconv.Itoa(random.IntN(1000))))
		}
		return b.String(), true
	}
	return "", false
}

// scanned are beginnings of keys that make job systems.
var scanned = []string{"bull:q:meta", "bull:q", "rq:queue:", "asynq:{q}:pending", "queues:", "_kombu.binding.", "celery", "storm:job:",
	"resque:queue:", "idx:", "key", "sidekiq:queues", "horizon:masters", ":", "{}"}

func (w *whims) sentinelRows(random *rand.Rand) string {
	n := random.IntN(5)
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", n)
	for range n {
		host, port, _ := strings.Cut(w.addr(random), ":")
		row := []string{"name", "mymaster", "ip", host, "port", port, "flags", "master", "runid", "x", "quorum",
			strconv.FormatInt(random.Int64(), 10), "num-slaves", "-1", "num-other-sentinels", "9999999999", "master-link-status", "ok"}
		fmt.Fprintf(&b, "*%d\r\n", len(row))
		for _, text := range row {
			b.WriteString(bulk(text))
		}
	}
	return b.String()
}

func (w *whims) anyError(random *rand.Rand) string {
	words := []string{"LOADING Redis is loading", "MASTERDOWN Link with MASTER is down", "READONLY You can't write", "NOAUTH Authentication required.",
		"WRONGPASS invalid username-password pair", "NOPERM this user has no permissions", "BUSY Redis is busy", "OOM command not allowed",
		"CLUSTERDOWN Hash slot not served", "TRYAGAIN Multiple keys", "WRONGTYPE Operation against a key", "ERR unknown command", "MISCONF",
		"NOREPLICAS", "ERR max number of clients reached", "MOVED", "MOVED x y", "ASK 1", "", "-", strings.Repeat("E", 3000)}
	switch n := random.IntN(len(words) + 8); {
	case n < 5:
		return fmt.Sprintf("-MOVED %d %s\r\n", random.IntN(20000)-100, w.addr(random))
	case n < 8:
		return fmt.Sprintf("-ASK %d %s\r\n", random.IntN(20000)-100, w.addr(random))
	default:
		return "-" + words[n-8] + "\r\n"
	}
}

// anyValue is any reply that the protocol has.
func (w *whims) anyValue(random *rand.Rand, depth int) string {
	n := random.IntN(14)
	if depth > 3 {
		n = random.IntN(9)
	}
	switch n {
	case 0:
		return "+" + strings.Repeat("O", random.IntN(20)) + "\r\n"
	case 1:
		return w.anyError(random)
	case 2:
		return ":" + strconv.FormatInt(random.Int64()-random.Int64(), 10) + "\r\n"
	case 3:
		return []string{"$-1\r\n", "*-1\r\n", "_\r\n", "#t\r\n", "#f\r\n", ",nan\r\n", ",1e400\r\n", ",-inf\r\n"}[random.IntN(8)]
	case 4, 5, 6:
		texts := []string{"", "0", "-1", "1e999", "nan", "\x00\xff", `{"id":1}`, `{"enqueued_at":1e308}`, "string", "hash", "zset", "list",
			"[[[[[[", "redis_version:7.2.4\r\nrole:master\r\n", "99999999999999999999", strings.Repeat("x", random.IntN(5000))}
		return bulk(texts[random.IntN(len(texts))])
	case 7:
		return "=8\r\ntxt:text\r\n"
	case 8:
		return "(" + strconv.FormatUint(random.Uint64(), 10) + "123456789\r\n"
	}
	count := random.IntN(6)
	head, members := "*", count
	if n == 9 {
		head, members = "%", 2*count
	} else if n == 10 {
		head = "~"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s%d\r\n", head, count)
	for range members {
		b.WriteString(w.anyValue(random, depth+1))
	}
	return b.String()
}

var digits = regexp.MustCompile(`\d+`)

// twist changes numbers of a reply, or single bytes of it. Lengths that are wrong then are part of the attack.
func twist(reply string, random *rand.Rand) string {
	if random.IntN(2) == 0 {
		reply = strings.Replace(reply, "cluster_enabled:0", "cluster_enabled:1", 1)
		return digits.ReplaceAllStringFunc(reply, func(number string) string {
			if random.IntN(20) > 0 {
				return number
			}
			b := []byte(number) // of the same length, so that most of the framing holds
			b[random.IntN(len(b))] = "0123456789"[random.IntN(10)]
			return string(b)
		})
	}
	b := []byte(reply)
	for range 1 + len(b)/200 {
		b[random.IntN(len(b))] = byte(random.Uint32())
	}
	return string(b)
}

// rawReply reads one reply of a server as it is.
func rawReply(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	n, _ := strconv.Atoi(strings.TrimSpace(line[1:]))
	switch line[0] {
	case '$':
		if n < 0 {
			return line, nil
		}
		b := make([]byte, n+2)
		_, err := io.ReadFull(r, b)
		return line + string(b), err
	case '*':
		var b strings.Builder
		b.WriteString(line)
		for range n {
			member, err := rawReply(r)
			if err != nil {
				return "", err
			}
			b.WriteString(member)
		}
		return b.String(), nil
	}
	return line, nil
}

// newWhimUI is a Storm UI of the same kind.
func newWhimUI(t testing.TB, seed uint64) string {
	t.Helper()
	var requests atomic.Uint64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		random := rand.New(rand.NewPCG(seed, 1<<40+requests.Add(1)))
		bodies := []string{`{"topologies":[{"id":"a-1-2","name":"a","status":"ACTIVE","uptimeSeconds":1e308,"workersTotal":-1}]}`,
			`{"topologies":[{"id":5,"name":null}]}`, `{"topologies":{}}`, `{"supervisors":3,"slotsTotal":"x"}`, `[]`, `null`, `{`, "", "<html>",
			strings.Repeat(`{"a":`, 5000), `{"spouts":[{"spoutId":"s","emitted":"1"}],"bolts":[{}]}`, strings.Repeat("x", 3<<20)}
		switch random.IntN(12) {
		case 0:
			w.WriteHeader([]int{204, 301, 401, 404, 500, 503}[random.IntN(6)])
		case 1:
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		case 2:
			time.Sleep(time.Duration(random.IntN(3000)) * time.Millisecond)
		case 3:
			w.Header().Set("Content-Length", "100000")
		case 4:
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, bodies[random.IntN(len(bodies))])
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// fillForAll writes something for each family of keys.
func fillForAll(t testing.TB, s *redistest.Server) {
	t.Helper()
	for _, line := range []string{
		"SET text value", "RPUSH list a b c", "HSET hash f v", "ZADD zset 1 a 2 b", "SADD set a b", "XADD stream 1-1 f v",
		"XGROUP CREATE stream group 0", "XREADGROUP GROUP group consumer STREAMS stream >", "SADD queues default", `LPUSH queue:default {"jid":"1"}`,
		"ZADD retry 1795227509 {}", "SADD processes host:1:0123456789ab", "HSET host:1:0123456789ab busy 1 beat 1795227509.5", "SADD rq:queues rq:queue:default",
		"RPUSH rq:queue:default id1", "HSET rq:job:id1 enqueued_at 2026-11-29T10:00:00Z", "SADD rq:workers rq:worker:w", "HSET rq:worker:w state busy",
		"HSET bull:q:meta opts.maxLenEvents 10000", "LPUSH bull:q:wait 1", "HSET bull:q:1 timestamp 1795227509000", "SADD asynq:queues default",
		"LPUSH asynq:{default}:pending id", "HSET asynq:{default}:t:id pending_since 1795227509000000000", "SADD _kombu.binding.celery celery",
		"LPUSH celery {}", "SADD resque:queues q", "LPUSH resque:queue:q {}", "HSET storm:job:job status ACTIVE updated_at 1795227509", "SADD storm:jobs job other",
		"ZADD storm:jobs:heartbeat 1795227509 job", "HSET storm:jobs:state other FAILED", "CONFIG SET slowlog-log-slower-than 0",
		"CONFIG SET latency-monitor-threshold 1", "SADD resque:workers w:1:q", "LPUSH laravel_database_queues:default {}",
	} {
		s.Do(t, strings.Fields(line)...)
	}
	require.NotEmpty(t, s.Do(t, "DBSIZE"))
}
