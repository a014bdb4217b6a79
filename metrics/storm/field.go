package storm

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"redisjobs/metrics/ask"
)

// kind is how a field of a record is read.
type kind int

const (
	word    kind = iota // the status
	text                // one line of at most maxText characters
	moment              // unix seconds; see parseMoment
	count               // a number, not negative
	seconds             // a positive number of seconds
	millis              // milliseconds, not negative; kept in seconds
	percent             // 0 to 100
)

// maxText bounds a text of a record, in characters, as Zabbix's short texts are.
const maxText = 255

// spec describes one field: its name in the record and, where it differs, in
// the answer, and the other names that writers use for it. When a record has
// several of them the first one counts.
type spec struct {
	name    string
	answer  string
	kind    kind
	aliases []string
}

// specs are all fields, in the order of an answer. "error" is where a writer
// puts its message.
var specs = []spec{
	{name: "status", kind: word, aliases: []string{"state"}},
	{name: "type", kind: text},
	{name: "updated_at", kind: moment, aliases: []string{"heartbeat", "last_update", "timestamp", "ts"}},
	{name: "started_at", kind: moment},
	{name: "finished_at", kind: moment},
	{name: "last_success_at", kind: moment},
	{name: "processed", kind: count, aliases: []string{"acked", "success", "count"}},
	{name: "failed", kind: count, aliases: []string{"errors"}},
	{name: "emitted", kind: count},
	{name: "lag", kind: count},
	{name: "duration_ms", answer: "duration", kind: millis},
	{name: "interval", kind: seconds},
	{name: "max_age", kind: seconds, aliases: []string{"ttl"}},
	{name: "expected", kind: text},
	{name: "progress", kind: percent},
	{name: "message", kind: text, aliases: []string{"error", "last_error"}},
	{name: "host", kind: text},
	{name: "pid", kind: text},
	{name: "run_id", kind: text},
	{name: "version", kind: text},
}

// known maps every name that a record may use to its field and to how far
// back it stands among that field's names.
var known = func() map[string]rank {
	out := make(map[string]rank)
	for i, s := range specs {
		out[s.name] = rank{spec: i}
		for j, alias := range s.aliases {
			out[alias] = rank{spec: i, place: j + 1}
		}
	}
	return out
}()

type rank struct{ spec, place int }

// field is the field's name in an answer.
func (s spec) field() string {
	if s.answer != "" {
		return s.answer
	}
	return s.name
}

// parse reads a field's text in base units.
func (s spec) parse(raw string) (field, error) {
	f := field{Name: s.field()}
	var err error
	switch s.kind {
	case word:
		f.IsText = true
		f.Text, err = statusText(raw)
	case text:
		f.IsText = true
		f.Text = oneLine(raw)
	case moment:
		f.Number, err = parseMoment(raw)
	default:
		f.Number, err = parseNumber(raw)
		if err == nil {
			f.Number, err = s.kind.inBounds(f.Number, raw)
		}
	}
	return f, err
}

func (k kind) inBounds(n float64, raw string) (float64, error) {
	switch {
	case k == seconds && n <= 0:
		return 0, fmt.Errorf("%s is no positive number of seconds", quote(raw))
	case n < 0:
		return 0, fmt.Errorf("%s is negative", quote(raw))
	case k == percent && n > 100:
		return 0, fmt.Errorf("%s is not within 0 and 100", quote(raw))
	case n == 0:
		return 0, nil // not -0
	case k == millis:
		return n / 1000, nil
	}
	return n, nil
}

// parseNumber reads a finite decimal number. What else Go takes for one, as
// 0x10, inf or 1_000, is not.
func parseNumber(raw string) (float64, error) {
	s := strings.TrimSpace(raw)
	if strings.Trim(s, "0123456789+-.eE") == "" {
		if n, err := strconv.ParseFloat(s, 64); err == nil && !math.IsInf(n, 0) {
			return n, nil
		}
	}
	return 0, fmt.Errorf("%s is no number", quote(raw))
}

// Above these a unix time is in milliseconds or microseconds: as seconds they
// would be beyond the year 5000.
const (
	leastMillis = 1e11
	leastMicros = 1e14
)

// maxMoment is the last second of the year 9999.
const maxMoment = 253402300799

// parseMoment reads a time as unix seconds, exact to a microsecond: a number
// of seconds, milliseconds or microseconds by its size, RFC 3339, or
// "2006-01-02 15:04:05" in UTC. 0 is how writers say "never", so it is no time.
func parseMoment(raw string) (float64, error) {
	at, err := parseNumber(raw)
	switch {
	case err != nil:
		at, err = parseDate(strings.TrimSpace(raw))
		if err != nil {
			return 0, fmt.Errorf("%s is no time", quote(raw))
		}
	case at > leastMicros:
		at /= 1e6
	case at > leastMillis:
		at /= 1e3
	}
	if at <= 0 || at > maxMoment {
		return 0, fmt.Errorf("%s is no time", quote(raw))
	}
	return at, nil
}

func parseDate(s string) (float64, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t, err = time.Parse(time.DateTime, s)
	}
	if err != nil {
		return 0, err
	}
	// Nanoseconds of a far year overflow; microseconds do not.
	return float64(t.UnixMicro()) / 1e6, nil
}

// oneLine makes one printable line of at most maxText characters.
func oneLine(s string) string { return ask.Line(s, maxText) }

func printable(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// quote shows the beginning of a text from Redis in a reason.
func quote(s string) string {
	const most = 32
	return strconv.Quote(ask.Clip(s, most))
}
