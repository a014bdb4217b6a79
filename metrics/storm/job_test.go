package storm

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// now is the server's time in these tests.
const now = 1_795_000_000

func TestSuccessAge(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		record []string
		known  bool
		age    float64
	}{
		{"by the server's clock", []string{"status", "FAILED", "last_success_at", "1794913600.5"}, true, 86399.5},
		{"of a writer whose clock is ahead", []string{"status", "DONE", "last_success_at", "1795000007"}, true, 0},
		{"without a success it is unknown", []string{"status", "DONE", "finished_at", "1794999000"}, false, 0},
		{"of one whose clock is as far ahead as it may be", []string{"status", "DONE", "last_success_at", "1795000060"}, true, 0},
		{"of one whose clock is wrong", []string{"status", "DONE", "last_success_at", "1795000060.5"}, false, 0},
		{"of a record without a status", []string{"last_success_at", "1794999999"}, true, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, err := parseHash(pairs(tt.record...))
			require.NoError(t, err)
			j := job{record: r}
			j.judge(clock{now: now})
			require.Equal(t, tt.known, j.HasSuccessAge)
			require.Equal(t, tt.age, j.SuccessAge)
		})
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	const unknown = -1
	for _, tt := range []struct {
		name   string
		record []string
		maxAge time.Duration
		want   Status
		age    float64
	}{
		{name: "live and fresh", record: []string{"status", "ACTIVE", "ts", "1794999990"}, want: statusActive, age: 10},
		{name: "live at the limit of 300 s", record: []string{"status", "ACTIVE", "ts", "1794999700"}, want: statusActive, age: 300},
		{name: "live beyond it", record: []string{"status", "ACTIVE", "ts", "1794999699.999"}, want: statusStale, age: 300.001},
		{name: "rebalancing beyond it", record: []string{"status", "STARTING", "ts", "1794999000"}, want: statusStale, age: 1000},
		{name: "queued beyond it", record: []string{"status", "PENDING", "ts", "1794999000"}, want: statusStale, age: 1000},
		{name: "paused beyond it", record: []string{"status", "PAUSED", "ts", "1794999000"}, want: statusInactive, age: 1000},
		{name: "killed beyond it", record: []string{"status", "KILLED", "ts", "1794999000"}, want: statusKilled, age: 1000},
		{name: "failed beyond it", record: []string{"status", "FAILED", "ts", "1794999000"}, want: statusFailed, age: 1000},
		{name: "done beyond it", record: []string{"status", "DONE", "ts", "1794999000"}, want: Success, age: 1000},
		{name: "an unknown word beyond it", record: []string{"status", "HM", "ts", "1794999000"}, want: statusUnknown, age: 1000},
		{name: "a number of its own beyond it", record: []string{"status", "42", "ts", "1794999000"}, want: 42, age: 1000},
		{name: "within three of its intervals", record: []string{"status", "UP", "ts", "1794999000", "interval", "400"}, want: statusActive, age: 1000},
		{name: "beyond three of its intervals", record: []string{"status", "UP", "ts", "1794999990", "interval", "3"}, want: statusStale, age: 10},
		{name: "max_age counts before interval", record: []string{"status", "UP", "ts", "1794999990", "interval", "3", "ttl", "60"}, want: statusActive, age: 10},
		{name: "the parameter counts before max_age", record: []string{"status", "UP", "ts", "1794999990", "ttl", "60"}, maxAge: 9 * time.Second, want: statusStale, age: 10},
		{name: "an unreadable limit is no limit of 0", record: []string{"status", "UP", "ts", "1794999990", "ttl", "0"}, want: statusActive, age: 10},
		{name: "a writer's clock ahead of the server's", record: []string{"status", "UP", "ts", "1795000007"}, want: statusActive, age: 0},
		{name: "no sign at all is never stale", record: []string{"status", "UP"}, maxAge: time.Second, want: statusActive, age: unknown},
		{name: "a sign that is no time is no sign", record: []string{"status", "UP", "ts", "soon"}, want: statusActive, age: unknown},
		{name: "the end of the run stands in", record: []string{"status", "DONE", "finished_at", "1794999900", "started_at", "1794999800"}, want: Success, age: 100},
		{name: "the begin of a newer run stands in", record: []string{"status", "RUNNING", "finished_at", "1794000000", "started_at", "1794999800"}, want: statusActive, age: 200},
		{name: "a stuck run", record: []string{"status", "RUNNING", "started_at", "1794999000"}, want: statusStale, age: 1000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, err := parseHash(pairs(tt.record...))
			require.NoError(t, err)
			j := job{record: r}
			j.judge(clock{now: now, maxAge: tt.maxAge})
			require.NoError(t, j.Err)
			require.Equal(t, tt.want, j.Status)
			require.Equal(t, tt.age != unknown, j.HasAge)
			if j.HasAge {
				require.Equal(t, tt.age, j.Age)
			}
		})
	}
}

// TestATimeInTheFuture: a worker whose clock is wrong would hide its death until the
// server's clock has come as far.
func TestATimeInTheFuture(t *testing.T) {
	t.Parallel()
	const wrong = " is 5000 s ahead of the server's clock: check the clock of the machine that writes the record"
	for _, tt := range []struct {
		record []string
		field  string
		status Status // of one that is not expected to go on writing
	}{
		{[]string{"status", "ACTIVE", "updated_at", "1795005000"}, "updated_at", 0},
		{[]string{"status", "QUEUED", "updated_at", "1795005000", "max_age", "9000"}, "updated_at", 0},
		{[]string{"status", "RUNNING", "started_at", "1795005000"}, "started_at", 0},
		{[]string{"status", "RUNNING", "started_at", "1795005000", "finished_at", "1794990000"}, "started_at", 0},
		{[]string{"status", "DONE", "started_at", "1794990000", "finished_at", "1795005000"}, "finished_at", Success},
		{[]string{"status", "PAUSED", "updated_at", "1795005000"}, "updated_at", statusInactive},
	} {
		r, err := parseHash(pairs(tt.record...))
		require.NoError(t, err)
		j := job{record: r}
		j.judge(clock{now: now})
		require.False(t, j.HasAge)
		require.Equal(t, unreadable{"age", tt.field + wrong}, j.Unavailable[0])
		if tt.status != 0 {
			require.NoError(t, j.Err)
			require.Equal(t, tt.status, j.Status)
			require.Len(t, j.Unavailable, 1)
			continue
		}
		require.EqualError(t, j.Err, j.Status.String()+", or stale: "+tt.field+wrong)
		require.Equal(t, "status", j.Unavailable[1].Name)
	}
}

func TestStaleAfterIsTheLastWord(t *testing.T) {
	t.Parallel()
	r, err := parseHash(pairs("status", "UP", "ts", "1794999990"))
	require.NoError(t, err)
	j := job{record: r}
	j.judge(clock{now: now, staleAfter: 9 * time.Second})
	require.Equal(t, statusStale, j.Status)
}

func TestARecordWithoutAStatusHasNone(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		record []string
		err    string
		reason string
	}{
		{"not said", []string{"ts", "1794999990"}, "the record has no status", "the record has no status"},
		{"not readable", []string{"status", "\x01"}, `status: "\x01" is no status`, `"\x01" is no status`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, err := parseHash(pairs(tt.record...))
			require.NoError(t, err)
			j := job{record: r}
			j.judge(clock{now: now})
			require.EqualError(t, j.Err, tt.err)
			require.Equal(t, []unreadable{{"status", tt.reason}}, j.Unavailable)
		})
	}
}

func TestJobName(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"backup", "it's", `dq"x`, `a\b`, "ночной отчёт", "a b*?[]{}", "{job}"} {
		require.NoError(t, CheckName(good), good)
	}
	require.EqualError(t, CheckName(""), "a job's name must not be empty")
	require.EqualError(t, CheckName("\xff"), "a job's name must be valid UTF-8")
	require.EqualError(t, CheckName(string(make([]byte, 256))), "a job's name must be at most 255 bytes long")
}
