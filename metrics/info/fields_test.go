package info

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/jsondoc"
)

// written is the object that write makes.
func written(write func(w *jsondoc.Writer)) string {
	w := jsondoc.New(0)
	w.BeginObject()
	write(w)
	w.EndObject()
	return w.Document()
}

func TestFieldsAreWrittenWithTheTypeThatTheyHave(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]string{
		"used_memory:1024":              `{"used_memory":1024}`,
		"mem_fragmentation_ratio:-1.50": `{"mem_fragmentation_ratio":-1.50}`,
		"used_memory_human:1.00K":       `{}`,
		"used_memory_peak_perc:98.5%":   `{"used_memory_peak_perc":98.5}`,
		"used_memory_peak_perc:nan%":    `{}`,
		"used_memory_peak_perc:%":       `{"used_memory_peak_perc":"%"}`,
		"progress:half%":                `{"progress":"half%"}`,
		"mem_fragmentation_ratio:nan":   `{}`,
		"mem_fragmentation_ratio:-inf":  `{}`,
		"used_memory_rss:N/A":           `{}`,
		"word:on":                       `{"word":"on"}`,
		// as Redis for Windows 3.2.100 prints it
		"master_link_down_since_seconds:jd": `{}`, "used_memory_bytes:": `{}`, "lag_ms:soon": `{}`, "connected_clients:-": `{}`,
		"slave_repl_offset:7": `{"slave_repl_offset":7}`, "_seconds:x": `{"_seconds":"x"}`,
		"word:":   `{"word":""}`,
		"word:01": `{"word":"01"}`,
	} {
		key, value, _ := strings.Cut(field, ":")
		require.Equal(t, want, written(func(w *jsondoc.Writer) { WriteField(w, []byte(key), []byte(value)) }), field)
	}
}

// TestNamesOfTextAreStringsAlsoWhenMadeOfDigits: what is a name, an id or a word has
// one type whatever it happens to be; what only looks like it has the type of its
// value.
func TestNamesOfTextAreStringsAlsoWhenMadeOfDigits(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]bool{
		"availability_zone": true, "config_file": true, "executable": true, "gcc_version": true, "git_sha1": true, "ip": true,
		"last_saved_file": true, "maxmemory_policy": true, "mem_allocator": true, "monotonic_clock": true, "multiplexing_api": true,
		"name": true, "os": true, "process_supervised": true, "role": true, "run_id": true, "server_name": true, "state": true,
		"type": true, "version": true,
		"redis_version": true, "redis_build_id": true, "redis_git_sha1": true, "master_replid": true, "master_replid2": true,
		"master_host": true, "tls_server_cert_serial": true, "redis_mode": true, "rdb_last_bgsave_status": true,
		"_version": false, "_build_id": false, "_sha1": false, "replid2": false, "_host": false, "_serial": false, "_mode": false,
		"_status": false, "": false,
		"conversion": false, "process_id": false, "pid": false, "db1": false, "db2": false, "port": false, "total": false,
		"arch_bits_e": false, "keyspace_hits": false, "uptime_in_seconds": false, "x_versions": false, "role2": false,
	} {
		want := `{"` + name + `":12}`
		if text {
			want = `{"` + name + `":"12"}`
		}
		require.Equal(t, want, written(func(w *jsondoc.Writer) { WriteField(w, []byte(name), []byte("12")) }), name)
	}
}

func TestNoReadingIsAShortWord(t *testing.T) {
	t.Parallel()
	for word, none := range map[string]bool{
		"nan(" + strings.Repeat("0", 15) + ")": true,
		"nan(" + strings.Repeat("0", 16) + ")": false,
		"nan(":                                 false, "x)": false, "1.#": true, "1.": false, "+-": false,
	} {
		require.Equal(t, none, IsNoReading([]byte(word)), word)
	}
}

func TestReadings(t *testing.T) {
	t.Parallel()
	unknown := Reading{}
	for _, tt := range []struct{ a, b, max Reading }{
		{Known(1), Known(2), Known(2)}, {Known(2), Known(1), Known(2)}, {Known(-2), Known(-1), Known(-1)}, {Known(1), Known(1), Known(1)},
		{Known(-1), unknown, Known(-1)}, {unknown, Known(-1), Known(-1)}, {unknown, unknown, unknown},
	} {
		require.Equal(t, tt.max, tt.a.Max(tt.b))
	}
	for text, want := range map[string]struct{ reading, count Reading }{
		"0": {Known(0), Known(0)}, "12": {Known(12), Known(12)}, "-1": {Known(-1), Reading{Value: -1}},
		"": {unknown, unknown}, "x": {unknown, unknown}, "1.5": {unknown, unknown},
	} {
		require.Equal(t, want.reading, ParseReading([]byte(text)), text)
		require.Equal(t, want.count, ParseCount([]byte(text)), text)
	}
	require.Equal(t, `{"b":0}`, written(func(w *jsondoc.Writer) {
		WriteReading(w, "a", Reading{Value: 5})
		WriteReading(w, "b", Known(0))
	}))
}

// TestTheBoundsOfWhatIsPossible are those that TestImpossibleReadings does not stand
// on.
func TestTheBoundsOfWhatIsPossible(t *testing.T) {
	t.Parallel()
	_, id := serverOf(t, "redis", "")
	for field, impossible := range map[string]bool{
		"keys:0": false, "keys:9": false, "keys:99999999999999999999": true, "ratio:1.5e99": false, "ratio:1234567890123456789.5": false,
		"ratio:-1.5": false, "x_seconds_ago:1001": false, "x_seconds_ago:1002": true, "x_seconds_ago:0": false, "x_since_seconds:-1": false,
		"keys:9223372036854775807": false, "keys:9999999999999999999": true, "redis_version:99999999999999999999": false,
		"text::": false, "text:/": false,
	} {
		key, value, _ := strings.Cut(field, ":")
		require.Equal(t, impossible, id.Impossible([]byte(key), []byte(value)), field)
	}
	none := &Identity{}
	require.False(t, none.Impossible([]byte("x_seconds_ago"), []byte("1002")), "the uptime is not known")
}
