package templates

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// asOfOne is what an expression for each session is for one server.
var asOfOne = strings.NewReplacer(
	`["{#SESSION}"]`, "", `:"{#SESSION}"`, "", "{$SESSIONS.", "{$REDIS.", "/Redis sessions by RedisJobs/", "/Redis by RedisJobs/",
	` and last(/Redis sessions by RedisJobs/rj.sessions.present["{#SESSION}"])=1`, "",
	"Session {#SESSION}: ", "Redis: ", "[{#SINGLETON}]", "",
)

// TestSessionsAreWatchedAsOneServer: what is borrowed is the same figure and the
// same problem, for each session.
func TestSessionsAreWatchedAsOneServer(t *testing.T) {
	t.Parallel()
	docs := map[string]*document{}
	for _, d := range load(t) {
		docs[d.Name] = d
	}
	one, many := docs["Redis by RedisJobs"], docs["Redis sessions by RedisJobs"]
	thresholds := regexp.MustCompile(`\{\$SESSIONS\.[A-Z_.]+\}`)
	items, triggers := 0, 0
	for _, i := range one.items {
		name, _, _ := strings.Cut(i.Key, "[")
		twin := many.byKey[name+`["{#SESSION}"]`]
		if twin == nil {
			continue
		}
		items++
		require.Equal(t, "Session {#SESSION}: "+strings.TrimPrefix(i.Name, "Redis: "), twin.Name)
		require.Equal(t, "{#SESSION}", tagValue(twin.Tags, "session"), twin.Key)
		if itemType(i.Type) == "DEPENDENT" {
			require.Equal(t, `redis.get["{#SESSION}"]`, twin.MasterItem.Key, twin.Key)
		}
		for _, same := range [][2]any{
			{i.Type, twin.Type}, {i.Units, twin.Units}, {i.ValueMap, twin.ValueMap}, {i.Description, twin.Description}, {i.ValueType, twin.ValueType},
			{i.History, twin.History}, {i.Trends, twin.Trends}, {i.Preprocessing, twin.Preprocessing}, {tagValue(i.Tags, "component"), tagValue(twin.Tags, "component")},
		} {
			require.Equal(t, same[0], same[1], twin.Key)
		}
	}
	require.Equal(t, 35, items)
	for _, tr := range many.triggers {
		at := slices.IndexFunc(one.triggers, func(o *trigger) bool { return o.Name == asOfOne.Replace(tr.Name) })
		if at < 0 {
			require.Nil(t, tr.rule, tr.Name)
			continue
		}
		triggers++
		twin := one.triggers[at]
		plain := func(s string) string { return strings.ReplaceAll(s, "[{#SINGLETON}]", "") }
		require.Equal(t, plain(twin.Expression), asOfOne.Replace(tr.Expression), tr.Name)
		require.Equal(t, plain(twin.Recovery), asOfOne.Replace(tr.Recovery), tr.Name)
		require.Equal(t, plain(twin.EventName), asOfOne.Replace(tr.EventName), tr.Name)
		require.Equal(t, twin.OpData+twin.Priority+twin.ManualClose+twin.RecoveryMode, tr.OpData+tr.Priority+tr.ManualClose+tr.RecoveryMode, tr.Name)
		require.Empty(t, thresholds.FindAllString(tr.Expression+tr.Recovery+tr.EventName, -1), "%s: each session must be able to have its own threshold", tr.Name)
		require.Equal(t, "{#SESSION}", tagValue(tr.Tags, "session"), tr.Name)
		var causes []string
		for _, on := range tr.Dependencies[1:] {
			causes = append(causes, asOfOne.Replace(on.Name))
		}
		require.Equal(t, "Sessions: No data from the plugin", tr.Dependencies[0].Name)
		for _, on := range twin.Dependencies {
			there := slices.ContainsFunc(many.triggers, func(o *trigger) bool { return asOfOne.Replace(o.Name) == on.Name })
			require.Equal(t, there, slices.Contains(causes, on.Name), "%s after %s", tr.Name, on.Name)
		}
		// A session that is taken out of the configuration is no longer down.
		require.Equal(t, tr.Name == "Session {#SESSION}: Server is down", strings.Contains(tr.Expression, `rj.sessions.present["{#SESSION}"])=1`), tr.Name)
	}
	require.Equal(t, 14, triggers)
	for _, m := range many.Macros {
		for _, o := range one.Macros {
			if asOfOne.Replace(m.Macro) == o.Macro && !strings.Contains(m.Macro, ".FILTER.") {
				require.Equal(t, *o.Value, *m.Value, m.Macro)
			}
		}
	}
}

// TestOnlyWhatIsThereIsBorrowed: a name that is gone from the other source is an
// error, and so is a trigger whose item nobody borrowed.
func TestOnlyWhatIsThereIsBorrowed(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("source/redis_sessions_by_redisjobs.yaml")
	require.NoError(t, err)
	from, err := os.ReadFile("source/redis_by_redisjobs.yaml")
	require.NoError(t, err)
	read := func(text string) error {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "redis_by_redisjobs.yaml"), from, 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "s.yaml"), []byte(text), 0o600))
		_, err := readSource(filepath.Join(dir, "s.yaml"))
		return err
	}
	require.NoError(t, read(string(text)))
	for was, want := range map[string]string{
		"        - rj.redis.flavour\n":       "",
		"        - rj.redis.reason\n":        "rj.redis.reason is needed and not borrowed",
		"        - rj.redis.memory.pused\n":  "rj.redis.memory.pused is needed and not borrowed",
		"- rj.redis.flavour":                 "1 of the items to borrow are not in",
		"- Slow commands":                    "1 of the triggers to borrow are not in",
		"graphs: [Clients,":                  "1 of the graphs to borrow are not in",
		"from: redis_by_redisjobs.yaml":      "no such file",
		"        Server is down: 'last(//rj": `"Servant is down" is to have a condition and is not borrowed`,
	} {
		is := ""
		if !strings.HasSuffix(was, "\n") {
			is = strings.NewReplacer("rj.redis.flavour", "rj.redis.flavor", "Slow", "Quick", "Clients", "Customers", "redis_by", "red_by", "Server", "Servant").Replace(was)
		}
		changed := strings.Replace(string(text), was, is, 1)
		require.NotEqual(t, string(text), changed, was)
		err := read(changed)
		if want == "" {
			require.NoError(t, err, was)
			continue
		}
		require.ErrorContains(t, err, want, was)
	}
}
