package main

import (
	"bufio"
	"encoding/json"
	"os"

	"github.com/hibiken/asynq"
)

// schedule runs a scheduler.
func schedule(redis asynq.RedisConnOpt) error {
	s := asynq.NewScheduler(redis, nil)
	for spec, name := range map[string]string{"@every 5s": "tick", "0 3 * * *": "nightly"} {
		if _, err := s.Register(spec, asynq.NewTask(name, []byte("secret")), asynq.Queue("low")); err != nil {
			return err
		}
	}
	return s.Run()
}

// entries answers with what Asynq itself reads of its schedulers.
func entries(redis asynq.RedisConnOpt) error {
	inspector := asynq.NewInspector(redis)
	out := json.NewEncoder(os.Stdout)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		all, err := inspector.SchedulerEntries()
		if err != nil {
			return err
		}
		told := map[string]map[string]float64{}
		for _, e := range all {
			times := map[string]float64{"next": float64(e.Next.UnixMicro()) / 1e6}
			if !e.Prev.IsZero() && e.Prev.Unix() > 0 {
				times["last"] = float64(e.Prev.UnixMicro()) / 1e6
			}
			told[e.Task.Type()] = times
		}
		if err := out.Encode(map[string]any{"version": version(), "entries": told}); err != nil {
			return err
		}
	}
	return lines.Err()
}
