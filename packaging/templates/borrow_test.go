package templates

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
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

// check is what switches a problem off, which has a session's name as its context there, and its own name here.
var check = regexp.MustCompile(`\{\$[A-Z]+\.CHECK(:"[^"]*")?\}(=1 and |<>1 or )`)

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
	items := map[string]bool{}
	triggers := 0
	for _, i := range one.items {
		name, _, _ := strings.Cut(i.Key, "[")
		twin := many.byKey[name+`["{#SESSION}"]`]
		if twin == nil {
			continue
		}
		items[name] = true
		must := func(well bool, format string, args ...any) { many.must(t, well, twin.Key, format, args...) }
		name = "Session {#SESSION}: " + strings.TrimPrefix(i.Name, "Redis: ")
		must(twin.Name == name, "its name must be %q", name)
		must(tagValue(twin.Tags, "session") == "{#SESSION}", "it needs the tag session")
		must(i.Type != "DEPENDENT" || twin.MasterItem.Key == `redis.get["{#SESSION}"]`, "its master item must be redis.get of the session")
		for _, same := range [][2]any{
			{i.Type, twin.Type}, {i.Units, twin.Units}, {i.ValueMap, twin.ValueMap}, {i.Description, twin.Description}, {i.ValueType, twin.ValueType},
			{i.History, twin.History}, {i.Trends, twin.Trends}, {i.Preprocessing, twin.Preprocessing}, {tagValue(i.Tags, "component"), tagValue(twin.Tags, "component")},
		} {
			must(reflect.DeepEqual(same[0], same[1]), "it must be %v, as %s of %s is, not %v", same[0], i.Key, one.Name, same[1])
		}
	}
	const source = "redis_sessions_by_redisjobs.yaml"
	s, err := decodeSource(filepath.Join("source", source))
	require.NoError(t, err)
	var borrowed borrowing
	for _, r := range s.Rules {
		if r.Borrow.From != "" {
			borrowed = r.Borrow
		}
	}
	for _, key := range append([]string{"redis.get"}, borrowed.Items...) {
		name, _, _ := strings.Cut(key, "[")
		says(t, items[name], fmt.Sprintf("packaging/templates/source/%s: %s is to be borrowed, and not both templates have it", source, key))
	}
	for _, tr := range many.triggers {
		at := slices.IndexFunc(one.triggers, func(o *trigger) bool { return o.Name == asOfOne.Replace(tr.Name) })
		if at < 0 {
			many.must(t, tr.rule == nil, tr.Name, "%s has no such trigger", one.Name)
			continue
		}
		triggers++
		twin := one.triggers[at]
		must := func(well bool, format string, args ...any) { many.must(t, well, tr.Name, format, args...) }
		plain := func(s string) string { return check.ReplaceAllString(strings.ReplaceAll(s, "[{#SINGLETON}]", ""), "") }
		for _, text := range [][2]string{{twin.Expression, tr.Expression}, {twin.Recovery, tr.Recovery}, {twin.EventName, tr.EventName}} {
			must(plain(text[0]) == plain(asOfOne.Replace(text[1])), "it must be %s as in %s, not %s", plain(text[0]), one.Name, plain(asOfOne.Replace(text[1])))
		}
		asked := strings.Replace(twin.OpData, ", REDIS.CONN: {$REDIS.CONN}", "", 1) // the session stands in the trigger's name
		must(asked+twin.Priority+twin.ManualClose+twin.RecoveryMode == tr.OpData+tr.Priority+tr.ManualClose+tr.RecoveryMode,
			"its data, severity and recovery must be those of %s", one.Name)
		must(!thresholds.MatchString(tr.Expression+tr.Recovery+tr.EventName), "each session must be able to have its own threshold")
		must(tagValue(tr.Tags, "session") == "{#SESSION}", "it needs the tag session")
		var causes []string
		for _, on := range tr.Dependencies[1:] {
			causes = append(causes, asOfOne.Replace(on.Name))
		}
		must(tr.Dependencies[0].Name == "Sessions: No data from the plugin", "it must first depend on Sessions: No data from the plugin")
		for _, on := range twin.Dependencies {
			there := slices.ContainsFunc(many.triggers, func(o *trigger) bool { return asOfOne.Replace(o.Name) == on.Name })
			must(there == slices.Contains(causes, on.Name), "it must depend on %q, if that is there", on.Name)
		}
		// A session that is taken out of the configuration is no longer down.
		must((tr.Name == "Session {#SESSION}: Server is down") == strings.Contains(tr.Expression, `rj.sessions.present["{#SESSION}"])=1`),
			"that a server is down, and nothing else, asks whether the session is present")
	}
	require.NotEmpty(t, borrowed.Triggers)
	says(t, triggers == len(borrowed.Triggers), fmt.Sprintf("packaging/templates/source/%s: %d triggers are to be borrowed, and %d are those of %s",
		source, len(borrowed.Triggers), triggers, one.Name))
	for _, m := range many.Macros {
		for _, o := range one.Macros {
			if asOfOne.Replace(m.Macro) == o.Macro && !strings.Contains(m.Macro, ".FILTER.") {
				many.must(t, o.Value == m.Value, m.Macro, "it must be %s, as in %s, not %s", o.Value, one.Name, m.Value)
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
		"- Too many slow commands":           "1 of the triggers to borrow are not in",
		"graphs: [Clients,":                  "1 of the graphs to borrow are not in",
		"from: redis_by_redisjobs.yaml":      "no such file",
		"        Server is down: 'last(//rj": `"Servant is down" is to have a condition and is not borrowed`,
	} {
		is := ""
		if !strings.HasSuffix(was, "\n") {
			is = strings.NewReplacer("rj.redis.flavour", "rj.redis.flavor", "slow", "quick", "Clients", "Customers", "redis_by", "red_by", "Server", "Servant").Replace(was)
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
