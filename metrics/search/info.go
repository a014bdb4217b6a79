package search

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient/resp"
)

// mib is what the *_mb figures of FT.INFO count in.
// Source: RediSearch src/info/info_command.c (0x100000)
const mib = 1 << 20

// source is where a reply to FT.INFO has a figure.
type source struct {
	group string // the map in the reply that holds it, "" for the reply itself
	field string
	scale float64 // to the document's unit
}

// figure is a number that FT.INFO has for an index; a server has at most
// one of its sources.
type figure struct {
	name  string
	whole bool
	// some: it belongs to one kind of server, and where it is not told nothing is
	// amiss.
	some    bool
	sources []source
}

// figures are the numbers of an index, in the document's order.
// Sources: RediSearch 1.2 to 8.4, src/info/info_command.c, cursor.c and
// fork_gc.c (total_indexing_time is in milliseconds, whatever the command's page
// says); https://valkey.io/commands/ft.info/;
// https://docs.aws.amazon.com/memorydb/latest/devguide/vector-search-commands-ft.info.html
var figures = []figure{
	{name: "num_docs", whole: true, sources: []source{{"", "num_docs", 1}}},
	{name: "num_records", whole: true, sources: []source{{"", "num_records", 1}}},
	{name: "num_terms", whole: true, sources: []source{{"", "num_terms", 1}}},
	{name: "memory", whole: true, sources: []source{{"", "total_index_memory_sz_mb", mib}, {"", "space_usage", 1}}},
	{name: "inverted_index_memory", whole: true, sources: []source{{"", "inverted_sz_mb", mib}}},
	{name: "doc_table_memory", whole: true, sources: []source{{"", "doc_table_size_mb", mib}}},
	{name: "sortables_memory", whole: true, sources: []source{{"", "sortable_values_size_mb", mib}}},
	{name: "vector_index_memory", whole: true, sources: []source{
		{"", "vector_index_sz_mb", mib}, {"", "vector_space_usage", 1},
	}},
	{name: "indexing_failures", whole: true, sources: []source{{"", "hash_indexing_failures", 1}}},
	{name: "indexing", whole: true, sources: []source{{"", "indexing", 1}, {"", "backfill_in_progress", 1}}},
	{name: "indexed_percent", sources: []source{{"", "percent_indexed", 100}, {"", "backfill_complete_percent", 100}}},
	{name: "indexing_time", sources: []source{{"", "total_indexing_time", 1e-3}}},
	{name: "uses", whole: true, sources: []source{{"", "number_of_uses", 1}}},
	{name: "gc_runs", whole: true, sources: []source{{"gc_stats", "total_cycles", 1}}},
	{name: "gc_time", sources: []source{{"gc_stats", "total_ms_run", 1e-3}}},
	{name: "gc_last_run_time", sources: []source{{"gc_stats", "last_run_time_ms", 1e-3}}},
	{name: "gc_bytes_collected", whole: true, sources: []source{{"gc_stats", "bytes_collected", 1}}},
	{name: "gc_blocks_denied", whole: true, sources: []source{{"gc_stats", "gc_blocks_denied", 1}}},
	{name: "cursors", whole: true, sources: []source{{"cursor_stats", "index_total", 1}}},
	{name: "cursors_limit", whole: true, sources: []source{{"cursor_stats", "index_capacity", 1}}},
	{name: "mutation_queue", whole: true, some: true, sources: []source{{"", "mutation_queue_size", 1}}},
	{name: "mutation_queue_delay", some: true, sources: []source{
		{"", "recent_mutations_queue_delay", 1}, {"", "current_lag", 1e-3},
	}},
}

// cursors are the figures of the whole server that each FT.INFO repeats.
var cursors = []figure{
	{name: "cursors_total", whole: true, sources: []source{{"cursor_stats", "global_total", 1}}},
	{name: "cursors_idle", whole: true, sources: []source{{"cursor_stats", "global_idle", 1}}},
}

// unknownFigure stands for what a reply does not tell.
var unknownFigure = math.NaN()

// impossibleFigure stands for a number that the figure cannot be.
var impossibleFigure = math.Inf(-1)

func isKnown(n float64) bool { return !math.IsNaN(n) && !math.IsInf(n, 0) }

// index is the answer to FT.INFO, as RediSearch 1 and 2, Redis 8,
// valkey-search and the services made of them give it: pairs, as a map of RESP3
// or the flat array of RESP2, with numbers as texts or numbers.
type index struct {
	figures []float64 // by figures, NaN for those not told
	cursors []float64 // by cursors
	texts   []indexText
}

// indexText is what FT.INFO tells beside numbers, where it does.
type indexText struct {
	name  string
	known bool
	some  bool // as in figure
	write func(w *jsondoc.Writer, cut *ask.Truncations)
}

const (
	// maxPrefixes bounds the key prefixes that are shown of an index.
	maxPrefixes = 20
	// maxText bounds the characters of each of its texts.
	maxText = 255
)

func parseIndex(v resp.Value) (index, error) {
	reply, err := v.Pairs()
	if err != nil {
		return index{}, err
	}
	if _, ok := ask.FieldOf(reply, "index_name"); !ok {
		return index{}, fmt.Errorf("the reply names no index")
	}
	groups := map[string][]resp.Value{"": reply}
	group := func(name string) []resp.Value {
		pairs, asked := groups[name]
		if !asked {
			member, _ := ask.FieldOf(reply, name)
			pairs, _ = member.Pairs() // null where there is none
			groups[name] = pairs
		}
		return pairs
	}
	numbers := func(figures []figure) []float64 {
		out := make([]float64, len(figures))
		for i, f := range figures {
			out[i] = unknownFigure
			for _, s := range f.sources {
				n := number(group(s.group), s, f.whole)
				if isKnown(n) {
					out[i] = n
					break
				}
				if n == impossibleFigure {
					out[i] = n
				}
			}
		}
		return out
	}
	return index{
		figures: numbers(figures), cursors: numbers(cursors),
		texts: texts(reply, group("index_definition"), group("Index Errors")),
	}, nil
}

// number reads a figure that is finite and not negative; a count that ran
// below zero shows as such, or as a number that fits no 64 bits. Where whole it has no
// fraction, else at most six digits of one.
func number(pairs []resp.Value, s source, whole bool) float64 {
	v, _ := ask.FieldOf(pairs, s.field)
	// valkey-search says "0 sec".
	if text, unit := strings.CutSuffix(string(v.Str), " sec"); unit {
		v.Str = []byte(text)
	}
	n, err := v.Float64()
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return unknownFigure
	}
	n *= s.scale
	switch {
	case n < 0 || n >= math.MaxInt64:
		return impossibleFigure
	case whole:
		return math.Round(n)
	}
	return math.Round(n*1e6) / 1e6
}

func writeNumber(w *jsondoc.Writer, f figure, n float64) {
	switch {
	case !isKnown(n):
	case f.whole:
		w.Key(f.name).Int(int64(n))
	default:
		w.Key(f.name).Float(n)
	}
}

// texts reads what is no number.
func texts(reply, definition, failures []resp.Value) []indexText {
	text := func(name string, some bool, s string, known bool) indexText {
		return indexText{name: name, some: some, known: known, write: func(w *jsondoc.Writer, _ *ask.Truncations) {
			w.Key(name).String(ask.Clip(strings.ToValidUTF8(s, "?"), maxText))
		}}
	}
	// A field of RediSearch 1 is a list under "fields", later ones are under
	// "attributes".
	fields, fieldsErr := firstOf(reply, "attributes", "fields").Array()
	keyType, keyTypeErr := firstOf(slices.Concat(definition, reply), "key_type").Text()
	prefixes, prefixesErr := prefixes(firstOf(slices.Concat(definition, reply), "prefixes", "prefix", "key_prefixes"))
	state, stateErr := firstOf(slices.Concat(reply, failures), "state", "backfill_status", "background indexing status").Text()
	failure, failureErr := firstOf(failures, "last indexing error").Text()
	return []indexText{
		{name: "fields", known: fieldsErr == nil, write: func(w *jsondoc.Writer, _ *ask.Truncations) {
			w.Key("fields").Int(int64(len(fields)))
		}},
		text("key_type", false, keyType, keyTypeErr == nil),
		{name: "prefixes", known: prefixesErr == nil, write: func(w *jsondoc.Writer, cut *ask.Truncations) {
			w.Key("prefixes").BeginArray()
			for _, p := range prefixes[:cut.LimitTo("prefixes", len(prefixes), maxPrefixes)] {
				w.String(ask.Clip(strings.ToValidUTF8(p, "?"), maxText))
			}
			w.EndArray()
		}},
		text("state", true, state, stateErr == nil),
		text("last_error", false, redactError(failure), failureErr == nil),
	}
}

// firstOf is the first of some members that there is.
func firstOf(pairs []resp.Value, names ...string) resp.Value {
	for _, name := range names {
		if v, ok := ask.FieldOf(pairs, name); ok {
			return v
		}
	}
	return resp.Value{Kind: resp.Null}
}

// prefixes reads a list of prefixes, or the one that Dragonfly tells.
func prefixes(v resp.Value) ([]string, error) {
	if one, err := v.Text(); err == nil {
		return []string{one}, nil
	}
	return v.Strings()
}

// redactError keeps of an indexing error what the server has to say, and
// none of the value that could not be indexed: that stands behind a colon, in
// quotes or in brackets, as in "Invalid numeric value: 'abc'". An index without
// an error says "N/A". Redis 8.4 puts a code before it.
// Source: RediSearch tests/pytests/test_info_failures.py
func redactError(text string) string {
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
