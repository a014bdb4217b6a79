package metrics

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient/resp"
)

// mib is what the *_mb figures of FT.INFO count in.
// Source: RediSearch src/info/info_command.c (0x100000)
const mib = 1 << 20

// searchSource is where a reply to FT.INFO has a figure.
type searchSource struct {
	group string // the map in the reply that holds it, "" for the reply itself
	field string
	scale float64 // to the document's unit
}

// searchFigure is a number that FT.INFO tells of an index; a server has at most
// one of its sources.
type searchFigure struct {
	name  string
	whole bool
	// some: it belongs to one kind of server, and where it is not told nothing is
	// amiss.
	some    bool
	sources []searchSource
}

// searchFigures are the numbers of an index, in the document's order.
// Sources: RediSearch 1.2 to 8.4, src/info/info_command.c, cursor.c and
// fork_gc.c (total_indexing_time is in milliseconds, whatever the command's page
// says); https://valkey.io/commands/ft.info/;
// https://docs.aws.amazon.com/memorydb/latest/devguide/vector-search-commands-ft.info.html
var searchFigures = []searchFigure{
	{name: "num_docs", whole: true, sources: []searchSource{{"", "num_docs", 1}}},
	{name: "num_records", whole: true, sources: []searchSource{{"", "num_records", 1}}},
	{name: "num_terms", whole: true, sources: []searchSource{{"", "num_terms", 1}}},
	{name: "memory", whole: true, sources: []searchSource{{"", "total_index_memory_sz_mb", mib}, {"", "space_usage", 1}}},
	{name: "inverted_index_memory", whole: true, sources: []searchSource{{"", "inverted_sz_mb", mib}}},
	{name: "doc_table_memory", whole: true, sources: []searchSource{{"", "doc_table_size_mb", mib}}},
	{name: "sortables_memory", whole: true, sources: []searchSource{{"", "sortable_values_size_mb", mib}}},
	{name: "vector_index_memory", whole: true, sources: []searchSource{
		{"", "vector_index_sz_mb", mib}, {"", "vector_space_usage", 1},
	}},
	{name: "indexing_failures", whole: true, sources: []searchSource{{"", "hash_indexing_failures", 1}}},
	{name: "indexing", whole: true, sources: []searchSource{{"", "indexing", 1}, {"", "backfill_in_progress", 1}}},
	{name: "indexed_percent", sources: []searchSource{{"", "percent_indexed", 100}, {"", "backfill_complete_percent", 100}}},
	{name: "indexing_time", sources: []searchSource{{"", "total_indexing_time", 1e-3}}},
	{name: "uses", whole: true, sources: []searchSource{{"", "number_of_uses", 1}}},
	{name: "gc_runs", whole: true, sources: []searchSource{{"gc_stats", "total_cycles", 1}}},
	{name: "gc_time", sources: []searchSource{{"gc_stats", "total_ms_run", 1e-3}}},
	{name: "gc_last_run_time", sources: []searchSource{{"gc_stats", "last_run_time_ms", 1e-3}}},
	{name: "gc_bytes_collected", whole: true, sources: []searchSource{{"gc_stats", "bytes_collected", 1}}},
	{name: "gc_blocks_denied", whole: true, sources: []searchSource{{"gc_stats", "gc_blocks_denied", 1}}},
	{name: "cursors", whole: true, sources: []searchSource{{"cursor_stats", "index_total", 1}}},
	{name: "cursors_limit", whole: true, sources: []searchSource{{"cursor_stats", "index_capacity", 1}}},
	{name: "mutation_queue", whole: true, some: true, sources: []searchSource{{"", "mutation_queue_size", 1}}},
	{name: "mutation_queue_delay", some: true, sources: []searchSource{
		{"", "recent_mutations_queue_delay", 1}, {"", "current_lag", 1e-3},
	}},
}

// searchCursors are the figures of the whole server that each FT.INFO repeats.
var searchCursors = []searchFigure{
	{name: "cursors_total", whole: true, sources: []searchSource{{"cursor_stats", "global_total", 1}}},
	{name: "cursors_idle", whole: true, sources: []searchSource{{"cursor_stats", "global_idle", 1}}},
}

// unknownFigure stands for what a reply does not tell.
var unknownFigure = math.NaN()

// searchIndex is the answer to FT.INFO, as RediSearch 1 and 2, Redis 8,
// valkey-search and the services made of them give it: pairs, as a map of RESP3
// or the flat array of RESP2, with numbers as texts or numbers.
type searchIndex struct {
	figures []float64 // by searchFigures, NaN for those not told
	cursors []float64 // by searchCursors
	texts   []searchText
}

// searchText is what FT.INFO tells beside numbers, where it does.
type searchText struct {
	name  string
	known bool
	some  bool // as in searchFigure
	write func(w *jsondoc.Writer, cut *truncations)
}

const (
	// maxPrefixes bounds the key prefixes that are shown of an index.
	maxPrefixes = 20
	// maxSearchText bounds the characters of each of its texts.
	maxSearchText = 255
)

func parseSearchIndex(v resp.Value) (searchIndex, error) {
	reply, err := v.Pairs()
	if err != nil {
		return searchIndex{}, err
	}
	if _, ok := fieldOf(reply, "index_name"); !ok {
		return searchIndex{}, fmt.Errorf("the reply names no index")
	}
	groups := map[string][]resp.Value{"": reply}
	group := func(name string) []resp.Value {
		pairs, asked := groups[name]
		if !asked {
			member, _ := fieldOf(reply, name)
			pairs, _ = member.Pairs() // null where there is none
			groups[name] = pairs
		}
		return pairs
	}
	numbers := func(figures []searchFigure) []float64 {
		out := make([]float64, len(figures))
		for i, f := range figures {
			out[i] = unknownFigure
			for _, s := range f.sources {
				if n, ok := searchNumber(group(s.group), s, f.whole); ok {
					out[i] = n
					break
				}
			}
		}
		return out
	}
	return searchIndex{
		figures: numbers(searchFigures), cursors: numbers(searchCursors),
		texts: searchTexts(reply, group("index_definition"), group("Index Errors")),
	}, nil
}

// searchNumber reads a figure that is finite and not negative; a count that ran
// below zero shows as a number that fits no 64 bits. Where whole it has no
// fraction, else at most six digits of one.
func searchNumber(pairs []resp.Value, s searchSource, whole bool) (float64, bool) {
	v, _ := fieldOf(pairs, s.field)
	// valkey-search says "0 sec".
	if text, unit := strings.CutSuffix(string(v.Str), " sec"); unit {
		v.Str = []byte(text)
	}
	n, err := v.Float64()
	if err != nil || n < 0 {
		return 0, false
	}
	if n *= s.scale; whole {
		n = math.Round(n)
		return n, n < math.MaxInt64
	}
	return math.Round(n*1e6) / 1e6, n < math.MaxInt64
}

func writeSearchNumber(w *jsondoc.Writer, f searchFigure, n float64) {
	switch {
	case math.IsNaN(n):
	case f.whole:
		w.Key(f.name).Int(int64(n))
	default:
		w.Key(f.name).Float(n)
	}
}

// searchTexts reads what is no number.
func searchTexts(reply, definition, failures []resp.Value) []searchText {
	text := func(name string, some bool, s string, known bool) searchText {
		return searchText{name: name, some: some, known: known, write: func(w *jsondoc.Writer, _ *truncations) {
			w.Key(name).String(clipText(strings.ToValidUTF8(s, "?"), maxSearchText))
		}}
	}
	// A field of RediSearch 1 is a list under "fields", later ones are under
	// "attributes".
	fields, fieldsErr := firstOf(reply, "attributes", "fields").Array()
	keyType, keyTypeErr := firstOf(slices.Concat(definition, reply), "key_type").Text()
	prefixes, prefixesErr := searchPrefixes(firstOf(slices.Concat(definition, reply), "prefixes", "prefix", "key_prefixes"))
	state, stateErr := firstOf(slices.Concat(reply, failures), "state", "backfill_status", "background indexing status").Text()
	failure, failureErr := firstOf(failures, "last indexing error").Text()
	return []searchText{
		{name: "fields", known: fieldsErr == nil, write: func(w *jsondoc.Writer, _ *truncations) {
			w.Key("fields").Int(int64(len(fields)))
		}},
		text("key_type", false, keyType, keyTypeErr == nil),
		{name: "prefixes", known: prefixesErr == nil, write: func(w *jsondoc.Writer, cut *truncations) {
			w.Key("prefixes").BeginArray()
			for _, p := range prefixes[:cut.limitTo("prefixes", len(prefixes), maxPrefixes)] {
				w.String(clipText(strings.ToValidUTF8(p, "?"), maxSearchText))
			}
			w.EndArray()
		}},
		text("state", true, state, stateErr == nil),
		text("last_error", false, redactSearchError(failure), failureErr == nil),
	}
}

// firstOf is the first of some members that there is.
func firstOf(pairs []resp.Value, names ...string) resp.Value {
	for _, name := range names {
		if v, ok := fieldOf(pairs, name); ok {
			return v
		}
	}
	return resp.Value{Kind: resp.Null}
}

// searchPrefixes reads a list of prefixes, or the one that Dragonfly tells.
func searchPrefixes(v resp.Value) ([]string, error) {
	if one, err := v.Text(); err == nil {
		return []string{one}, nil
	}
	return v.Strings()
}

// redactSearchError keeps of an indexing error what the server has to say, and
// none of the value that could not be indexed: that stands behind a colon, in
// quotes or in brackets, as in "Invalid numeric value: 'abc'". An index without
// an error says "N/A". Redis 8.4 puts a code before it.
// Source: RediSearch tests/pytests/test_info_failures.py
func redactSearchError(text string) string {
	if text == "N/A" {
		return ""
	}
	code, message := "", text
	if before, after, ok := strings.Cut(text, ": "); ok && strings.HasPrefix(before, "SEARCH_") && !strings.Contains(before, " ") {
		code, message = before+": ", after
	}
	if i := strings.IndexAny(message, "'\"`:([{<"); i >= 0 {
		message = message[:i] + "…"
	}
	return code + strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, message)
}
