// Command asynq is one role of Asynq: asynq produce|work|figures|schedule|entries, against the Redis of REDIS_URL. It has a module of its
// own, which keeps Asynq and its client out of the plugin's.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/hibiken/asynq"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "asynq:", err)
		os.Exit(1)
	}
}

func run() error {
	redis, err := asynq.ParseRedisURI(os.Getenv("REDIS_URL"))
	if err != nil {
		return err
	}
	role := ""
	if len(os.Args) == 2 {
		role = os.Args[1]
	}
	switch role {
	case "produce":
		return produce(redis)
	case "work":
		return work(redis)
	case "figures":
		return figures(redis)
	case "schedule":
		return schedule(redis)
	case "entries":
		return entries(redis)
	}
	return errors.New("usage: asynq produce|work|figures|schedule|entries")
}

func produce(redis asynq.RedisConnOpt) error {
	client := asynq.NewClient(redis)
	defer client.Close()
	add := func(n int, kind string, options ...asynq.Option) error {
		for range n {
			if _, err := client.Enqueue(asynq.NewTask(kind, []byte(`{"to":"bob@example.com"}`)), options...); err != nil {
				return fmt.Errorf("%s: %w", kind, err)
			}
		}
		return nil
	}
	slow := asynq.Queue("slow")
	unserved := asynq.Queue("unserved")
	paused := asynq.Queue("paused")
	return errors.Join(
		add(3, "ok", asynq.Retention(time.Hour)),
		add(2, "fails", asynq.MaxRetry(3)),
		add(1, "fails", asynq.MaxRetry(0)),
		add(1, "ok", asynq.ProcessIn(time.Hour)),
		add(4, "slow", slow, asynq.Timeout(time.Hour)),
		add(2, "ok", unserved),
		add(1, "ok", unserved, asynq.ProcessIn(time.Second)),
		add(2, "ok", unserved, asynq.Group("batch")),
		add(1, "ok", paused),
		asynq.NewInspector(redis).PauseQueue("paused"),
	)
}

func work(redis asynq.RedisConnOpt) error {
	mux := asynq.NewServeMux()
	mux.HandleFunc("ok", func(context.Context, *asynq.Task) error { return nil })
	mux.HandleFunc("fails", func(context.Context, *asynq.Task) error { return errors.New("on purpose for bob@example.com") })
	mux.HandleFunc("slow", func(context.Context, *asynq.Task) error { time.Sleep(15 * time.Minute); return nil })
	return asynq.NewServer(redis, asynq.Config{
		Concurrency:    2,
		Queues:         map[string]int{"default": 3, "slow": 2, "paused": 1},
		StrictPriority: true, // default first: its tasks must not wait behind the slow ones
		RetryDelayFunc: func(int, error, *asynq.Task) time.Duration { return time.Hour },
	}).Run(mux)
}

// told is what Asynq's own API tells, under the plugin's names.
type told struct {
	Version  string                        `json:"version"`
	Failures []failure                     `json:"failures"`
	Queues   map[string]map[string]float64 `json:"queues"`
	System   map[string]float64            `json:"system"`
}

// failure is a task that has failed.
type failure struct {
	Class   string `json:"class"`
	Queue   string `json:"queue"`
	Message string `json:"message"`
}

func figures(redis asynq.RedisConnOpt) error {
	inspector := asynq.NewInspector(redis)
	out := json.NewEncoder(os.Stdout)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		now, err := ask(inspector)
		if err != nil {
			return err
		}
		if err := out.Encode(now); err != nil {
			return err
		}
	}
	return lines.Err()
}

func ask(inspector *asynq.Inspector) (told, error) {
	now := told{Version: version(), Queues: map[string]map[string]float64{}, System: map[string]float64{}}
	names, err := inspector.Queues()
	if err != nil {
		return told{}, err
	}
	for _, name := range names {
		q, err := inspector.GetQueueInfo(name)
		if err != nil {
			return told{}, err
		}
		paused := 0.0
		if q.Paused {
			paused = 1
		}
		row := map[string]float64{
			"waiting": float64(q.Pending), "active": float64(q.Active), "scheduled": float64(q.Scheduled),
			"retry": float64(q.Retry), "failed": float64(q.Archived), "completed": float64(q.Completed),
			"aggregating": float64(q.Aggregating), "paused": paused, "latency": q.Latency.Seconds(),
			"processed_total": float64(q.ProcessedTotal), "failed_total": float64(q.FailedTotal),
		}
		now.Queues[name] = row
		for _, list := range []func(string, ...asynq.ListOption) ([]*asynq.TaskInfo, error){
			inspector.ListRetryTasks, inspector.ListArchivedTasks,
		} {
			tasks, err := list(name)
			if err != nil {
				return told{}, err
			}
			for _, task := range tasks {
				now.Failures = append(now.Failures, failure{task.Type, task.Queue, task.LastErr})
			}
		}
		for _, figure := range []string{"waiting", "active", "scheduled", "retry", "failed", "completed", "aggregating",
			"processed_total", "failed_total"} {
			now.System[figure] += row[figure]
		}
		now.System["latency"] = max(now.System["latency"], row["latency"])
	}
	servers, err := inspector.Servers()
	if err != nil {
		return told{}, err
	}
	now.System["workers_alive"] = float64(len(servers))
	for _, server := range servers {
		now.System["workers_busy"] += float64(len(server.ActiveWorkers))
		now.System["workers_slots"] += float64(server.Concurrency)
		for _, worker := range server.ActiveWorkers {
			now.System["oldest_running"] = max(now.System["oldest_running"], time.Since(worker.Started).Seconds())
		}
	}
	return now, nil
}

// version is that of the Asynq that this program is built with.
func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/hibiken/asynq" {
			return module.Version
		}
	}
	return "unknown"
}
