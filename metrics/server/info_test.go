package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
)

func TestInfoEqualsTheBuiltInPluginOnTheGoldenFiles(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/golden/*.info.txt")
	require.NoError(t, err)
	require.Len(t, files, 7)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".info.txt")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			want, err := os.ReadFile(strings.TrimSuffix(file, ".info.txt") + ".builtin.json")
			require.NoError(t, err)
			got, err := infoJSON(text, "default")
			require.NoError(t, err)
			if bytes.HasPrefix(want, []byte("PANIC")) {
				require.Equal(t, "edge_kvrocks_keyspace", name)
				want = []byte(`{"Keyspace":{"db0":{"avg_ttl":"0","expired":"0","expires":"0","keys":"0"},` +
					`"last_dbsize_scan_timestamp":"0","sequence":"0"}}`)
			}
			require.Equal(t, string(bytes.TrimSuffix(want, []byte("\n"))), got)
		})
	}
}

func TestInfoJSONOfOddTexts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want, wantErr string }{
		{name: "the last of two equal fields counts", text: "# A\nx:1\nx:2\n", want: `{"A":{"x":"2"}}`},
		{name: "two headers of one name are one section", text: "# B\nx:1\n# A\ny:1\n# B\nw:3\nx:2\n",
			want: `{"A":{"y":"1"},"B":{"w":"3","x":"2"}}`},
		{name: "an empty section is kept", text: "# Modules\r\n\r\n", want: `{"Modules":{}}`},
		{name: "a bare hash is skipped", text: "#\n# \n# A\nx:1", want: `{"A":{"x":"1"}}`},
		{name: "a line without a colon is skipped", text: "# A\nhello\nx:1", want: `{"A":{"x":"1"}}`},
		{name: "blanks around a value go", text: "# A\nx:  1 2\t\n", want: `{"A":{"x":"1 2"}}`},
		{name: "an empty value stays", text: "# A\nx:\r\n", want: `{"A":{"x":""}}`},
		{name: "HTML characters are escaped", text: "# A\nx:<b>&\n", want: `{"A":{"x":"\u003cb\u003e\u0026"}}`},
		{name: "text behind a second equal sign is dropped", text: "# Keyspace\ndb0:a=1=2,b=3\n",
			want: `{"Keyspace":{"db0":{"a":"1","b":"3"}}}`},
		{name: "a colon in a command's name stays with the value", text: "# Commandstats\ncmdstat_host::calls=1\n",
			want: `{"Commandstats":{"cmdstat_host":{":calls":"1"}}}`},
		{name: "replicas of very old servers are strings", text: "# Replication\nslave0:10.0.0.1,6379,online\n",
			want: `{"Replication":{"slave0":"10.0.0.1,6379,online"}}`},
		{name: "a part without an equal sign among others is empty", text: "# Keyspace\ndb0:keys=1,x,\n",
			want: `{"Keyspace":{"db0":{"keys":"1","x":""}}}`},
		{name: "only slave and a digit is a replica", text: "# Replication\nslave_read_only:a=1\nslave12:a=1\n",
			want: `{"Replication":{"slave12":{"a":"1"},"slave_read_only":"a=1"}}`},
		{name: "other sections are not taken apart", text: "# Errorstats\nerrorstat_X:count=1\n",
			want: `{"Errorstats":{"errorstat_X":"count=1"}}`},
		{name: "text before the first section is an error", text: "x:1\n# A\n",
			wantErr: `cannot read the reply to INFO: "x:1" stands before the first section`},
		{name: "text without sections is an error", text: "hello\n", wantErr: "the reply to INFO has no sections"},
		{name: "an empty reply is an unknown section", text: "", wantErr: `the server has no INFO section "nosuch"`},
		{name: "a blank reply is an unknown section", text: "\r\n", wantErr: `the server has no INFO section "nosuch"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := infoJSON([]byte(tt.text), "nosuch")
			if tt.wantErr != "" {
				require.EqualError(t, err, tt.wantErr)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestInfoLinesMayHaveAnyLength(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 200_000)
	got, err := infoJSON([]byte("# A\nx:"+long+"\n"), "a")
	require.NoError(t, err)
	require.Equal(t, `{"A":{"x":"`+long+`"}}`, got)
}

func TestOfManyEqualFieldsTheLastCounts(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("# Stats\n")
	for i := range 100 {
		fmt.Fprintf(&text, "x:%d\na%d:1\nx_long_name:%d\n", i, i, i)
	}
	got, err := infoJSON([]byte(text.String()), "stats")
	require.NoError(t, err)
	require.Contains(t, got, `"x":"99","x_long_name":"99"`)
	require.Contains(t, getDocument([]byte(text.String())), `"x":99,"x_long_name":99`)
}

func TestInfoAsksForTheSectionInLowerCase(t *testing.T) {
	t.Parallel()
	d := &metrictest.ScriptDoer{Replies: map[string]string{"INFO replication": "$15\r\n# Server\r\na:b\r\n\r\n", "INFO default": "-NOPERM no\r\n"}}
	got, err := metrictest.Collect(t, Info, d, "", "", "Replication")
	require.NoError(t, err)
	require.Equal(t, `{"Server":{"a":"b"}}`, got)

	_, err = metrictest.Collect(t, Info, d)
	require.EqualError(t, err, "INFO default: NOPERM no")
	require.Equal(t, 2, d.Calls)
}

var slaveRe = regexp.MustCompile(`^slave\d+`)

// naiveInfo does what infoJSON does with maps and encoding/json.
// infoJSON is writeInfo's document as a string.
func infoJSON(text []byte, section string) (string, error) {
	w := jsondoc.New(len(text) + len(text)/2)
	err := writeInfo(w, text, section)
	return w.Document(), err
}

func naiveInfo(text string) (string, bool) {
	doc := map[string]map[string]any{}
	var section string
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSuffix(line, "\r")
		if rest, ok := strings.CutPrefix(line, "#"); ok {
			if rest = strings.TrimPrefix(rest, " "); rest != "" {
				section = rest
				if doc[section] == nil {
					doc[section] = map[string]any{}
				}
			}
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		if section == "" {
			return "", false
		}
		value = strings.TrimSpace(value)
		doc[section][key] = value
		nested := section == "Keyspace" || section == "Commandstats" ||
			section == "Replication" && slaveRe.MatchString(key)
		if nested && strings.Contains(value, "=") {
			pairs := map[string]string{}
			for _, part := range strings.Split(value, ",") {
				if part == "" {
					continue
				}
				kv := append(strings.Split(part, "="), "")
				pairs[kv[0]] = kv[1]
			}
			doc[section][key] = pairs
		}
	}
	out, err := json.Marshal(doc)
	return string(out), err == nil && len(doc) > 0
}

func FuzzInfo(f *testing.F) {
	files, _ := filepath.Glob("testdata/golden/*.info.txt")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, s := range []string{
		"", "#", "# ", "#A\nx:y", "# A\n:\n", "# Keyspace\ndb0:=,=,a==b,\n", "# Replication\nslave0\nslave1:\nslave2:x,y=1\n",
		"# B\na:1\n# A\nb:2\n# B\na:3\n", "x:1", "# A\r\r\nx:1\r\r\n", "# Commandstats\ncmdstat_a:b=1,b=2,a\n", "# A\nx:\u00a0\u20281\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		want, ok := naiveInfo(string(text))
		got, err := infoJSON(text, "x")
		require.Equal(t, ok, err == nil)
		if err == nil {
			require.Equal(t, want, got)
		}
		// The master item reads the same text; its document must be one too.
		metrictest.RequireUniqueJSON(t, getDocument(text))
	})
}

func BenchmarkInfo(b *testing.B) {
	text, err := os.ReadFile("testdata/golden/redis7.0.15_master_everything.info.txt")
	require.NoError(b, err)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := infoJSON(text, "everything"); err != nil {
			b.Fatal(err)
		}
	}
}

func TestInfoAllocatesThreeTimes(t *testing.T) {
	if redistest.RaceEnabled {
		t.Skip("allocations cannot be pinned under the race detector")
	}
	text, err := os.ReadFile("testdata/golden/redis7.0.15_master_everything.info.txt")
	require.NoError(t, err)
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() {
		_, _ = infoJSON(text, "everything")
	}), 3.0)
}

// TestInfoInsideAFrameIsTheSameAnswer compares an answer on its way to an agent
// with the plain one.
func TestInfoInsideAFrameIsTheSameAnswer(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"# Server\r\nredis_version:7.0.15\r\n\r\n# Keyspace\r\ndb0:keys=1,expires=0\r\n",
		"# Odd \"name\"\r\nfield<1>:back\\slash & \xff\r\n# Replication\r\nslave0:ip=\"x\",port=1\r\n",
		"no section",
		"",
	} {
		d := &metrictest.ScriptDoer{Replies: map[string]string{"INFO all": metrictest.Bulk(text)}}
		args, err := Info.ParseArgs([]string{"", "", "ALL"})
		require.NoError(t, err)
		request := &item.Request{Target: metrictest.NewTarget(d), Args: args, Env: &item.Env{}}
		want, wantErr := Info.Answer(t.Context(), request)
		w := jsondoc.NewQuoted([]byte("before"))
		err = Info.Collect(t.Context(), request, w)
		require.Equal(t, wantErr, err)
		if err == nil {
			require.Equal(t, string(jsondoc.AppendInside([]byte("before"), want)), string(w.Bytes()))
			require.Equal(t, len(want), w.Len())
		}
	}
}
