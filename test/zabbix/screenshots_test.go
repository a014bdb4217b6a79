//go:build zabbix && screenshots && linux

package zabbix

import (
	"flag"
	"fmt"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/test/agent"
)

var (
	life   = flag.Duration("life", 5*time.Minute, "how long the servers live before the pictures are taken, which show all of it, a minute at least")
	server = flag.String("server", "zabbix-7.0", "the Zabbix server whose pictures are taken")
	images = flag.String("images", filepath.Join("docs", "images"), "the folder of the pictures; a relative one is of the repository")
)

// TestScreenshots draws what people see: the dashboards with some minutes of life in them.
func TestScreenshots(t *testing.T) {
	var s *stack
	for _, one := range stacks(t) {
		if one.name == *server {
			s = one
		}
	}
	require.NotNil(t, s, "no %s", *server)
	w := newWorld(t, s, false)
	// The server's own host has no agent here.
	w.api.call(t, "host.update", o{"hostid": w.api.id(t, "host", "hostid", "host", "Zabbix server"), "status": 1}, nil)
	w.api.call(t, "user.update", o{"userid": "1", "lang": "en_GB"}, nil) // times of 24 hours

	shop := startSample(t)
	running := agent.Start(t, w.agent, w.plugin(t, "", []string{
		"Sessions.Shop.Uri=tcp://" + shop.master.Addr, "Sessions.Cart.Uri=tcp://" + shop.cluster[0].Addr,
		"Sessions.Main.Uri=sentinel://" + shop.watched.Sentinels[0].Addr + "," + shop.watched.Sentinels[1].Addr + "," + shop.watched.Sentinels[2].Addr + "/mymaster",
		"Sessions.Mail.Uri=tcp://" + shop.jobs.Addr, "Sessions.Storm.Uri=tcp://" + shop.storm.Addr,
	}))
	hosts := []struct {
		name, template, dashboard, file string
		macros                          map[string]string
		pages                           int
	}{
		{"shop-redis", redisTemplate, "Redis overview", "redis", map[string]string{"{$REDIS.CONN}": "Shop", `{$REDIS.PERIOD:"slowlog"}`: "2m"}, 4},
		{"all-redis", sessionsTemplate, "Redis sessions", "sessions", map[string]string{"{$SESSIONS.LLD.FILTER.SESSION.NOT_MATCHES}": "^Shop$"}, 2},
		{"cart-cluster", clusterTemplate, "Redis Cluster", "cluster", map[string]string{"{$CLUSTER.CONN}": "Cart"}, 3},
		{"main-sentinels", sentinelTemplate, "Redis Sentinel", "sentinel", map[string]string{"{$SENTINEL.CONN}": "Main"}, 1},
		{"mail-jobs", jobsTemplate, "Redis job queues", "jobs", map[string]string{"{$JOBS.CONN}": "Mail"}, 2},
		{"storm", stormTemplate, "Storm jobs", "storm", map[string]string{"{$STORM.CONN}": "Storm"}, 3},
		{"agent", healthTemplate, "RedisJobs plugin", "plugin", nil, 1},
	}
	ids := map[string]string{}
	for _, h := range hosts {
		ids[h.name] = w.host(t, h.name, running.Addr, []string{h.template}, h.macros)
	}
	time.Sleep(*life) // what the graphs show

	dir := *images
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(agent.Root(t), dir)
	}
	b := newBrowser(t, 1500, 900)
	b.login(t, s.web)
	b.eval(t, `document.querySelector('.js-sidebar-mode.button-compact').click()`)
	for _, h := range hosts {
		var templates []o
		w.api.call(t, "template.get", o{"filter": o{"host": h.template}, "output": []string{"templateid"}}, &templates)
		var boards []o
		w.api.call(t, "templatedashboard.get", o{"templateids": templates[0]["templateid"], "filter": o{"name": h.dashboard}, "output": []string{"dashboardid"}}, &boards)
		require.Len(t, boards, 1)
		b.size(t, 900)
		b.open(t, fmt.Sprintf("%s/zabbix.php?action=host.dashboard.view&hostid=%s&dashboardid=%s&from=now-%ds&to=now", s.web, ids[h.name], boards[0]["dashboardid"],
			int(max(time.Minute, *life-10*time.Second).Seconds())))
		for page := range h.pages {
			if page > 0 {
				b.eval(t, fmt.Sprintf(`document.querySelectorAll('.dashboard-navigation-tabs li')[%d].querySelector('div, span, button').click()`, page))
				time.Sleep(time.Second)
			}
			b.eval(t, `document.querySelectorAll('.filter-space').forEach(e => { e.style.display = 'none' })`) // where the time is chosen
			b.fit(t, ".dashboard-grid")
			b.shot(t, filepath.Join(dir, h.file+"-"+strconv.Itoa(page+1)+".png"))
		}
	}
	b.size(t, 900)
	b.open(t, s.web+"/zabbix.php?action=latest.view&hostids%5B%5D="+ids["shop-redis"]+"&filter_set=1&show_details=0&sort=name&sortorder=DESC")
	b.eval(t, `document.querySelectorAll('.filter-space, .filter-container, .tabfilter-container').forEach(e => { e.style.display = 'none' })`)
	b.shot(t, filepath.Join(dir, "latest-data.png"))

	// What faults look like.
	shop.cluster[5].Kill(t)
	shop.stopJobs()
	shop.jobs.Do(t, "DEL", "app1:1:abc", "app2:1:abc", "app3:1:abc")
	shop.reportFails.Store(true)
	shop.master.Do(t, "CONFIG", "SET", "maxmemory", shop.master.InfoField(t, "memory", "used_memory"))
	time.Sleep(40 * time.Second)
	b.size(t, 700)
	b.open(t, s.web+"/zabbix.php?action=problem.view&filter_set=1&show=3&show_opdata=1&groupids%5B%5D="+w.group)
	b.eval(t, `document.querySelectorAll('.filter-space, .filter-container, .tabfilter-container').forEach(e => { e.style.display = 'none' })`)
	b.shot(t, filepath.Join(dir, "problems.png"))
}
