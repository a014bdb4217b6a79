package storm

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"redisjobs/redisclient/resp"
)

// This file is for those who write records; nothing here writes.

// OwnKey is where the record of a job lies by a key pattern.
func OwnKey(pattern, job string) string { return strings.Replace(pattern, placeholder, job, 1) }

// CheckPairs says what a reader could not read of a record: names and values in
// turn, as HGETALL replies.
func CheckPairs(pairs []string) error {
	values := make([]resp.Value, len(pairs))
	for i, text := range pairs {
		values[i] = resp.Value{Kind: resp.BulkString, Str: []byte(text)}
	}
	r, err := parseHash(values)
	if err != nil {
		return err
	}
	if len(r.Unavailable) > 0 {
		return fmt.Errorf("%s: %s", r.Unavailable[0].Name, r.Unavailable[0].Reason)
	}
	return nil
}

// ParseStatus reads the word or number that a writer has for a job's status,
// extra being further words. Words that nobody knows are refused, and those for
// what only a reader can tell: UNKNOWN, STALE and MISSING.
func ParseStatus(word string, extra map[string]int) (Status, error) {
	text, err := statusText(word)
	if err != nil {
		return statusUnknown, err
	}
	switch s := statusOf(text, extra); s {
	case statusUnknown:
		return s, fmt.Errorf("%s is no status; the words are: %s", quote(text), strings.Join(wordsToWrite(extra), " "))
	case statusStale, statusMissing:
		return s, errors.New("no job is " + s.String() + " by its own word: readers find that out")
	default:
		return s, nil
	}
}

func wordsToWrite(extra map[string]int) []string {
	var out []string
	for word, s := range statusWords {
		if s != statusUnknown && s != statusStale && s != statusMissing {
			out = append(out, word)
		}
	}
	for word := range extra {
		out = append(out, word)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Ended reports whether a job in this status has come to its end.
func (s Status) Ended() bool { return s == statusKilled || s == statusFailed || s == Success }
