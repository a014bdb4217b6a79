package self

import (
	"context"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/pool"
	"redisjobs/redisclient"
)

// Pool shows the connection pool that all keys share, and the process of the plugin.
//
// Members: limits {"per_target","total"} (total is left out when there is
// none); open, idle, in_use, dialing and waiting (checks without a connection),
// as they are now; counters, which only grow, with the closed connections by
// reason; targets, at most ask.MaxRows, each with the same, its name in target
// (of those that only a user or a password tells apart the second one's ends in
// " #2", for as long as it is in use) and with failing {"error","reason","at",
// "in_a_row","retry_in"} while it cannot be reached; process {"version","go",
// "uptime","checks" (those running now, this one included),
// "goroutines","heap","rss"}; replies, the memory of replies under way, {"limit"
// (the option MaxMemory),"used","highest" (the most since the start),"refused"
// (replies that were not kept because they were over it)}; truncated. Seconds,
// bytes, unix times.
var Pool = &item.Metric{
	Key:         "redis.pool.get",
	Description: "Returns the figures of the plugin's connection pool and process as JSON.",
	Collect:     collectPool,
}

func collectPool(_ context.Context, r *item.Request, w *jsondoc.Writer) error {
	stats := r.Env.Pool()
	now := time.Now()
	w.Grow(1024 + 768*min(len(stats.Targets), ask.MaxRows))
	w.BeginObject()
	w.Key("schema_version").Int(ask.SchemaVersion)
	w.Key("limits").BeginObject()
	w.Key("per_target").Int(int64(stats.MaxPerTarget))
	if stats.MaxTotal > 0 {
		w.Key("total").Int(int64(stats.MaxTotal))
	}
	w.EndObject()
	writeGauges(w, stats.Gauges)
	writeCounters(w, &stats.Counters)
	var cut ask.Truncations
	w.Key("targets").BeginArray()
	for i := range stats.Targets[:cut.Limit("targets", len(stats.Targets))] {
		writePoolTarget(w, &stats.Targets[i], now)
	}
	w.EndArray()
	writeProcess(w, r.Env, now)
	writeReplies(w, r.Env)
	cut.Write(w)
	w.EndObject()
	return nil
}

func writeGauges(w *jsondoc.Writer, g pool.Gauges) {
	w.Key("open").Int(int64(g.Open()))
	w.Key("idle").Int(int64(g.Idle))
	w.Key("in_use").Int(int64(g.InUse))
	w.Key("dialing").Int(int64(g.Dialing))
	w.Key("waiting").Int(int64(g.Waiting))
}

func writeCounters(w *jsondoc.Writer, c *pool.Counters) {
	w.Key("counters").BeginObject()
	w.Key("dials").Uint(c.Dials)
	w.Key("dial_errors").Uint(c.DialErrors)
	w.Key("refusals").Uint(c.Refusals)
	w.Key("reuses").Uint(c.Reuses)
	w.Key("waits").Uint(c.Waits)
	w.Key("wait_time").Float(c.WaitTime.Seconds())
	w.Key("wait_timeouts").Uint(c.WaitTimeouts)
	w.Key("fast_fails").Uint(c.FastFails)
	w.Key("retries").Uint(c.Retries)
	w.Key("closed_total").Uint(c.ClosedTotal())
	w.Key("closed").BeginObject()
	for _, reason := range pool.CloseReasons() {
		w.Key(reason.String()).Uint(c.Closed[reason])
	}
	w.EndObject()
	w.EndObject()
}

func writePoolTarget(w *jsondoc.Writer, t *pool.TargetStats, now time.Time) {
	w.BeginObject()
	w.Key("target").String(t.Name)
	writeGauges(w, t.Gauges)
	writeCounters(w, &t.Counters)
	if t.LastDial > 0 {
		w.Key("last_dial").Float(t.LastDial.Seconds())
	}
	if !t.LastUsed.IsZero() {
		w.Key("last_used").Float(ask.UnixSeconds(t.LastUsed))
	}
	up := int64(1)
	if f := t.Failing; f != nil {
		up = 0
		w.Key("failing").BeginObject()
		w.Key("error").String(ask.ErrorLine(t.Name, f.Err))
		w.Key("reason").String(string(redisclient.ReasonOf(f.Err)))
		w.Key("at").Float(ask.UnixSeconds(f.At))
		w.Key("in_a_row").Int(int64(f.InARow))
		w.Key("retry_in").Float(max(0, f.RetryAt.Sub(now)).Seconds())
		w.EndObject()
	}
	w.Key("up").Int(up)
	w.EndObject()
}

func writeProcess(w *jsondoc.Writer, env *item.Env, now time.Time) {
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	w.Key("process").BeginObject()
	w.Key("version").String(env.Version)
	w.Key("go").String(runtime.Version())
	w.Key("uptime").Float(now.Sub(env.Started).Round(time.Millisecond).Seconds())
	if env.Checks != nil {
		w.Key("checks").Int(int64(env.Checks()))
	}
	w.Key("goroutines").Int(int64(runtime.NumGoroutine()))
	w.Key("heap").Uint(mem.HeapAlloc)
	if rss, ok := residentBytes(); ok {
		w.Key("rss").Int(rss)
	}
	w.EndObject()
}

func writeReplies(w *jsondoc.Writer, env *item.Env) {
	if env.Replies == nil {
		return
	}
	stats := env.Replies()
	w.Key("replies").BeginObject()
	w.Key("limit").Int(stats.Limit)
	w.Key("used").Int(stats.Used)
	w.Key("highest").Int(stats.Highest)
	w.Key("refused").Uint(stats.Refused)
	w.EndObject()
}

// residentBytes is the memory that the process keeps in RAM. It is known where
// there is a /proc as Linux has it; its second field counts pages.
// Source: proc_pid_statm(5).
func residentBytes() (int64, bool) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, false
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, false
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0, false
	}
	return pages * int64(os.Getpagesize()), true
}
