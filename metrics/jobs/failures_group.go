package jobs

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"unicode"

	"redisjobs/metrics/ask"
)

// failure is one attempt to do a job that failed.
type failure struct {
	// key tells it from all others of its system; see failures.fresh.
	key uint64
	// class is the job's, err that of the error, "" when nobody tells; message is
	// the first line of the error's, fit to be shown. queue may be "".
	class, err, message, queue string
	// at is when it failed, in unix seconds by the worker's clock; 0 if not known.
	at float64
	// dead: the job was given up.
	dead bool
}

// maxClassName bounds the name of a class, in characters.
const maxClassName = 128

// newFailure is a failure whose texts are fit to be shown: message is any text of
// an error, and values are the arguments of the job.
func newFailure(key uint64, class, err, message string, values *argValues) failure {
	return failure{
		key: key, class: ask.Line(class, maxClassName), err: ask.Line(err, maxClassName), message: cleanMessage(message, values),
	}
}

// failureGroup is the failures of one job class and one error.
type failureGroup struct {
	id          string
	of          *failures
	count, dead int64
	newest      failure
}

// groupFailures puts together what failed for the same reason, the most frequent
// first. Messages that differ in their numbers alone are the same.
func groupFailures(systems []*failures) []*failureGroup {
	index := make(map[string]*failureGroup)
	var out []*failureGroup
	for _, f := range systems {
		for _, e := range f.found {
			id := groupID(f, &e)
			g := index[id]
			if g == nil {
				g = &failureGroup{id: id, of: f, newest: e}
				index[id] = g
				out = append(out, g)
			}
			g.count++
			if e.dead {
				g.dead++
			}
			if e.at > g.newest.at {
				g.newest = e
			}
		}
	}
	slices.SortFunc(out, func(a, b *failureGroup) int {
		return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(b.newest.at, a.newest.at), cmp.Compare(a.id, b.id))
	})
	return out
}

// groupID is the same for all failures of a group, at each poll and in each
// process.
func groupID(f *failures, e *failure) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(e.class + "\x00" + e.err + "\x00" + withoutNumbers(e.message)))
	return fmt.Sprintf("%s/%s/%s/%016x", f.ID(), e.class, e.err, h.Sum64())
}

// withoutNumbers is a text with each word that has a digit in it as the same word:
// numbers, ids and times make no other error of one.
func withoutNumbers(text string) string {
	var b strings.Builder
	for text != "" {
		end := strings.IndexFunc(text, func(r rune) bool { return !isWordRune(r) })
		if end < 0 {
			end = len(text)
		}
		word := text[:end]
		if strings.ContainsFunc(word, unicode.IsDigit) {
			word = "0"
		}
		b.WriteString(word)
		text = text[end:]
		next := strings.IndexFunc(text, isWordRune)
		if next < 0 {
			next = len(text)
		}
		b.WriteString(text[:next])
		text = text[next:]
	}
	return b.String()
}

func isWordRune(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }
