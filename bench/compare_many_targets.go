package main

import (
	"fmt"
	"net"
	"time"

	"redisjobs/test/agent"
)

const (
	manyServers   = 4
	manyAddresses = 16 // the most that a redis-server binds
	roundInFlight = 256
)

// compareManyTargets measures one plugin process with very many targets.
func compareManyTargets(s *scope, e *environment) (table, []claim, error) {
	t := table{
		title: "Many targets in one plugin process",
		notes: []string{fmt.Sprintf(
			"A target is a database at a loopback address: %d redis-servers with %d addresses each, and as many databases "+
				"as it takes. The plugin does not know that they share a process: each has its own connection, and the "+
				"first round dials them all. %d requests are under way at a time. Memory is that of the process with all "+
				"connections open: after three rounds of ping, and after one more of info.",
			manyServers, manyAddresses, roundInFlight)},
		columns: []column{
			{firstRound, "first round, s", "%.2f", -1}, {nextRound, "next round, s", "%.2f", -1},
			{open, "connections", "%.0f", 0}, {rss, "RSS, MB", "%.1f", -1},
			{infoRound, "info round, s", "%.2f", -1}, {rssInfo, "RSS then, MB", "%.1f", -1},
		},
	}
	for _, n := range []int{1000, 10_000} {
		var contestants []contestant
		for _, c := range []struct {
			name, executable, prefix string
			env                      []string
		}{
			{"ours", e.plugin, "redis.server.", nil},
			{"relay, a connection and 16 KB for each", e.relay, "relay.", []string{"RELAY_CONNECTIONS=1"}},
		} {
			contestants = append(contestants, contestant{name: c.name, turn: func(time.Duration) (values, error) {
				return manyTargets(c.executable, c.prefix, n, c.env)
			}})
		}
		turns := 3
		if e.short {
			turns = 1
		}
		// A turn has a process of its own, and its own first round.
		outcomes, err := takeTurns(turns, 0, contestants)
		if err != nil {
			return t, nil, fmt.Errorf("%d targets: %w", n, err)
		}
		t.groups = append(t.groups, group{fmt.Sprintf("%d targets", n), outcomes})
	}
	last := t.groups[len(t.groups)-1].outcomes[0]
	memory, _ := last.median(rss)
	memoryInfo, _ := last.median(rssInfo)
	connections, _ := last.median(open)
	return t, []claim{
		{text: "RSS with 10,000 targets, all connections open, after rounds of ping, MB", measured: memory, bound: 60, format: "%.1f"},
		{text: "the same after a round of redis.server.info, MB", measured: memoryInfo, bound: 60, format: "%.1f"},
		{text: "connections open then (a round without an error has one for each)", measured: connections, bound: 10_000,
			atLeast: true, format: "%.0f"}}, nil
}

// manyTargets measures a plugin process and servers of its own.
func manyTargets(executable, prefix string, n int, env []string) (v values, err error) {
	err = within(func(s *scope) error {
		servers, uris := spreadServers(s, n)
		d := drive(s, executable, env...)
		pings, infos := itemsOf(prefix+"ping", uris), itemsOf(prefix+"info", uris)
		var rounds []time.Duration
		for _, items := range [][]item{pings, pings, pings, infos} {
			took, err := d.round(items, roundInFlight)
			if err != nil {
				return err
			}
			rounds = append(rounds, took)
			if len(rounds) == 3 {
				memory, err := agent.RSS(d.pid)
				if err != nil {
					return err
				}
				v = values{rss: float64(memory) / 1e6}
			}
		}
		memory, err := agent.RSS(d.pid)
		if err != nil {
			return err
		}
		v[rssInfo] = float64(memory) / 1e6
		v[firstRound], v[nextRound], v[infoRound] = rounds[0].Seconds(), rounds[2].Seconds(), rounds[3].Seconds()
		for _, server := range servers {
			c, err := server.counters()
			if err != nil {
				return err
			}
			v[open] += c.connections - server.before
		}
		return nil
	})
	return v, err
}

// spreadServer is a server with what it had counted before the measurement.
type spreadServer struct {
	redisServer
	before float64
}

// spreadServers starts the servers and names n targets on them.
func spreadServers(s *scope, n int) ([]spreadServer, []string) {
	perAddress := (n + manyServers*manyAddresses - 1) / (manyServers * manyAddresses)
	var (
		servers []spreadServer
		uris    []string
	)
	for range manyServers {
		bind := []string{"--bind", "127.0.0.1"}
		for i := range manyAddresses - 1 {
			bind = append(bind, fmt.Sprintf("127.0.%d.1", i+1))
		}
		server := startRedis(s, append(bind, "--databases", fmt.Sprint(max(perAddress, 16)), "--maxclients", fmt.Sprint(n))...)
		c, err := server.counters()
		if err != nil {
			s.Fatal(err)
		}
		servers = append(servers, spreadServer{server, c.connections})
		_, port, _ := net.SplitHostPort(server.Addr)
		for _, host := range bind[1:] {
			for db := range perAddress {
				uris = append(uris, fmt.Sprintf("tcp://%s:%s/%d", host, port, db))
			}
		}
	}
	return servers, uris[:n]
}
