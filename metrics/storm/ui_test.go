package storm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

// pages is a UI that answers with these texts by path.
type pages struct {
	mu      sync.Mutex
	answers map[string]any // string or error
	asked   []string
}

func (p *pages) Get(_ context.Context, path string) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, path)
	switch a := p.answers[path].(type) {
	case string:
		return []byte(a), nil
	case error:
		return nil, a
	}
	return nil, fmt.Errorf("nobody expected %s", path)
}

// refused is an answer with another status than 200.
type refused struct {
	code int
	text string
}

func (r refused) Error() string   { return fmt.Sprint(r.code, " ", r.text) }
func (r refused) StatusCode() int { return r.code }
func (r refused) Message() string { return r.text }

func recorded(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "ui-1.2.4", name+".json"))
	require.NoError(t, err)
	return string(text)
}

const (
	ordersID   = "orders-1-1795266310"
	ordersPage = "/api/v1/topology/" + ordersID + "?window=600&sys=0"
	ordersLag  = "/api/v1/topology/" + ordersID + "/lag"
)

// recordedUI answers as the real one did.
func recordedUI(t testing.TB) *pages {
	return &pages{answers: map[string]any{
		summaryPath:    recorded(t, "topology-summary"),
		ordersPage:     recorded(t, "topology"),
		ordersLag:      recorded(t, "lag"),
		clusterPath:    recorded(t, "cluster-summary"),
		nimbusPath:     recorded(t, "nimbus-summary"),
		supervisorPath: recorded(t, "supervisor-summary"),
	}}
}

func figure(t testing.TB, all []namedFigure, name string) float64 {
	t.Helper()
	for _, f := range all {
		if f.Name == name {
			return f.Value
		}
	}
	require.Fail(t, "no such figure", "%s in %v", name, all)
	return 0
}

func TestTheRealUIsTopologyInDetail(t *testing.T) {
	t.Parallel()
	web := recordedUI(t)
	ui := newUI(web, &item.Memory{}, 0)
	j, err := ui.Job(t.Context(), query{Name: "orders", Details: true})
	require.NoError(t, err)
	require.NoError(t, j.Err)
	require.Equal(t, statusActive, j.Status)
	require.Equal(t, ordersID, j.Key)
	require.Empty(t, j.Unavailable)
	require.False(t, j.HasAge, "one look shows no sign of life")
	for name, want := range map[string]float64{"started_at": 1795266310, "processed": 1800, "emitted": 18013} {
		got, ok := j.Number(name)
		require.True(t, ok, name)
		require.Equal(t, want, got, name)
	}
	_, ok := j.Number("failed")
	require.False(t, ok, "the UI says null")
	_, ok = j.Number("lag")
	require.False(t, ok, "no spout tells its lag")
	message, _ := j.Text("message")
	require.Equal(t, "java.lang.IllegalStateException: a number was odd", message)

	top := j.Topology
	require.Equal(t, "root", top.Owner)
	require.Equal(t, 6.0, figure(t, top.Figures, "executors"))
	require.Equal(t, 80.0*(1<<20), figure(t, top.Figures, "assigned_memory"))
	require.Equal(t, 0.007582, figure(t, top.Window, "complete_latency"), "seconds, of a string of milliseconds")
	require.Equal(t, "work", top.CapacityBolt)
	require.Equal(t, 0.115, top.CapacityMax)
	require.Equal(t, "work", top.ErrorComponent)
	require.Equal(t, 38.0, top.ErrorAge)
	require.Len(t, top.Spouts, 1)
	require.Equal(t, "numbers", top.Spouts[0].ID)
	require.Equal(t, 0.007582, figure(t, top.Spouts[0].Figures, "complete_latency"))
	require.Len(t, top.Bolts, 5)
	work := top.Bolts[4]
	require.Equal(t, "work", work.ID)
	require.Equal(t, 0.002424, figure(t, work.Figures, "execute_latency"))
	require.Equal(t, 1795266320.0, figure(t, work.Figures, "error_at"))
	require.Equal(t, "java.lang.IllegalStateException: a number was odd", work.LastError)
	require.Equal(t, "127.0.0.1", work.ErrorHost)

	require.ElementsMatch(t, []string{summaryPath, ordersPage, ordersLag}, web.asked)
	web.asked = nil
	_, err = ui.Job(t.Context(), query{Name: "orders", Details: true})
	require.NoError(t, err)
	require.ElementsMatch(t, []string{summaryPath, ordersPage}, web.asked, "a topology without a lag is not asked for it again")
	web.asked = nil
	j, err = ui.Job(t.Context(), query{Name: "orders"})
	require.NoError(t, err)
	require.False(t, j.Topology.Detailed)
	require.ElementsMatch(t, []string{summaryPath, ordersPage}, web.asked)
}

func TestAllTopologiesTakeOneRequest(t *testing.T) {
	t.Parallel()
	web := recordedUI(t)
	web.answers[summaryPath] = recorded(t, "topology-summary-inactive")
	jobs, err := newUI(web, &item.Memory{}, 0).Jobs(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{summaryPath}, web.asked)
	require.Len(t, jobs.Jobs, 1)
	require.Equal(t, "orders", jobs.Jobs[0].Name)
	require.Equal(t, statusInactive, jobs.Jobs[0].Status)
	require.Equal(t, 1.0, figure(t, jobs.Jobs[0].Topology.Figures, "workers"))
}

func TestATopologyWithoutWorkersGetsStale(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		web := recordedUI(t)
		ui := newUI(web, &item.Memory{}, 5*time.Minute)
		ask := func(maxAge time.Duration) job {
			t.Helper()
			j, err := ui.Job(t.Context(), query{Name: "orders", MaxAge: maxAge})
			require.NoError(t, err)
			require.NoError(t, j.Err)
			return j
		}
		require.Equal(t, statusActive, ask(time.Second).Status)
		time.Sleep(time.Minute)
		// The worker's last heartbeat came between the two answers.
		web.answers[ordersPage] = recorded(t, "topology-noworker")
		j := ask(time.Second)
		require.Equal(t, statusActive, j.Status)
		require.True(t, j.HasAge)
		require.Zero(t, j.Age)
		time.Sleep(time.Minute)
		j = ask(0)
		require.Equal(t, statusActive, j.Status)
		require.Equal(t, 60.0, j.Age)
		require.Equal(t, statusStale, ask(59*time.Second).Status)
		time.Sleep(4*time.Minute + time.Second)
		require.Equal(t, statusStale, ask(0).Status, "StaleAfter holds without a limit of its own")
		jobs, err := ui.Jobs(t.Context())
		require.NoError(t, err)
		require.Equal(t, statusStale, jobs.Jobs[0].Status, "the list knows what the item saw")
		raw, _ := jobs.Jobs[0].Text("status")
		require.Equal(t, "ACTIVE", raw)

		web.answers[summaryPath] = recorded(t, "topology-summary-inactive")
		require.Equal(t, statusInactive, ask(time.Second).Status, "who rests is never stale")
	})
}

func TestATopologyThatIsGoneIsMissing(t *testing.T) {
	t.Parallel()
	web := recordedUI(t)
	ui := newUI(web, &item.Memory{}, 0)
	j, err := ui.Job(t.Context(), query{Name: "invoices"})
	require.NoError(t, err)
	require.Equal(t, job{Name: "invoices", Status: statusMissing}, j)
	var said struct{ ErrorMessage string }
	require.NoError(t, json.Unmarshal([]byte(recorded(t, "not-alive")), &said))
	for _, gone := range []error{refused{500, said.ErrorMessage}, refused{404, ""}} {
		web.answers[ordersPage] = fmt.Errorf("get: %w", gone)
		j, err = ui.Job(t.Context(), query{Name: "orders", Details: true})
		require.NoError(t, err)
		require.Equal(t, job{Name: "orders", Status: statusMissing}, j, "it went between the two questions")
	}
	web.answers[ordersPage] = errors.New("slow\nUI")
	j, err = ui.Job(t.Context(), query{Name: "orders", Details: true})
	require.NoError(t, err)
	require.Equal(t, statusActive, j.Status, "the summary told it")
	require.Equal(t, []unreadable{{"topology", "slow UI"}}, j.Unavailable)
}

func TestOfTwoTopologiesOfOneNameTheLivingOneCounts(t *testing.T) {
	t.Parallel()
	for _, order := range []string{
		`{"id":"a-1-1700000000","name":"a","status":"KILLED"},{"id":"a-2-1700000100","name":"a","status":"ACTIVE"}`,
		`{"id":"a-2-1700000100","name":"a","status":"ACTIVE"},{"id":"a-1-1700000000","name":"a","status":"KILLED"}`,
	} {
		web := &pages{answers: map[string]any{summaryPath: `{"topologies":[` + order + `]}`}}
		jobs, err := newUI(web, &item.Memory{}, 0).Jobs(t.Context())
		require.NoError(t, err)
		require.Len(t, jobs.Jobs, 1)
		require.Equal(t, "a-2-1700000100", jobs.Jobs[0].Key)
	}
}

func TestOddFiguresAreLeftOut(t *testing.T) {
	t.Parallel()
	web := &pages{answers: map[string]any{
		summaryPath: `{"topologies":[7,null,{"name":"a","id":"a-1-1700000000","status":"ACTIVE","uptimeSeconds":"12","workersTotal":null,
			"executorsTotal":"many","tasksTotal":{},"replicationCount":-1,"requestedCpu":"150.0"}]}`,
		"/api/v1/topology/a-1-1700000000?window=600&sys=0": `{"topologyStats":[{"window":600,"trasferred":"5","completeLatency":"NaN"}],
			"spouts":[{"spoutId":"s","emitted":"x","lastError":{}},{"emitted":3},"no"],"bolts":null,"workers":{}}`,
		"/api/v1/topology/a-1-1700000000/lag": `{"s":{"spoutId":"s","spoutType":"KAFKA","spoutLagResult":{"t":{"0":{"lag":3},"1":{"lag":"4"}}}},
			"u":{"spoutId":"u","errorInfo":"no broker\nstack"}}`,
	}}
	j, err := newUI(web, &item.Memory{}, 0).Job(t.Context(), query{Name: "a", Details: true})
	require.NoError(t, err)
	require.Equal(t, []namedFigure{{"uptime", 12}, {"requested_cores", 1.5}}, j.Topology.Figures)
	require.Equal(t, []namedFigure{{"transferred", 5}}, j.Topology.Window)
	require.Equal(t, []component{{ID: "s", Figures: []namedFigure{{"lag", 7}}}}, j.Topology.Spouts)
	require.Empty(t, j.Topology.Bolts)
	require.Empty(t, j.Topology.CapacityBolt)
	_, ok := j.Number("lag")
	require.False(t, ok, "not of all spouts")
	require.Equal(t, []unreadable{{"lag", `the spout "u": no broker`}}, j.Unavailable)
}

func TestTheLagOfAllSpoutsIsTheJobs(t *testing.T) {
	t.Parallel()
	web := recordedUI(t)
	web.answers[ordersLag] = `{"numbers":{"spoutId":"numbers","spoutLagResult":{"t":{"0":{"lag":3},"1":{"lag":40}},"u":{"0":{"lag":500}}}}}`
	ui := newUI(web, &item.Memory{}, 0)
	for range 2 {
		j, err := ui.Job(t.Context(), query{Name: "orders", Details: true})
		require.NoError(t, err)
		lag, ok := j.Number("lag")
		require.True(t, ok)
		require.Equal(t, 543.0, lag)
	}
	require.Len(t, web.asked, 6, "it is asked for each time")
}

// A UI that has to ask Kafka takes long; the rest of the document does not wait
// for it past the deadline.
func TestASlowLagIsLeftOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ui := newUI(slowLag{recordedUI(t)}, &item.Memory{}, 0)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		j, err := ui.Job(ctx, query{Name: "orders", Details: true})
		require.NoError(t, err)
		require.NoError(t, ctx.Err())
		require.True(t, j.Topology.Detailed)
		require.Len(t, j.Unavailable, 1)
		require.Equal(t, "lag", j.Unavailable[0].Name)
	})
}

type slowLag struct{ *pages }

func (s slowLag) Get(ctx context.Context, path string) ([]byte, error) {
	if strings.HasSuffix(path, "/lag") {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s.pages.Get(ctx, path)
}

func TestWhatIsNoUIIsAProtocolError(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "<html>Login</html>", "[]", `{"a":`, "{}", `{"topologies":null}`, `{"topologies":5}`} {
		ui := newUI(&pages{answers: map[string]any{summaryPath: body, clusterPath: body}}, &item.Memory{}, 0)
		_, err := ui.Jobs(t.Context())
		require.Equal(t, redisclient.ReasonProtocol, redisclient.ReasonOf(err), body)
		_, err = ui.Job(t.Context(), query{Name: "a"})
		require.Equal(t, redisclient.ReasonProtocol, redisclient.ReasonOf(err), "not missing: %s", body)
		_, err = ui.Cluster(t.Context())
		require.Equal(t, redisclient.ReasonProtocol, redisclient.ReasonOf(err), body)
	}
}

func TestListsOfTheUIAreBounded(t *testing.T) {
	t.Parallel()
	row := func(i int) string {
		return fmt.Sprintf(`{"id":"t%05d-1-1700000000","name":"t%05d","status":"ACTIVE","boltId":"b%05d","host":"h"}`, i, i, i)
	}
	var rows []string
	for i := range maxJobs + 5 {
		rows = append(rows, row(i))
	}
	all := strings.Join(rows, ",")
	web := &pages{answers: map[string]any{
		summaryPath: `{"topologies":[` + all + `]}`,
		"/api/v1/topology/t00000-1-1700000000?window=600&sys=0": `{"bolts":[` + all + `]}`,
		clusterPath: `{"slotsTotal":1}`, nimbusPath: `{"nimbuses":[` + all + `]}`, supervisorPath: `{"supervisors":[` + all + `]}`,
	}}
	ui := newUI(web, &item.Memory{}, 0)
	jobs, err := ui.Jobs(t.Context())
	require.NoError(t, err)
	require.Len(t, jobs.Jobs, maxJobs)
	require.Equal(t, 5, jobs.Truncated)
	j, err := ui.Job(t.Context(), query{Name: "t00000", Details: true})
	require.NoError(t, err)
	require.Len(t, j.Topology.Bolts, maxComponents)
	require.Equal(t, 5, j.Topology.Truncated)
	c, err := ui.Cluster(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[string]int{"nimbuses": 5, "supervisors": 5}, c.Truncated)
}

// Whatever a server answers, it is read without a panic, and no figure is
// invented.
func FuzzUI(f *testing.F) {
	for _, name := range []string{"topology", "topology-summary", "cluster-summary", "nimbus-summary", "supervisor-summary", "no-leader"} {
		f.Add(recorded(f, name))
	}
	f.Add(`{"topologies":[{"name":"a","id":"","status":7}],"spouts":[{"spoutId":1e400,"errorLapsedSecs":-0}],"slotsTotal":"1e9"}`)
	f.Add(`{"s":{"spoutLagResult":{"t":{"0":{"lag":"1e308"},"1":{"lag":1e308}}}}}`)
	f.Fuzz(func(t *testing.T, body string) {
		web := &sameAnswer{body}
		ui := newUI(web, &item.Memory{}, 0)
		var all []namedFigure
		jobs, err := ui.Jobs(t.Context())
		if err == nil {
			for _, j := range jobs.Jobs {
				require.NoError(t, CheckName(j.Name))
				all = append(all, j.Topology.Figures...)
				detailed, err := ui.Job(t.Context(), query{Name: j.Name, Details: true})
				require.NoError(t, err)
				if detailed.Topology != nil {
					for _, c := range append(detailed.Topology.Spouts, detailed.Topology.Bolts...) {
						require.NotEmpty(t, c.ID)
						all = append(all, c.Figures...)
					}
				}
			}
		}
		if c, err := ui.Cluster(t.Context()); err == nil {
			all = append(all, c.Figures...)
		}
		for _, f := range all {
			require.GreaterOrEqual(t, f.Value, 0.0, f.Name)
			require.LessOrEqual(t, f.Value, math.MaxFloat64, "finite: %s", f.Name)
		}
		var page topologyAnswer
		if decodeUI("/", []byte(body), &page) == nil {
			j := (&summaryRow{}).job()
			lag, _ := parseLag("/", []byte(body))
			j.detail(&page, lag)
		}
	})
}

// sameAnswer answers everything with one text.
type sameAnswer struct{ body string }

func (a *sameAnswer) Get(context.Context, string) ([]byte, error) { return []byte(a.body), nil }
