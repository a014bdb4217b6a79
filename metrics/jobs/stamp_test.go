package jobs

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// stampedBy are the commands that add a job to an otherwise empty queue of each system, by
// its id, as the library of a writer does whose clock says at: $AT in seconds, $MS
// in milliseconds, $NS in nanoseconds, $ISO as a date, $DIGITS and $HUEY as these two write it.
var stampedBy = map[string][]string{
	"sidekiq/":    {"SADD queues a", `LPUSH queue:a {"class":"J","args":[],"jid":"$ID","enqueued_at":$AT}`},
	"rq/rq":       {"SADD rq:queues rq:queue:a", "HSET rq:job:$ID status queued origin a created_at $ISO enqueued_at $ISO", "RPUSH rq:queue:a $ID"},
	"bullmq/bull": {"HSET bull:a:meta version bullmq:6.7.0", "HSET bull:a:$ID name j timestamp $MS opts {}", "LPUSH bull:a:wait $ID"},
	"bull/bull":   {"SET bull:a:id 1", "HSET bull:a:$ID name j timestamp $MS opts {}", "LPUSH bull:a:wait $ID"},
	"asynq/":      {"SADD asynq:queues a", "HSET asynq:{a}:t:$ID state pending pending_since $NS", "LPUSH asynq:{a}:pending $ID"},
	"laravel/laravel_database_": {
		`RPUSH laravel_database_queues:a {"uuid":"$ID","displayName":"J","job":"J","id":"$ID","attempts":0,"createdAt":$AT}`,
	},
	"symfony/": {
		"XGROUP CREATE a symfony 0 MKSTREAM", `XADD a $MS-0 message {"body":"$ID","headers":[]}`,
	},
	"taskiq/":           {"XGROUP CREATE a taskiq 0 MKSTREAM", `XADD a $MS-0 data {"task_id":"$ID","task_name":"n"}`},
	"huey/":             {"ZADD huey.redis.a 0 $HUEY"},
	"dramatiq/dramatiq": {"ZADD dramatiq:__heartbeats__ 1 b", `HSET dramatiq:a.msgs $ID {"queue_name":"a","options":{},"message_timestamp":$MS}`, "RPUSH dramatiq:a $ID"},
	"djangoq/":          {"RPUSH django_q:a:q gAAA:$DIGITS:$ID3456789012345678901234567890"},
	"beequeue/bq":       {"SET bq:a:id 1", `HSET bq:a:jobs $ID {"data":{},"options":{"timestamp":$MS,"stacktraces":[]},"status":"created"}`, "LPUSH bq:a:waiting $ID"},
	"saq/":              {`SET saq:job:a:$ID {"function":"n","queue":"a","key":"$ID","queued":$MS,"status":"queued"}`, "ZADD saq:a:incomplete 0 saq:job:a:$ID", "RPUSH saq:a:queued saq:job:a:$ID"},
	"plain/":            {"XADD a $MS-0 job $ID"},
}

// stampedJob are the commands for a job of that id and time.
func stampedJob(id, job string, at float64) []string {
	message := binary.BigEndian.AppendUint64(nil, uint64(at*1e6))
	digits := ""
	for n := int(at); n > 0; n /= len(djangoDigits) {
		digits = djangoDigits[n%len(djangoDigits):][:1] + digits
	}
	words := strings.NewReplacer("$ID", job, "$AT", strconv.FormatFloat(at, 'f', -1, 64), "$MS", fmt.Sprintf("%.0f", at*1e3),
		"$NS", fmt.Sprintf("%.0f", at*1e9), "$ISO", time.Unix(int64(at), 0).UTC().Format(time.RFC3339), "$HUEY", string(message)+job, "$DIGITS", digits)
	var out []string
	for _, c := range stampedBy[id] {
		out = append(out, words.Replace(c))
	}
	return out
}

// TestAWriterWhoseClockIsAhead: its job has waited since it was seen first, in any system
// that says since when jobs wait, also when the server's clock has caught up; and no queue
// stalls for longer than its oldest job waits.
func TestAWriterWhoseClockIsAhead(t *testing.T) {
	t.Parallel()
	for _, system := range all {
		spec := system.Spec()
		// A job of arq is not due before its time, whoever's clock it is.
		if spec.lacks(figLatency, true) || spec.Name == "arq" {
			continue
		}
		id := instance{spec.Name, spec.DefaultPrefix}.ID()
		t.Run(spec.Name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, stampedBy, id, "write how a writer adds a job with a time")
			f := newField(t)
			if spec.Name == "plain" {
				f.o.Queues = map[string][]string{"plain": {"a"}}
			}
			for _, c := range stampedJob(id, "first", fieldAt+600) {
				f.s.Do(t, strings.Split(c, " ")...)
			}
			wants := func(seconds, age float64) {
				t.Helper()
				f.d.at += seconds
				var q *queue
				for _, r := range pollOnce(t, f.d, f.m, f.o, query{System: spec.Name}).Systems {
					require.Equal(t, id, r.ID())
					require.Len(t, r.Queues, 1)
					q = r.Queues[0]
				}
				require.NotNil(t, q)
				if _, known := q.Get(figLatency); known || age > 0 { // a first look may not tell whether it was delayed
					want(t, &q.figures, figLatency, age)
				}
				want(t, &q.figures, figStalled, age)
			}
			wants(0, 0)
			wants(300, 300)
			wants(299.5, 599.5)
			wants(100.5, 700)
			wants(10, 710)
		})
	}
}
