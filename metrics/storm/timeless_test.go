package storm

import (
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

// TestWithoutTimeOnlyAgesAreLost asks a server that refuses TIME. What a record says stands, but for a live job that might
// be stale.
func TestWithoutTimeOnlyAgesAreLost(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, redistest.Config{Users: []string{"zbx on >pw ~storm:* +@all -time"}})
	srv.Do(t, "SADD", "storm:jobs", "bare", "done", "live")
	srv.Do(t, "SET", "storm:job:bare", "ACTIVE")
	srv.Do(t, "HSET", "storm:job:done", "status", "SUCCESS", "updated_at", "1700000000", "last_success_at", "1700000000")
	srv.Do(t, "HSET", "storm:job:live", "status", "ACTIVE", "updated_at", "1700000000", "processed", "7")
	store := open(t, dial(t, srv, "AUTH", "zbx", "pw"), defaults)
	const refused = "the server's time is not known: TIME: NOPERM"
	for range 2 {
		jobs := readAll(t, store).Jobs
		require.Len(t, jobs, 3)
		for i, name := range []string{"bare", "done", "live"} {
			for _, j := range []job{jobs[i], read(t, store, name)} {
				require.Equal(t, name, j.Name)
				require.False(t, j.HasAge)
				require.False(t, j.HasSuccessAge)
				switch name {
				case "bare":
					require.NoError(t, j.Err)
					require.Equal(t, statusActive, j.Status)
					require.Empty(t, j.Unavailable, "it has no age to be stale by")
				case "done":
					require.NoError(t, j.Err)
					require.Equal(t, Success, j.Status)
					require.Len(t, j.Unavailable, 2)
					require.Equal(t, "age", j.Unavailable[0].Name)
					require.Contains(t, j.Unavailable[0].Reason, refused)
					require.Equal(t, "success_age", j.Unavailable[1].Name)
				case "live":
					require.ErrorContains(t, j.Err, "ACTIVE, or stale: "+refused)
					n, _ := j.Number("processed")
					require.Equal(t, 7.0, n, "the rest of the record stands")
				}
			}
		}
	}
	require.Contains(t, srv.Do(t, "INFO", "errorstats"), "errorstat_NOPERM:count=1\r\n", "it is not asked again")
}
