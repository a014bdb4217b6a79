//go:build zabbix && linux

package zabbix

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/test/agent"
)

// What a run of TestCost measures, as make bench-zabbix says.
var (
	costHosts   = flag.Int("cost-hosts", 0, "measure the cost of so many `hosts` with each template; 0 measures nothing")
	costMinutes = flag.Int("cost-minutes", 10, "how many `minutes` a turn lasts; items that poll every quarter of an hour want 15")
	costTurns   = flag.Int("cost-turns", 1, "how many `turns` each template has")
)

// costBound is how much of the official template's cost ours may have.
const costBound = 0.7

// spent is what hosts have cost in some time.
type spent struct {
	minutes          float64
	rows             float64 // of history
	server, database float64 // CPU, in seconds
}

// per is the cost of one host in one minute, when the same machine without hosts costs idle.
func (s spent) per(hosts int, idle spent) spent {
	n := float64(hosts) * s.minutes
	rate := func(all, none float64) float64 { return (all - none*s.minutes/idle.minutes) / n }
	return spent{minutes: 1, rows: s.rows / n, server: rate(s.server, idle.server), database: rate(s.database, idle.database)}
}

// TestCost measures what one host costs the Zabbix server and its database: with our main template, and with the
// official one, in turns on one server and of one Redis.
func TestCost(t *testing.T) {
	if *costHosts == 0 {
		t.Skip("NOT RUN: it measures for minutes; make bench-zabbix runs it")
	}
	all := stacks(t)
	w := newWorld(t, all[len(all)-1], false)
	redis := busyRedis(t)
	running := agent.Start(t, w.agent, w.plugin(t, "", nil))
	templates := []string{redisTemplate, "Redis by Zabbix agent 2"}
	hosts := map[string][]string{}
	for _, tmpl := range templates {
		for n := range *costHosts {
			id := w.slowHost(t, fmt.Sprint(tmpl, " ", n), running.Addr, tmpl, "tcp://"+redis.Addr)
			w.api.call(t, "host.update", o{"hostid": id, "status": 1}, nil)
			hosts[tmpl] = append(hosts[tmpl], id)
		}
	}
	w.enable(t, hosts[templates[0]], true) // what is found once, is found
	w.enable(t, hosts[templates[1]], true)
	time.Sleep(150 * time.Second)
	w.enable(t, append(slices.Clone(hosts[templates[0]]), hosts[templates[1]]...), false)
	w.analyze(t)
	idle := w.spend(t, nil)
	per := map[string][]spent{}
	for n := range *costTurns {
		order := slices.Clone(templates)
		if n%2 == 1 {
			slices.Reverse(order)
		}
		for _, tmpl := range order {
			w.enable(t, hosts[tmpl], true)
			time.Sleep(75 * time.Second) // every item has been polled once more
			s := w.spend(t, hosts[tmpl])
			w.enable(t, hosts[tmpl], false)
			per[tmpl] = append(per[tmpl], s.per(*costHosts, idle))
			t.Logf("%s: %+v", tmpl, s.per(*costHosts, idle))
		}
	}
	text := w.costs(t, per[templates[0]], per[templates[1]], hosts)
	t.Log("\n" + text)
	writeCosts(t, text)
}

// busyRedis is a server with a replica, some databases and clients that use many commands, so that its figures change.
func busyRedis(t testing.TB) *redistest.Server {
	s := redistest.Start(t, redistest.Config{Args: []string{"--appendonly", "yes", "--maxmemory", "256mb"}})
	redistest.Start(t, redistest.Config{Args: []string{"--replicaof", "127.0.0.1 " + portOf(s.Addr)}})
	for n := range 3 {
		s.Do(t, "SELECT", strconv.Itoa(n))
		s.Do(t, "SET", "a", "1", "EX", "100000")
	}
	s.Do(t, "SELECT", "0")
	n := 0
	t.Cleanup(every(500*time.Millisecond, func() {
		n++
		key := fmt.Sprint("k", n%1000)
		for _, command := range []string{"SET " + key + " 1 EX 300", "GET " + key, "GET none", "HSET h" + key + " f 1", "HGET h" + key + " f", "HGETALL h" + key,
			"LPUSH l 1", "RPUSH l 1", "LPOP l", "RPOP l", "SADD s " + key, "ZADD z 1 " + key, "INCR n", "EXPIRE h" + key + " 300", "DEL none", "EVAL return 0", "PING"} {
			fields := strings.Fields(command)
			if fields[0] == "EVAL" {
				fields = []string{"EVAL", "return 1", "0"}
			}
			s.TryDo(fields...)
		}
	}))
	return s
}

// slowHost is a host whose template polls as often as it does by default.
func (w *world) slowHost(t testing.TB, name, addr, tmpl, conn string) (id string) {
	t.Helper()
	macro := "{$REDIS.CONN}"
	if tmpl != redisTemplate {
		macro = "{$REDIS.CONN.URI}"
	}
	var created struct{ Hostids []string }
	w.api.call(t, "host.create", o{"host": name, "groups": []o{{"groupid": w.group}}, "macros": []o{{"macro": macro, "value": conn}},
		"templates":  []o{{"templateid": w.api.id(t, "template", "templateid", "host", tmpl)}},
		"interfaces": []o{{"type": 1, "main": 1, "useip": 1, "ip": "127.0.0.1", "dns": "", "port": portOf(addr)}}}, &created)
	return created.Hostids[0]
}

func (w *world) enable(t testing.TB, hosts []string, on bool) {
	t.Helper()
	status := 1
	if on {
		status = 0
	}
	for _, id := range hosts {
		w.api.call(t, "host.update", o{"hostid": id, "status": status}, nil)
	}
}

// spend measures a turn.
func (w *world) spend(t testing.TB, hosts []string) spent {
	t.Helper()
	before := cpuBy(t, w.serverPID)
	server, database, began := cpuOf(t, w.serverPID), cpuOf(t, w.databasePID), time.Now()
	time.Sleep(time.Duration(*costMinutes) * time.Minute)
	s := spent{minutes: time.Since(began).Minutes(), server: cpuOf(t, w.serverPID) - server, database: cpuOf(t, w.databasePID) - database}
	for kind, now := range cpuBy(t, w.serverPID) {
		if now-before[kind] > 0.2 {
			t.Logf("%s: %.2f s", kind, now-before[kind])
		}
	}
	if len(hosts) == 0 {
		return s
	}
	for _, table := range []string{"history", "history_uint", "history_str", "history_text", "history_log"} {
		n, err := strconv.Atoi(w.query(t, fmt.Sprintf("select count(*) from %s h join items i on i.itemid=h.itemid where i.hostid in (%s) and h.clock>=%d and h.clock<%d",
			table, strings.Join(hosts, ","), began.Unix(), began.Add(time.Duration(s.minutes*float64(time.Minute))).Unix())))
		require.NoError(t, err)
		s.rows += float64(n)
	}
	require.Positive(t, s.rows)
	return s
}

// cpuOf is the CPU time of a process and of all that come from it, those that have ended too, in seconds.
func cpuOf(t testing.TB, root int) (seconds float64) {
	t.Helper()
	for _, s := range cpuBy(t, root) {
		seconds += s
	}
	require.Positive(t, seconds, "process %d", root)
	return seconds
}

// cpuBy is the same by what the processes call themselves, such as "preprocessing worker".
func cpuBy(t testing.TB, root int) map[string]float64 {
	t.Helper()
	const ticks = 100 // a second, on Linux
	parents, used := map[int]int{}, map[int]float64{}
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		_, after, ok := strings.Cut(string(text), ") ")
		f := strings.Fields(after)
		if !ok || len(f) < 15 {
			continue
		}
		pid := atoi(t, filepath.Base(filepath.Dir(file)))
		parents[pid] = atoi(t, f[1])
		for _, field := range f[11:15] { // user, system, and both of children that were waited for
			used[pid] += float64(atoi(t, field)) / ticks
		}
	}
	out := map[string]float64{}
	for pid := range used {
		for at := pid; at > 1; at = parents[at] {
			if at == root {
				title, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
				_, kind, ok := strings.Cut(string(title), "/zabbix_server: ")
				if !ok {
					kind = "other"
				}
				kind, _, _ = strings.Cut(kind, " #")
				kind, _, _ = strings.Cut(kind, " [")
				out[kind] += used[pid]
				break
			}
		}
	}
	return out
}

// costs is the section of bench/RESULTS.md.
func (w *world) costs(t testing.TB, ours, theirs []spent, hosts map[string][]string) string {
	t.Helper()
	median := func(list []spent, f func(spent) float64) float64 {
		var all []float64
		for _, s := range list {
			all = append(all, f(s))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Made by `make bench-zabbix`: %s with its PostgreSQL, %d hosts with each template in %d turns of %d minutes, all of one busy Redis 7 with a replica. "+
		"CPU is what the processes of the server and of the database take beyond what they take without a host.\n\n",
		strings.Replace(w.name, "zabbix-", "Zabbix ", 1), *costHosts, *costTurns, *costMinutes)
	b.WriteString("| per host and minute | Redis by RedisJobs | Redis by Zabbix agent 2 | ratio | bound | holds |\n|---|---:|---:|---:|---|---|\n")
	for _, row := range []struct {
		name string
		f    func(spent) float64
	}{
		{"rows of history", func(s spent) float64 { return s.rows }},
		{"CPU of the server, ms", func(s spent) float64 { return 1000 * s.server }},
		{"CPU of the database, ms", func(s spent) float64 { return 1000 * s.database }},
		{"CPU of both, ms", func(s spent) float64 { return 1000 * (s.server + s.database) }},
	} {
		a, b2 := median(ours, row.f), median(theirs, row.f)
		holds := "yes"
		if a > costBound*b2 {
			holds = "**no**"
		}
		fmt.Fprintf(&b, "| %s | %.1f | %.1f | %.2fx | at most %.2fx | %s |\n", row.name, a, b2, a/b2, costBound, holds)
	}
	var counts []string
	for _, tmpl := range []string{redisTemplate, "Redis by Zabbix agent 2"} {
		counts = append(counts, w.query(t, "select count(*) from items where flags in (0,4) and hostid="+hosts[tmpl][0]))
	}
	fmt.Fprintf(&b, "| items of a host | %s | %s |  |  |  |\n", counts[0], counts[1])
	return b.String()
}

// writeCosts puts the section in the place of the one that is there.
func writeCosts(t testing.TB, section string) {
	t.Helper()
	file := filepath.Join(agent.Root(t), "bench/RESULTS.md")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	const title = "\n## The cost to the Zabbix server\n\n"
	before, _, _ := strings.Cut(string(text), title) // it is the last one
	require.NoError(t, os.WriteFile(file, []byte(strings.TrimRight(before, "\n")+"\n"+title+section), 0o644))
}
