package main

import (
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"time"

	"redisjobs/internal/ports"
)

// exporter is a redis_exporter that reads one server.
type exporter struct {
	pid    int
	url    string
	client *http.Client
}

// startExporter runs redis_exporter with its own defaults.
func startExporter(s *scope, e *environment, uri string) *exporter {
	addr := ports.FreeAddr(s)
	cmd := exec.Command(e.peers["redis_exporter"].path,
		"-redis.addr="+strings.Replace(uri, "tcp://", "redis://", 1), "-web.listen-address="+addr)
	start(s, cmd)
	// Go's client asks for gzip and keeps its connection, as Prometheus does.
	x := &exporter{cmd.Process.Pid, "http://" + addr + "/metrics", &http.Client{Timeout: 10 * time.Second}}
	s.Cleanup(x.client.CloseIdleConnections)
	for late := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		text, err := x.scrape()
		if err == nil && strings.Contains(text, "redis_up 1") {
			return x
		}
		if time.Now().After(late) {
			s.Fatalf("redis_exporter does not answer: %v", err)
		}
	}
}

func (x *exporter) scrape() (string, error) {
	r, err := x.client.Get(x.url)
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("scrape: %s", r.Status)
	}
	return string(text), err
}

// load scrapes again and again for the time d.
func (x *exporter) load(d time.Duration) (values, int, error) {
	m, err := startMeter(x.pid)
	if err != nil {
		return nil, 0, err
	}
	var l latencies
	n, took, err := parallel(1, d, &l, func() error {
		_, err := x.scrape()
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	used, err := m.perOp(n)
	if err != nil {
		return nil, 0, err
	}
	v := values{rate: float64(n) / took.Seconds(), cpu: used[0]}
	l.fill(v)
	return v, n, nil
}

// compareExporter compares a poll of one server with a scrape of it.
func compareExporter(s *scope, e *environment) (table, []claim, error) {
	t := table{
		title: "Against redis_exporter: all of one server",
		notes: []string{"A poll of ours over the agent's protocol, a scrape over HTTP, one at a time. Commands and " +
			"connections are those that the server counted, for one poll."},
		columns: []column{colRate, colP50, colCPU, colCommands, colConnections},
	}
	if missing := e.peers["redis_exporter"].missing; missing != "" {
		t.notes = append(t.notes, "Not measured: "+missing+".")
		return t, nil, nil
	}
	server := startRedis(s)
	d := drive(s, e.plugin)
	if err := d.expect(item{"redis.get", []string{server.uri()}}, "redis_version"); err != nil {
		return t, nil, err
	}
	x := startExporter(s, e, server.uri())
	g, err := e.contest("one server",
		contestant{name: "redis.get", turn: func(length time.Duration) (values, error) {
			return server.counted(func() (values, int, error) { return d.load(itemsOf("redis.get", []string{server.uri()}), 1, length) })
		}},
		contestant{name: "redis_exporter", turn: func(length time.Duration) (values, error) {
			return server.counted(func() (values, int, error) { return x.load(length) })
		}})
	if err != nil {
		return t, nil, err
	}
	t.groups = []group{g}
	ours, theirs := g.outcomes[0], g.outcomes[1]
	cost, _ := ratio(theirs, ours, cpu)
	asked, _ := ratio(ours, theirs, commands)
	dials, _ := ours.median(connections)
	return t, []claim{
		{text: "CPU of a scrape of redis_exporter over that of redis.get, all that the template asks", measured: cost, bound: 3,
			atLeast: true, format: "%.1fx"},
		{text: "commands of redis.get against a scrape", measured: asked, bound: 1, format: "%.2fx"},
		{text: "new connections for one redis.get in steady state", measured: dials, bound: 0, format: "%.0f"},
	}, nil
}
