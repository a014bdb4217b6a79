package jobs

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/redisclient/resp"
)

// bullJobKey is the key of the job of a repeatable job, whose name and id have no colon.
func bullJobKey(t *testing.T, member string, score float64) string {
	t.Helper()
	m, ok := parseBullRepeat(member)
	require.True(t, ok)
	ids := m.jobIDs(member, score)
	require.Len(t, ids, 1)
	return "bull:a:" + ids[0]
}

// repeatablesWithColons are members that Bull 4.16.5 wrote, and the ids of their jobs.
var repeatablesWithColons = []struct {
	member   string
	score    float64
	id       string // of its job
	name     string
	end      float64
	schedule string
}{
	{"n:a:b::500000000", 1796500000000, "547818a4967dcad48e97b010a4ac4d1b", "n:a:b", 0, "every 138h53m20s"},
	{"n:http://x/y:::*/10 * * * * *", 1796066480000, "9040e1525686776da58007bab2510326", "n:http://x/y", 0, "*/10 * * * * *"},
	{"n:m::::*/10 * * * * *", 1796066480000, "ad09c14bcdf76e91a4ee3fed184dfdba", "n:m", 0, "*/10 * * * * *"},
	{"n:m::x:5:1999999999000:UTC+5:30:*/10 * * * * *", 1796066480000, "23d187b0953e738129bb01ea79096c77", "n:m::x:5", 1999999999, "*/10 * * * * * UTC+5:30"},
	{"n::2208988800000:Europe/Berlin:0 3 * * *", 1796090400000, "c297b0f5669bb525a5512d7a52962602", "n", 2208988800, "0 3 * * * Europe/Berlin"},
	{"__default__:x::2222222222000:60000.5", 1796066487096, "17dab0dab874b44c3b65f285e3369df6", "__default__:x", 2222222222, "every 1m0.0005s"},
	{"cr::::@daily", 1796083200000, "0a8f9fbb4275a6a860ed725d0ea6745b", "cr", 0, "@daily"},
}

func TestRepeatablesWithColons(t *testing.T) {
	t.Parallel()
	f := newField(t, "SET bull:a:id 1", "RPUSH bull:a:wait 1")
	key := func(id string, score float64) string {
		return "bull:a:repeat:" + id + ":" + strconv.FormatFloat(score, 'f', 0, 64)
	}
	const added = 1796066474000
	for _, tt := range repeatablesWithColons {
		m, ok := parseBullRepeat(tt.member)
		require.True(t, ok, tt.member)
		require.Equal(t, []any{tt.end, tt.schedule}, []any{m.end, m.schedule}, tt.member)
		f.s.Do(t, "ZADD", "bull:a:repeat", strconv.FormatFloat(tt.score, 'f', 0, 64), tt.member)
		f.s.Do(t, "HSET", key(tt.id, tt.score), "timestamp", strconv.Itoa(added), "opts", `{"repeat":{"count":2}}`)
	}
	f.d.at = 1796066480 + 31
	r := f.poll(0, "bull/bull")
	requireFigures(t, scheduled(0, 7, 3, 31), ofSchedulers(&r.figures), "three of them are late")
	want(t, &r.figures, figSchedulerUnknown, 0)
	for _, tt := range repeatablesWithColons {
		j := jobNamed(t, r, "bull/a/"+tt.name)
		require.Equal(t, []any{tt.score / 1000, tt.schedule, added / 1000.}, []any{j.next, j.schedule, j.last}, tt.member)
	}

	// One that is gone is that, however its name is parted.
	http := repeatablesWithColons[1]
	f.s.Do(t, "DEL", key(http.id, http.score))
	r = f.poll(0, "bull/bull")
	requireFigures(t, scheduled(0, 7, 2, 31), ofSchedulers(&r.figures), "two of them")
	want(t, &r.figures, figSchedulerUnknown, 1)
	require.Contains(t, jobNamed(t, r, "bull/a/n:http://x/y").nextWhy, "or its job was lost")

	// Of one with very many colons it is known when it is due, and later not why it is.
	many := strings.Repeat("n:", maxRepeatSplits) + "n:x:::* * * * *"
	f = newField(t, "SET bull:a:id 1", "RPUSH bull:a:wait 1")
	f.s.Do(t, "ZADD", "bull:a:repeat", "1796066480000", many)
	f.d.at = 1796066479
	r = f.poll(0, "bull/bull")
	requireFigures(t, scheduled(0, 1, 0, 0), ofSchedulers(&r.figures), "not yet due")
	r = f.poll(32, "bull/bull")
	wantUnknown(t, &r.figures, figSchedulerOverdue, "its name and id have more than 7 colons")
}

func FuzzBullRepeat(f *testing.F) {
	for _, tt := range repeatablesWithColons {
		f.Add(tt.member)
	}
	f.Add("a:b:c")
	f.Add("a::NaN:utc+5:30:* * * * *")
	f.Fuzz(func(t *testing.T, member string) {
		m, ok := parseBullRepeat(member)
		if !ok {
			return
		}
		require.LessOrEqual(t, len(m.jobIDs(member, 1)), strings.Count(m.named, ":"))
		require.NotEmpty(t, m.jobIDs(member, 1))
		require.True(t, strings.HasPrefix(member, m.named))
		require.True(t, strings.HasPrefix(m.named, m.name()))
		j := periodicJob{schedule: m.schedule, next: 1796066480}
		j.bullJob(1796066480, &m, []resp.Value{bulkOf("1796066474000"), bulkOf(member), bulkOf("1")}, nil)
	})
}
