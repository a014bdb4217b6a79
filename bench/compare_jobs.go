package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	manyQueues = 1000
	manyJobs   = 500
)

// compareJobs measures what job systems cost: all queues of one Redis in one item, and
// single items of many Storm jobs that are due in the same instant.
func compareJobs(s *scope, e *environment) (table, []claim, error) {
	t := table{
		title: "Jobs",
		notes: []string{fmt.Sprintf("A Redis with %d queues of Sidekiq, a job waiting in each, read whole by job.get; and one "+
			"with the records of %d Storm jobs, whose storm.job.status items are all asked for in the same instant. "+
			"Commands and connections are those that the server counted for one check. The relay sends all commands of one "+
			"job.get as one pipeline and forwards the replies as they come.", manyQueues, manyJobs)},
		columns: []column{colP50, colP99, colCPU, colCommands, colConnections},
	}
	window := 2 * time.Second
	if e.short {
		window = time.Second / 2
	}
	queues := startRedis(s)
	for i := range manyQueues {
		name := fmt.Sprintf("queue%04d", i)
		queues.Do(s, "SADD", "queues", name)
		queues.Do(s, "LPUSH", "queue:"+name, `{"class":"A","jid":"1","args":[],"enqueued_at":1795228164.920326}`)
	}
	jobs := startRedis(s)
	var items []item
	for i := range manyJobs {
		name := fmt.Sprintf("job%03d", i)
		jobs.Do(s, "SADD", "storm:jobs", name)
		jobs.Do(s, "HSET", "storm:job:"+name, "status", "SUCCESS", "updated_at", "1795228164")
		items = append(items, item{"storm.job.status", []string{jobs.uri(), "", "", name}})
	}
	d := drive(s, e.plugin)
	all := item{"job.get", []string{queues.uri()}}
	if err := d.expect(all, fmt.Sprintf(`"queue_count":%d`, manyQueues)); err != nil {
		return t, nil, err
	}
	if err := d.expect(items[0], "6"); err != nil {
		return t, nil, err
	}
	reading := func(d *driver, server redisServer, items []item, inFlight int) func(time.Duration) (values, error) {
		return func(length time.Duration) (values, error) {
			return server.counted(func() (values, int, error) { return d.load(items, inFlight, length) })
		}
	}
	relay := drive(s, e.relay)
	same, err := relayOf(s, queues, func() error { return d.expect(all, "queue_count") })
	if err != nil {
		return t, nil, err
	}
	if err := relay.expect(same, "enqueued_at"); err != nil {
		return t, nil, err
	}
	whole, err := contest(e.turns(), window, []contestant{
		{name: "job.get", turn: reading(d, queues, []item{all}, 1)},
		{name: "relay of the same commands", turn: reading(relay, queues, []item{same}, 1)},
	})
	if err != nil {
		return t, nil, err
	}
	single, err := contest(e.turns(), window, []contestant{{name: "storm.job.status", turn: reading(d, jobs, items, manyJobs)}})
	if err != nil {
		return t, nil, err
	}
	t.groups = []group{
		{fmt.Sprintf("%d queues, one at a time", manyQueues), whole},
		{fmt.Sprintf("%d items at once", manyJobs), single},
	}
	took, _ := whole[0].median(p50)
	cost, _ := ratio(whole[0], whole[1], cpu)
	opened, err := jobs.TryDo("CLIENT", "LIST")
	if err != nil {
		return t, nil, err
	}
	return t, []claim{
		{text: fmt.Sprintf("job.get of %d queues, ms", manyQueues), measured: took, bound: 100, format: "%.1f"},
		{text: fmt.Sprintf("CPU of job.get of %d queues, against a relay of the same commands", manyQueues), measured: cost, bound: 2, format: "%.2fx"},
		{text: fmt.Sprintf("connections that %d storm.job.status at once use", manyJobs), measured: float64(pluginClients(opened)),
			bound: 2, format: "%.0f"},
	}, nil
}

// relayOf is the relay's item that sends what f has others send to the server.
func relayOf(s *scope, server redisServer, f func() error) (item, error) {
	commands, err := server.sentBy(f)
	if err != nil {
		return item{}, err
	}
	path := filepath.Join(s.TempDir(), "commands")
	if err := os.WriteFile(path, []byte(commands), 0o600); err != nil {
		return item{}, err
	}
	return item{"relay.file", []string{server.uri(), path}}, nil
}
