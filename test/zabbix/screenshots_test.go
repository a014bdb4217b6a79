//go:build zabbix && screenshots && linux

package zabbix

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/test/agent"
)

// TestScreenshots draws what people see: the dashboards with some minutes of life in them.
func TestScreenshots(t *testing.T) {
	var s *stack
	for _, one := range stacks(t) {
		if one.newer() {
			s = one
		}
	}
	w := newWorld(t, s, false)

	// A master with a replica that is at work.
	master := redistest.Start(t, redistest.Config{Args: []string{"--maxmemory", "96mb", "--appendonly", "yes", "--repl-diskless-sync-delay", "0", "--slowlog-log-slower-than", "300"}})
	redistest.Start(t, redistest.Config{Args: []string{"--replicaof", "127.0.0.1 " + portOf(master.Addr)}})
	n := 0
	stop := every(50*time.Millisecond, func() {
		n++
		for i := range 40 + 20*(n%60)/10 {
			key := "k" + strconv.Itoa((n*37+i*11)%3000)
			master.TryDo("SET", key, fmt.Sprintf("%0*d", 500+n%900*12, i), "EX", "3600")
			master.TryDo("GET", "k"+strconv.Itoa((n*53+i*7)%4000))
		}
		master.TryDo("HGETALL", "h"+strconv.Itoa(n%7))
		if n%40 == 0 {
			master.TryDo("LPUSH", "k1", "x") // WRONGTYPE
			master.TryDo("KEYS", "*")
		}
	})
	t.Cleanup(func() { stop() })
	closeAll := clients(t, master.Addr, 30)
	t.Cleanup(closeAll)

	nodes := redistest.NewCluster(t, redistest.Flavour{}, redistest.Config{Args: []string{"--maxmemory", "64mb", "--cluster-node-timeout", "5000"}})
	stopCluster := every(100*time.Millisecond, func() {
		for i := range 60 {
			key := "c" + strconv.Itoa(i*7919%100000)
			for _, node := range nodes[:3] {
				node.TryDo("SET", key, fmt.Sprintf("%01000d", i))
			}
		}
	})
	t.Cleanup(func() { stopCluster() })
	watched := redistest.NewWatched(t, "", "", "")

	var sidekiq *scene
	for _, sc := range w.jobScenes(t) {
		if sc.host == "sidekiq" {
			sidekiq = sc
		}
	}
	// Its queue fills and empties.
	conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(sidekiq.macros["{$JOBS.CONN}"], "tcp://"), "/0"))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	tick := 0
	stopJobs := every(time.Second, func() {
		send := func(words ...string) {
			fmt.Fprintf(conn, "*%d\r\n", len(words))
			for _, word := range words {
				fmt.Fprintf(conn, "$%d\r\n%s\r\n", len(word), word)
			}
		}
		tick++
		for n := range 30 {
			if n < 12+tick%40/2 {
				send("LPUSH", "queue:default", fmt.Sprintf(`{"class":"Mail","jid":"%d","enqueued_at":%d}`, time.Now().UnixNano(), time.Now().Unix()))
			}
			if n < 20 {
				send("RPOP", "queue:default")
			}
		}
		send("INCRBY", "stat:processed", strconv.Itoa(12+tick%40/2))
	})
	t.Cleanup(func() { stopJobs() })
	go io.Copy(io.Discard, conn)
	var storm *scene
	for _, sc := range w.stormScenes(t) {
		if sc.host == "storm-jobs" {
			storm = sc
		}
	}
	running := agent.Start(t, w.agent, w.plugin(t, "", []string{
		"Sessions.Shop.Uri=tcp://" + master.Addr, "Sessions.Cart.Uri=tcp://" + nodes[0].Addr,
		"Sessions.Main.Uri=sentinel://" + watched.Sentinels[0].Addr + "," + watched.Sentinels[1].Addr + "," + watched.Sentinels[2].Addr + "/mymaster",
	}))
	hosts := []struct {
		name, template, dashboard, file string
		macros                          map[string]string
		pages                           int
		height                          int
	}{
		{"shop-redis", redisTemplate, "Redis overview", "redis", map[string]string{"{$REDIS.CONN}": "Shop"}, 3, 1010},
		{"all-redis", sessionsTemplate, "Redis sessions", "sessions", nil, 1, 1150},
		{"cart-cluster", clusterTemplate, "Redis Cluster", "cluster", map[string]string{"{$CLUSTER.CONN}": "Cart"}, 2, 1000},
		{"main-sentinels", sentinelTemplate, "Redis Sentinel", "sentinel", map[string]string{"{$SENTINEL.CONN}": "Main"}, 1, 800},
		{"mail-jobs", jobsTemplate, "Redis job queues", "jobs", sidekiq.macros, 2, 1000},
		{"storm", stormTemplate, "Storm jobs", "storm", storm.macros, 2, 900},
		{"agent", healthTemplate, "RedisJobs plugin", "plugin", nil, 1, 800},
	}
	ids := map[string]string{}
	for _, h := range hosts {
		ids[h.name] = w.host(t, h.name, running.Addr, []string{h.template}, h.macros)
	}
	time.Sleep(110 * time.Second) // what the graphs show

	dir := filepath.Join(agent.Root(t), "docs", "images")
	b := newBrowser(t, 1500, 900)
	b.login(t, s.web)
	for _, h := range hosts {
		var templates []o
		w.api.call(t, "template.get", o{"filter": o{"host": h.template}, "output": []string{"templateid"}}, &templates)
		var boards []o
		w.api.call(t, "templatedashboard.get", o{"templateids": templates[0]["templateid"], "output": []string{"dashboardid"}}, &boards)
		require.NotEmpty(t, boards)
		b.call(t, "Emulation.setDeviceMetricsOverride", o{"width": 1500, "height": h.height, "deviceScaleFactor": 1, "mobile": false})
		b.open(t, fmt.Sprintf("%s/zabbix.php?action=host.dashboard.view&hostid=%s&dashboardid=%s&from=now-2m&to=now", s.web, ids[h.name], boards[0]["dashboardid"]))
		for page := range h.pages {
			if page > 0 {
				b.eval(t, fmt.Sprintf(`document.querySelectorAll('.dashboard-navigation-tabs li')[%d].querySelector('div, span, button').click()`, page))
				time.Sleep(time.Second)
				b.ready(t)
			}
			b.eval(t, `document.querySelectorAll('.filter-space').forEach(e => { e.style.display = 'none' })`) // where the time is chosen
			b.shot(t, filepath.Join(dir, fmt.Sprintf("%s-%d.png", h.file, page+1)))
		}
	}
	b.call(t, "Emulation.setDeviceMetricsOverride", o{"width": 1500, "height": 900, "deviceScaleFactor": 1, "mobile": false})
	b.open(t, s.web+"/zabbix.php?action=latest.view&hostids%5B%5D="+ids["shop-redis"]+"&filter_set=1&show_details=0")
	b.eval(t, `document.querySelector('.wrapper').scrollTop = 680`) // below the filter
	b.shot(t, filepath.Join(dir, "latest-data.png"))

	// What a fault looks like.
	nodes[5].Kill(t)
	stop()
	master.Do(t, "CONFIG", "SET", "maxmemory", master.InfoField(t, "memory", "used_memory"))
	time.Sleep(40 * time.Second)
	b.open(t, s.web+"/zabbix.php?action=problem.view&filter_set=1&show=1&show_opdata=1")
	b.eval(t, `document.querySelector('.wrapper').scrollTop = 440`)
	b.shot(t, filepath.Join(dir, "problems.png"))
}
