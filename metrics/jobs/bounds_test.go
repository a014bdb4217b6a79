package jobs

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

func bulkOf(text string) resp.Value { return resp.Value{Kind: resp.BulkString, Str: []byte(text)} }

func arrayOf(texts ...string) resp.Value {
	v := resp.Value{Kind: resp.Array}
	for _, text := range texts {
		v.Elems = append(v.Elems, bulkOf(text))
	}
	return v
}

// TestWhatIsTakenForATime: the first and last second that are, those beside them,
// and the units that a number's size tells.
func TestWhatIsTakenForATime(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float64{
		"946684800": moment2000, "7258118400": moment2200, "1795230000.5": 1795230000.5,
		"1795230000500": 1795230000.5, "1795230000500000": 1795230000.5, "1795230000500000000": 1795230000.5,
		"946684800000": moment2000, "7258118400000000000": moment2200,
	} {
		got, err := parseEpoch(text)
		require.NoError(t, err, text)
		require.InDelta(t, want, got, 1e-3, text)
	}
	// One of 1e11 seconds is one of milliseconds, in 1973.
	for _, text := range []string{"946684799", "7258118401", "100000000000", "99999999999", "-1795230000", "NaN", "Inf", "", "x", "0", "1795230000500000000000"} {
		_, err := parseEpoch(text)
		require.ErrorIs(t, err, errMoment, text)
	}
	for text, want := range map[string]float64{"2000-01-01T00:00:00Z": moment2000, "2200-01-01T00:00:00Z": moment2200, "2026-11-21T03:00:00.25Z": 1795230000.25} {
		got, err := parseDate(text, "2006-01-02", "2006-01-02T15:04:05Z07:00")
		require.NoError(t, err, text)
		require.InDelta(t, want, got, 1e-6, text)
	}
	for _, text := range []string{"1999-12-31T23:59:59Z", "2200-01-01T00:00:01Z", "2026-11-21"} {
		_, err := parseDate(text, "2006-01-02T15:04:05Z07:00")
		require.ErrorIs(t, err, errMoment, text)
	}
	for id, want := range map[string]float64{"946684800000-0": moment2000, "7258118400000-9": moment2200, "1795230000500-1": 1795230000.5} {
		got, err := streamTime(resp.Value{Kind: resp.Array, Elems: []resp.Value{arrayOf(id)}}, nil)
		require.NoError(t, err, id)
		require.InDelta(t, want, got, 1e-6, id)
	}
	for id, why := range map[string]string{"946684799999-0": "its id is no time", "7258118400001-0": "its id is no time", "x": errNoStreamID.Error()} {
		_, err := streamTime(resp.Value{Kind: resp.Array, Elems: []resp.Value{arrayOf(id)}}, nil)
		require.EqualError(t, err, why, id)
	}
	_, err := streamTime(resp.Value{Kind: resp.Array, Elems: []resp.Value{{Kind: resp.Array}}}, nil)
	require.EqualError(t, err, "it has no id")
	got, err := streamTime(resp.Value{Kind: resp.Array}, nil)
	require.NoError(t, err)
	require.Zero(t, got)
}

// TestTextsOfTheGreatestLength are read, and those that are one byte longer are not.
func TestTextsOfTheGreatestLength(t *testing.T) {
	t.Parallel()
	exact := `"` + strings.Repeat("x", maxPayload-2) + `"`
	text, err := payload(bulkOf(exact))
	require.NoError(t, err)
	require.Len(t, text, maxPayload)
	_, err = payload(bulkOf(exact + " "))
	require.EqualError(t, err, "the job has 1048577 bytes, more than the 1048576 that are looked into")
	_, err = payload(resp.Value{Kind: resp.Null})
	require.ErrorIs(t, err, resp.ErrNull)
	_, err = payload(resp.Value{Kind: resp.Integer, Int: 1})
	require.ErrorContains(t, err, "expected a job")

	var dst string
	require.NoError(t, parseJSON([]byte(exact), &dst))
	require.Len(t, dst, maxPayload-2)
	require.EqualError(t, parseJSON([]byte(exact+" "), &dst), "it has 1048577 bytes, more than the 1048576 that are looked into")

	field := func(size int) []byte { // one text, with a head of four bytes
		return append(binary.AppendUvarint([]byte{0x0a}, uint64(size-4)), make([]byte, size-4)...)
	}
	require.Len(t, field(maxPayload), maxPayload)
	sizes := 0
	require.NoError(t, eachField(field(maxPayload), func(_ int, _ uint64, bytes []byte) { sizes += len(bytes) }))
	require.Equal(t, maxPayload-4, sizes)
	require.ErrorContains(t, eachField(field(maxPayload+1), func(int, uint64, []byte) {}), "it has 1048577 bytes")

	id, err := jobID(bulkOf(strings.Repeat("j", maxJobID)))
	require.NoError(t, err)
	require.Len(t, id, maxJobID)
	for _, id := range []string{"", strings.Repeat("j", maxJobID+1)} {
		_, err = jobID(bulkOf(id))
		require.EqualError(t, err, "it is no id of a job")
	}
	require.NoError(t, checkQueue(strings.Repeat("q", maxName)))
	require.EqualError(t, checkQueue(strings.Repeat("q", maxName+1)), "the name of a queue has at most 255 bytes")
	require.EqualError(t, checkQueue(""), "a queue needs a name")
	for _, name := range []string{"\xff", "a\nb"} {
		require.EqualError(t, checkQueue(name), "the name of a queue is UTF-8 without control characters")
	}
}

// TestAsynqMessages have fields of all kinds, also of later versions.
func TestAsynqMessages(t *testing.T) {
	t.Parallel()
	server := "\x09\x01\x02\x03\x04\x05\x06\x07\x08" + // 1: of 64 bits
		"\x15\x01\x02\x03\x04" + // 2: of 32 bits
		"\x20\x0a" + // 4: concurrency
		"\x2a\x08\x0a\x04mail\x10\x03" + "\x2a\x07\x0a\x03sms\x10\x01" + // 5: queues by weight
		"\x3a\x07stopped" + // 7: state
		"\xf8\xff\xff\xff\x0f\x00" // the greatest number of a field
	info, err := parseAsynqServer([]byte(server))
	require.NoError(t, err)
	require.Equal(t, asynqServerInfo{10, "stopped", []string{"mail", "sms"}}, info)
	info, err = parseAsynqServer([]byte("\x20\x00"))
	require.NoError(t, err, "it may stand still")
	require.Equal(t, asynqServerInfo{}, info)
	_, err = parseAsynqServer([]byte("\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	require.EqualError(t, err, "its concurrency is negative")

	for name, broken := range map[string]string{
		"field 0": "\x00\x01", "a field beyond the greatest": "\x80\x80\x80\x80\x10\x00", "a tag that is cut": "\x80",
		"a number that is cut": "\x08\x80", "no number": "\x08", "64 bits that are cut": "\x09\x01\x02\x03\x04\x05\x06\x07",
		"32 bits that are cut": "\x15\x01\x02\x03", "a text that is cut": "\x0a\x02x", "no length": "\x0a", "a group": "\x0b",
		"a length of more than an int": "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
	} {
		require.ErrorIs(t, eachField([]byte(broken), func(int, uint64, []byte) {}), errMessage, name)
	}

	task := func(seconds, nanos uint64) []byte {
		began := binary.AppendUvarint([]byte{0x08}, seconds)
		began = binary.AppendUvarint(append(began, 0x10), nanos)
		return append([]byte{0x42, byte(len(began))}, began...)
	}
	for _, seconds := range []uint64{moment2000, moment2200, 1795229970} {
		at, err := parseAsynqTask(task(seconds, 500_000_000))
		require.NoError(t, err)
		require.InDelta(t, float64(seconds)+0.5, at, 1e-6)
	}
	at, err := parseAsynqTask(task(moment2200, 2_250_000_000))
	require.NoError(t, err)
	require.InDelta(t, moment2200+0.25, at, 1e-6, "whole seconds are not among the nanoseconds")
	for _, seconds := range []uint64{0, moment2000 - 1, moment2200 + 1} {
		_, err := parseAsynqTask(task(seconds, 0))
		require.ErrorIs(t, err, errMoment)
	}
	_, err = parseAsynqTask([]byte("\x42\x02\x08\x80"))
	require.ErrorIs(t, err, errMessage)
	_, err = parseAsynqTask([]byte("\x42"))
	require.ErrorIs(t, err, errMessage)
}

// TestDelays of jobs: what is none is said, and does not become a time.
func TestDelays(t *testing.T) {
	t.Parallel()
	for opts, want := range map[string]float64{"": 0, "{}": 0, `{"delay":0}`: 0, `{"delay":1500}`: 1.5, `{"delay":1000000000000000}`: 1e12} {
		got, err := bullDelayOf(bulkOf(opts))
		require.NoError(t, err, opts)
		require.InDelta(t, want, got, 1e-9, opts)
	}
	got, err := bullDelayOf(resp.Value{Kind: resp.Null})
	require.NoError(t, err)
	require.Zero(t, got)
	for _, opts := range []string{`{"delay":-1}`, `{"delay":1000000000000001}`, `{"delay":1e400}`} {
		_, err := bullDelayOf(bulkOf(opts))
		require.ErrorIs(t, err, errDelay, opts)
	}
	for _, opts := range []string{"[", `{"delay":"x"}`, strings.Repeat("x", maxPayload+1)} {
		_, err := bullDelayOf(bulkOf(opts))
		require.Error(t, err, opts[:1])
	}
}

// TestLaravelJobs: which of the times they say counts, and when none does.
func TestLaravelJobs(t *testing.T) {
	t.Parallel()
	for fields, want := range map[string]oldestJob{
		`"createdAt":1795230000`:                              {id: "a", at: 1795230000},
		`"createdAt":1795230000,"pushedAt":"1795230005.5"`:    {id: "a", at: 1795230000},
		`"createdAt":7,"pushedAt":"1795230005.5"`:             {id: "a", at: 1795230005.5},
		`"createdAt":1795230000,"delay":0`:                    {id: "a", at: 1795230000},
		`"createdAt":1795230000,"delay":90.5`:                 {id: "a", at: 1795230090.5},
		`"createdAt":1795230000,"delay":null,"attempts":0`:    {id: "a", at: 1795230000},
		`"createdAt":1795230000,"attempts":1`:                 {id: "a", at: 1795230000, again: true},
		`"createdAt":1795230000,"delay":-1`:                   {id: "a", at: 1795230000, problem: errDelay},
		`"createdAt":1795230000,"delay":10000000000`:          {id: "a", at: 1795230000, problem: errDelay},
		`"createdAt":1795230000,"delay":"PT5M","attempts":-1`: {id: "a", at: 1795230000, problem: errDelay},
	} {
		got, err := parseLaravelJob([]byte(`{"id":"a","job":"J",` + fields + `}`))
		require.NoError(t, err, fields)
		require.Equal(t, want, got, fields)
	}
	for _, text := range []string{`{"id":"a"}`, `{"job":"J"}`, "[", `{"id":"a","job":"J","delay":1e400}`} {
		_, err := parseLaravelJob([]byte(text))
		require.Error(t, err, text)
	}
	job, err := laravelOldest([]byte(`{"id":"a","job":"J","createdAt":946684800}`))
	require.NoError(t, err)
	require.EqualValues(t, moment2000, job.at)
	for text, why := range map[string]string{
		`{"id":"a","job":"J"}`: "it does not say when it was pushed, as Laravel from 12.11 on and Horizon do",
		`{"id":"a","job":"J","createdAt":1795230000,"delay":"x"}`: errDelay.Error(),
	} {
		job, err := laravelOldest([]byte(text))
		require.EqualError(t, err, why)
		require.Equal(t, "a", job.id, "that much it says")
	}

	n, err := parseHorizonProcesses([]byte(`{"redis:default":3,"redis:mail":2}`))
	require.NoError(t, err)
	require.EqualValues(t, 5, n)
	for _, text := range []string{`{"a":-1}`, `{"a":1.5}`, `{"a":4294967296}`, "["} {
		_, err := parseHorizonProcesses([]byte(text))
		require.Error(t, err, text)
	}
}

// TestSortedSetsByBothProtocols: RESP3 has a pair of each member and its score.
func TestSortedSetsByBothProtocols(t *testing.T) {
	t.Parallel()
	pair := func(score string) resp.Value {
		return resp.Value{Kind: resp.Array, Elems: []resp.Value{arrayOf("a", score)}}
	}
	for score, want := range map[string]bool{
		"-946684800": true, "-946684799.9": false, "-7258118400": true, "-7258118400.1": false, "1795230000": false, "-1": false, "x": false,
	} {
		require.Equal(t, want, hasNegativeTime([]resp.Value{arrayOf("a", score)}), score)
		require.Equal(t, want, hasNegativeTime([]resp.Value{pair(score)}), score)
	}
	require.False(t, hasNegativeTime([]resp.Value{{Kind: resp.Array}}))
	require.False(t, hasNegativeTime([]resp.Value{{Kind: resp.Error, Str: []byte("WRONGTYPE")}}))

	for score, age := range map[string]float64{"946684800": fieldAt - moment2000, "1795949990.5": 9.5, "7258118400": 0} {
		for _, v := range []resp.Value{arrayOf("a", score), pair(score)} {
			r := &reading{spec: celerySpec}
			celeryOldest(&poll{now: fieldAt, hasNow: true}, r, v, nil)
			want(t, &r.figures, figOldestUnacked, age)
		}
	}
	for _, v := range []resp.Value{arrayOf("a", "946684799"), arrayOf("a", "7258118401"), arrayOf("a", "b", "c"), pair("1"), arrayOf("a")} {
		r := &reading{spec: celerySpec}
		celeryOldest(&poll{now: fieldAt, hasNow: true}, r, v, nil)
		wantUnknown(t, &r.figures, figOldestUnacked, "unacked_index: ")
	}
	r := &reading{spec: celerySpec}
	p := &poll{now: fieldAt, hasNow: true}
	for _, v := range []resp.Value{arrayOf(), arrayOf("a", "1795949000"), arrayOf("a", "1795949900"), arrayOf()} {
		celeryOldest(p, r, v, nil)
	}
	want(t, &r.figures, figOldestUnacked, 1000) // the greatest of several lists

	names, scores, err := scored([]string{"a", "1", "b", "-inf"})
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, names)
	require.Equal(t, map[string]float64{"a": 1, "b": math.Inf(-1)}, scores)
	_, _, err = scored([]string{"a", "1", "b"})
	require.EqualError(t, err, "ZRANGE: a member without a score")
	for _, score := range []string{"nan", "x"} {
		_, _, err = scored([]string{"a", score})
		require.EqualError(t, err, "ZRANGE: a score is no number")
	}
}

// TestStreamGroups: what a row must tell, and what it may.
func TestStreamGroups(t *testing.T) {
	t.Parallel()
	row := func(pairs ...string) resp.Value {
		return resp.Value{Kind: resp.Array, Elems: []resp.Value{arrayOf(pairs...)}}
	}
	whole := []string{"name", "g", "pending", "2", "last-delivered-id", "5-1"}
	groups, err := parseStreamGroups(row(append(whole, "lag", "0")...))
	require.NoError(t, err)
	require.Equal(t, []streamGroup{{"g", 2, redisclient.StreamID{Ms: 5, Seq: 1}, 0, true, 0, 0, false}}, groups)
	groups, err = parseStreamGroups(row(append(whole, "lag", "-1")...))
	require.NoError(t, err)
	require.False(t, groups[0].lagKnown)
	groups, err = parseStreamGroups(row(whole...))
	require.NoError(t, err)
	require.False(t, groups[0].lagKnown)
	for _, broken := range []resp.Value{
		row("name", "g", "last-delivered-id", "5-1"), row("name", "g", "pending", "-1", "last-delivered-id", "5-1"), row("pending", "2", "last-delivered-id", "x"),
		{Kind: resp.Array, Elems: []resp.Value{bulkOf("x")}}, bulkOf("x"),
	} {
		_, err := parseStreamGroups(broken)
		require.Error(t, err)
	}
	require.True(t, streamField([]resp.Value{bulkOf("odd")}, "odd").IsNull())
	require.Equal(t, "2", string(streamField([]resp.Value{bulkOf("1"), bulkOf("b"), bulkOf("b"), bulkOf("2")}, "b").Str))
}

// TestKeyspaceOfManyDatabases: the first ones are shown.
func TestKeyspaceOfManyDatabases(t *testing.T) {
	t.Parallel()
	text := "# Keyspace\r\ndb-1:keys=3\r\ndb0:keys=0,expires=0\r\ndb1:keys=-1\r\nxb1:keys=1\r\ndb2=1\r\ndb3:keys=x\r\n"
	require.Equal(t, []database{{0, 0}}, parseKeyspace([]byte(text)))
	var many strings.Builder
	for i := range maxDatabases + 1 {
		fmt.Fprintf(&many, "db%d:keys=%d,expires=0\r\n", i, i+5)
	}
	all := parseKeyspace([]byte(many.String()))
	require.Len(t, all, maxDatabases)
	require.Equal(t, database{63, 68}, all[63])
	require.Equal(t, "no rq was found in this database so far: not all keys were searched; databases with keys: db3 (4)",
		nothingFound("rq", false, []database{{3, 4}}, nil))
	require.Equal(t, "no job system was found in this database (which databases have keys is not known: it does not answer)",
		nothingFound("", true, nil, errNoAnswer))
}
