package sentinel

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

// certain are the members that say something of all sentinels together.
func certain(t *testing.T, doc map[string]any, name string) []any {
	t.Helper()
	m := metrictest.Row(t, doc["masters"], "name", name)
	return []any{m["agree"], doc["disagreements"], m["drifts"], doc["drifts"], doc["tilt"], doc["partial"]}
}

// TestAUserThatMayNotListTheOtherSentinels: those that cannot be asked may say anything.
func TestAUserThatMayNotListTheOtherSentinels(t *testing.T) {
	t.Parallel()
	w := redistest.NewWatched(t, redistest.Find(t, "redis-8.6").Bin, "", "")
	one := w.Sentinels[0]
	one.Do(t, "ACL", "SETUSER", "limited", "on", ">s3cret", "-@all", "+ping", "+info", "+sentinel|masters")
	for _, s := range w.Sentinels[1:] {
		s.Do(t, "SENTINEL", "REMOVE", "mymaster")
	}
	full := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, dialPeers(t, one.Addr))))
	require.Equal(t, []any{0.0, 1.0, nil, nil, 0.0, false}, certain(t, full, "mymaster"))

	target, _ := metrictest.DialPeers(t, redisclient.Config{Address: one.Addr, User: "limited", Password: "s3cret"})
	doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, target)))
	require.Equal(t, []any{nil, nil, nil, nil, nil, true}, certain(t, doc, "mymaster"), "%v", doc)
	require.Contains(t, doc["unavailable"], "sentinels")
	m := metrictest.Row(t, doc["masters"], "name", "mymaster")
	for _, unknown := range []string{"usable_sentinels", "known_sentinels", "has_quorum", "has_majority", "sentinels", "available_replicas", "replicas", "views"} {
		require.NotContains(t, m, unknown)
	}
}

// TestWhatIsKnownWhereACommandIsRefused: what was seen is said, and that there is nothing
// only where all could be asked.
func TestWhatIsKnownWhereACommandIsRefused(t *testing.T) {
	t.Parallel()
	const refused = "-NOPERM no\r\n"
	// knowing is a sentinel that counts others and has a quorum of its own.
	knowing := func(id, ip, quorum, others string, replies ...string) *item.Target {
		fields := []string{"name", "m", "ip", ip, "port", "6379", "flags", "master", "quorum", quorum}
		if others != "" {
			fields = append(fields, "num-other-sentinels", others)
		}
		s := sentinelOf(id, listReply(flatReply(fields...)))
		for i := 0; i < len(replies); i += 2 {
			s.Doer.(*metrictest.ScriptDoer).Replies[replies[i]] = replies[i+1]
		}
		s.Name = "tcp://" + id + ":26379"
		s.Peer = func(string) (*item.Target, error) { return nil, errors.New("not reached") }
		return s
	}
	stranger := sentinelOf("id2", listReply())
	stranger.Name = "tcp://id2:26379"
	noList := []string{"SENTINEL SENTINELS m", refused}
	tilted := metrictest.Bulk("# Sentinel\r\nsentinel_tilt:1\r\n")
	for _, tt := range []struct {
		name        string
		views       []*item.Target
		want        []any // agree, disagreements, drifts twice, tilt, partial
		unavailable string
	}{
		{"it knows no other", []*item.Target{knowing("id1", "10.0.0.1", "2", "0", noList...)}, []any{1.0, 0.0, nil, nil, 0.0, false}, "sentinels"},
		{"it does not count the others", []*item.Target{knowing("id1", "10.0.0.1", "2", "", noList...)}, []any{nil, nil, nil, nil, nil, true}, "sentinels"},
		{"all are sentinels of the target", []*item.Target{knowing("id1", "10.0.0.1", "2", "1", noList...), knowing("id2", "10.0.0.1", "2", "1")},
			[]any{1.0, 0.0, 0.0, 0.0, 0.0, false}, "sentinels"},
		{"one is none of the target", []*item.Target{knowing("id1", "10.0.0.1", "2", "2", noList...), knowing("id2", "10.0.0.1", "2", "2")},
			[]any{nil, nil, nil, nil, nil, true}, "sentinels"},
		{"two disagree, whatever the third says", []*item.Target{knowing("id1", "10.0.0.1", "2", "2", noList...), knowing("id2", "10.0.0.9", "3", "2", "INFO sentinel", tilted)},
			[]any{0.0, 1.0, 1.0, 1.0, 1.0, true}, "sentinels"},
		{"one does not know the master", []*item.Target{knowing("id1", "10.0.0.1", "2", "1", noList...), stranger}, []any{0.0, 1.0, nil, nil, nil, true}, "sentinels"},
		{"a row of the others cannot be read", []*item.Target{knowing("id1", "10.0.0.1", "2", "1", "SENTINEL SENTINELS m", listReply(peerFields(2, "sentinel"), ":1\r\n"))},
			[]any{nil, nil, nil, nil, nil, true}, ""},
		{"INFO is refused", []*item.Target{knowing("id1", "10.0.0.1", "2", "0"), knowing("id2", "10.0.0.1", "2", "0", "INFO sentinel", refused)},
			[]any{1.0, 0.0, 0.0, 0.0, nil, false}, "info"},
		{"INFO is refused, and one is in tilt", []*item.Target{knowing("id1", "10.0.0.1", "2", "0", "INFO sentinel", tilted), knowing("id2", "10.0.0.1", "2", "0", "INFO sentinel", refused)},
			[]any{1.0, 0.0, 0.0, 0.0, 1.0, false}, "info"},
		{"REPLICAS is refused", []*item.Target{knowing("id1", "10.0.0.1", "2", "0", "SENTINEL REPLICAS m", refused)}, []any{1.0, 0.0, nil, nil, 0.0, false}, "replicas"},
	} {
		target := metrictest.NewTarget(nil)
		target.Sentinels = func() []*item.Target { return tt.views }
		doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, target)))
		require.Equal(t, tt.want, certain(t, doc, "m"), tt.name)
		var missing []string
		for name, text := range doc["unavailable"].(map[string]any) {
			require.Equal(t, "NOPERM no", text)
			missing = append(missing, name)
		}
		require.Equal(t, tt.unavailable, strings.Join(missing, " "), tt.name)
		_, judged := metrictest.Row(t, doc["masters"], "name", "m")["has_majority"]
		require.Equal(t, tt.unavailable != "sentinels" && tt.unavailable != "", judged, "%s: it depends on all others", tt.name)
	}
}
