package storm

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/redisclient/resp"
)

// pairs is the reply to HGETALL.
func pairs(s ...string) []resp.Value {
	out := make([]resp.Value, len(s))
	for i, v := range s {
		out[i] = resp.Value{Kind: resp.BulkString, Str: []byte(v)}
	}
	return out
}

func number(name string, n float64) field { return field{Name: name, Number: n} }

func words(name, s string) field { return field{Name: name, IsText: true, Text: s} }

func TestHashAndObjectSayTheSame(t *testing.T) {
	t.Parallel()
	want := record{Fields: []field{
		words("status", "active"),
		words("type", "bolt"),
		number("updated_at", 1795228996.5),
		number("started_at", 1795220000),
		number("finished_at", 1795210000),
		number("last_success_at", 1795200000.25),
		number("processed", 123456789012),
		number("failed", 0),
		number("emitted", 7),
		number("lag", 12.5),
		number("duration", 1.234),
		number("interval", 30),
		number("max_age", 90),
		words("expected", "ACTIVE"),
		number("progress", 99.5),
		words("message", "disk full"),
		words("host", "worker-1"),
		words("pid", "4711"),
		words("run_id", "r1"),
		words("version", "2.8.8"),
	}}
	fromHash, err := parseHash(pairs(
		"version", "2.8.8", "run_id", "r1", "pid", "4711", "host", "worker-1", "message", "disk full",
		"progress", "99.5", "expected", "ACTIVE", "max_age", "90", "interval", "30", "duration_ms", "1234",
		"lag", "12.5", "emitted", "7", "failed", "0", "processed", "123456789012",
		"last_success_at", "1795200000250", "finished_at", "1795210000", "started_at", "1795220000",
		"updated_at", "1795228996.5", "type", "bolt", "status", "active", "colour", "blue"))
	require.NoError(t, err)
	require.Equal(t, want, fromHash)

	fromObject, err := parseString([]byte(`{"status":"active","type":"bolt","updated_at":1795228996.5,
		"started_at":"1795220000","finished_at":1795210000,"last_success_at":1795200000250,
		"processed":123456789012,"failed":0,"emitted":7,"lag":12.5,"duration_ms":1234,"interval":30,
		"max_age":"90","expected":"ACTIVE","progress":99.5,"message":"disk full","host":"worker-1",
		"pid":4711,"run_id":"r1","version":"2.8.8","colour":{"a":[1]}}`))
	require.NoError(t, err)
	require.Equal(t, want, fromObject)
}

func TestAliases(t *testing.T) {
	t.Parallel()
	for name, aliases := range map[string]string{
		"updated_at": "heartbeat last_update timestamp ts",
		"processed":  "acked success count",
		"failed":     "errors",
		"max_age":    "ttl",
	} {
		for alias := range strings.FieldsSeq(aliases) {
			r, err := parseHash(pairs(alias, "60"))
			require.NoError(t, err)
			require.Equal(t, []field{number(name, 60)}, r.Fields, alias)
		}
	}
	for alias, name := range map[string]string{"state": "status", "error": "message", "last_error": "message"} {
		r, err := parseHash(pairs(alias, "x"))
		require.NoError(t, err)
		require.Equal(t, []field{words(name, "x")}, r.Fields, alias)
	}
}

func TestTheFirstOfSeveralNamesCounts(t *testing.T) {
	t.Parallel()
	for _, in := range [][]string{
		{"ts", "3", "updated_at", "1", "heartbeat", "2"},
		{"updated_at", "1", "ts", "3"},
		{"updated_at", "", "heartbeat", "1", "ts", "3"},
	} {
		r, err := parseHash(pairs(in...))
		require.NoError(t, err)
		require.Equal(t, []field{number("updated_at", 1)}, r.Fields)
	}
}

func TestUnknownIsLeftOutAndSaidWhy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, object string
		field        string
		reason       string // "" when nothing was said, so that there is nothing to explain
	}{
		{"a word for a count", `{"lag":"abc"}`, "lag", `"abc" is no number`},
		{"a negative lag is a broker's unknown", `{"lag":-1}`, "lag", `"-1" is negative`},
		{"a boolean count", `{"success":true}`, "processed", `"true" is no number`},
		{"null", `{"processed":null}`, "", ""},
		{"an empty count", `{"processed":" "}`, "", ""},
		{"an object for a count", `{"failed":{"a":1}}`, "failed", "a JSON object stands where one value is expected"},
		{"an array for a status", `{"status":["ACTIVE"]}`, "status", "a JSON array stands where one value is expected"},
		{"a time that is none", `{"ts":"yesterday"}`, "updated_at", `"yesterday" is no time`},
		{"never", `{"last_success_at":0}`, "last_success_at", `"0" is no time`},
		{"an interval of nothing", `{"interval":0}`, "interval", `"0" is no positive number of seconds`},
		{"a negative limit", `{"max_age":-3}`, "max_age", `"-3" is no positive number of seconds`},
		{"too much progress", `{"progress":101}`, "progress", `"101" is not within 0 and 100`},
		{"a negative duration", `{"duration_ms":-2}`, "duration", `"-2" is negative`},
		{"an infinite count", `{"count":1e999}`, "processed", `"1e999" is no number`},
		{"a status of control characters", `{"status":"\u0001"}`, "status", `"\x01" is no status`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, err := parseString([]byte(tt.object))
			require.NoError(t, err)
			require.Empty(t, r.Fields)
			if tt.reason == "" {
				require.Empty(t, r.Unavailable)
				return
			}
			require.Equal(t, []unreadable{{Name: tt.field, Reason: tt.reason}}, r.Unavailable)
		})
	}
}

func TestAnErrorTakenBackIsAnEmptyMessage(t *testing.T) {
	t.Parallel()
	r, err := parseHash(pairs("message", ""))
	require.NoError(t, err)
	require.Equal(t, []field{words("message", "")}, r.Fields)
}

func TestStringRecord(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, raw, status, err string
	}{
		{name: "a bare word", raw: "ACTIVE", status: "ACTIVE"},
		{name: "a word in quotes, as a JSON encoder leaves it", raw: "\"active\"\n", status: "active"},
		{name: "a number", raw: "5", status: "5"},
		{name: "an object behind blanks", raw: " \n{\"state\":\"UP\"} ", status: "UP"},
		{name: "nothing", raw: "", err: "the record is neither a JSON object nor a status"},
		{name: "an array", raw: `["ACTIVE"]`, err: "the record is neither a JSON object nor a status"},
		{name: "bytes", raw: "\x80\x04\x95", err: "the record is neither a JSON object nor a status"},
		{name: "prose", raw: strings.Repeat("word ", 20), err: "the record is neither a JSON object nor a status"},
		{name: "half an object", raw: `{"status":"ACT`, err: "the record is no JSON: unexpected end of JSON input"},
		{name: "64 KiB", raw: strings.Repeat(" ", maxRecord-2) + "UP", status: "UP"},
		{name: "a byte more", raw: strings.Repeat(" ", maxRecord-1) + "UP", err: "the record is larger than 64 KiB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, err := parseString([]byte(tt.raw))
			if tt.err != "" {
				require.EqualError(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			got, _ := r.Text("status")
			require.Equal(t, tt.status, got)
		})
	}
}

func TestHashIsBounded(t *testing.T) {
	t.Parallel()
	_, err := parseHash(pairs("status", "UP", "x", strings.Repeat("x", maxRecord-9)))
	require.NoError(t, err)
	_, err = parseHash(pairs("status", "UP", "x", strings.Repeat("x", maxRecord-8)))
	require.EqualError(t, err, "the record is larger than 64 KiB")
}

// FuzzRecord: whatever stands in Redis, there is no panic, and no number that
// its writer did not write.
func FuzzRecord(f *testing.F) {
	for _, seed := range []string{
		`{"status":"ACTIVE","updated_at":1795228996068,"lag":"abc"}`, // an object with an unreadable field
		`{"processed":null,"failed":{},"lag":[],"interval":0}`,       // every way to say nothing
		"ACTIVE", "\"paused\"", "17", // bare
		"\x80\x04", "[1]", "{", // no records
		"status\x00UP\x00ts\x001e3", // a hash, see below
		"-0", "1e-999", "0x0",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		record, err := parseString(raw)
		requireHonest(t, record, err)
		// The same bytes as a hash: names and values with 0 between them.
		record, err = parseHash(pairs(strings.Split(string(raw), "\x00")...))
		requireHonest(t, record, err)
		// And as the value of every field.
		var all []string
		for _, s := range specs {
			all = append(all, s.name, string(raw))
		}
		record, err = parseHash(pairs(all...))
		requireHonest(t, record, err)
		if err == nil && !strings.ContainsAny(string(raw), "0123456789") {
			for _, f := range record.Fields {
				require.True(t, f.IsText, "%s is %v out of %q", f.Name, f.Number, raw)
			}
		}
	})
}

func requireHonest(t *testing.T, r record, err error) {
	t.Helper()
	if err != nil {
		require.Empty(t, r)
		return
	}
	seen := make(map[string]bool)
	for _, f := range r.Fields {
		require.False(t, seen[f.Name], f.Name)
		seen[f.Name] = true
		require.GreaterOrEqual(t, f.Number, 0.0)
		switch f.Name {
		case "updated_at", "started_at", "finished_at", "last_success_at", "interval", "max_age":
			require.Positive(t, f.Number, f.Name)
		case "status":
			require.NotEmpty(t, f.Text)
			require.GreaterOrEqual(t, int(statusOf(f.Text, nil)), 0)
		}
	}
	for _, u := range r.Unavailable {
		require.False(t, seen[u.Name], u.Name)
		require.NotEmpty(t, u.Reason)
	}
}
