package doctor

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestASessionMayBeAStormUI(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer right" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `{"topologies":[]}`)
	}))
	t.Cleanup(s.Close)
	uri := "Plugins.RedisJobs.Sessions.UI.Uri=" + s.URL
	out := newTree(t, uri, "Plugins.RedisJobs.Sessions.UI.Token=right").examine(0)
	require.Contains(t, out, "UI ("+s.URL+") answers as a Storm UI")
	out = newTree(t, uri, "Plugins.RedisJobs.Sessions.UI.Token=wrong").examine(1)
	require.Contains(t, out, "UI ("+s.URL+"): get /api/v1/topology/summary: HTTP status 401 (Unauthorized)")
	require.Contains(t, out, "-> correct Plugins.RedisJobs.Sessions.UI.Token\n")
	require.NotContains(t, out, "wrong")
}
