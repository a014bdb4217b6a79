package redisclient

import (
	"errors"
	"fmt"
	"strings"

	"redisjobs/redisclient/resp"
)

// ConcernsServer reports whether a reply's error tells of the server's state and
// not of one command or key: loading, for one, or that its cluster is down and it
// serves no keys, or not all. A reply that was too large concerns its command alone.
func ConcernsServer(err error) bool {
	if errors.Is(err, resp.ErrTooLarge) {
		return false
	}
	var refusal *resp.ServerError
	if errors.As(err, &refusal) && refusal.Code == "CLUSTERDOWN" {
		return true // also "Hash slot not served": a part of the keys is lost
	}
	switch ReasonOf(err) {
	case "", ReasonCommand, ReasonACL:
		return false
	default:
		return true
	}
}

// RefusesWrites reports whether a server says that it takes no writes, because it failed
// to save: it serves reads. It says so to PING, too.
// Source: redis src/server.c (processCommand, deny_write_type)
func RefusesWrites(err error) bool {
	var refusal *resp.ServerError
	return errors.As(err, &refusal) && refusal.Code == "MISCONF"
}

// UnknownCommand reports whether a server does not know a command or its
// subcommand.
func UnknownCommand(err error) bool {
	if err == nil {
		return false
	}
	text := strings.ToLower(err.Error())
	return strings.Contains(text, "unknown command") || strings.Contains(text, "unknown subcommand")
}

// ErrNotSentinel: a server answers in the place of a sentinel.
var ErrNotSentinel = errors.New("not a sentinel")

// NotSentinel is the refusal of SENTINEL by what does not know the command, in words;
// any other error as it is.
func NotSentinel(err error) error {
	if !UnknownCommand(err) {
		return err
	}
	return InWords("this is a server, not a sentinel: those listen on port 26379 unless configured otherwise",
		&Error{Op: "read", Reason: ReasonSentinel, Err: fmt.Errorf("%w: %w", ErrNotSentinel, err)})
}

// Misread names what was tried when a reply is a refusal, or has not the form
// that its command answers with.
func Misread(op string, err error) error {
	var refusal *resp.ServerError
	if errors.As(err, &refusal) {
		return fmt.Errorf("%s: %w", op, err)
	}
	return &Error{Op: op, Reason: ReasonProtocol, Err: err}
}

// ParseTime reads the answer to TIME as unix seconds, with a fraction.
// Source: https://redis.io/docs/latest/commands/time/
func ParseTime(v resp.Value) (float64, error) {
	parts, err := v.Array()
	if err != nil {
		return 0, err
	}
	if len(parts) != 2 {
		return 0, fmt.Errorf("expected seconds and microseconds, got %d members", len(parts))
	}
	sec, err := parts[0].Int64()
	if err != nil {
		return 0, err
	}
	usec, err := parts[1].Int64()
	if err != nil {
		return 0, err
	}
	return float64(sec) + float64(usec)/1e6, nil
}

// ParseScan reads the answer to SCAN: the cursor for the next one, "0" at the end,
// and the keys, of which one may stand twice.
// Source: https://redis.io/docs/latest/commands/scan/
func ParseScan(v resp.Value) (cursor string, keys []string, err error) {
	parts, err := v.Array()
	if err != nil {
		return "", nil, err
	}
	if len(parts) != 2 {
		return "", nil, fmt.Errorf("expected a cursor and keys, got %d members", len(parts))
	}
	if cursor, err = parts[0].Text(); err != nil {
		return "", nil, err
	}
	keys, err = parts[1].Strings()
	return cursor, keys, err
}

// EscapeGlob makes a text match itself in a pattern of SCAN's MATCH, or of an ACL.
func EscapeGlob(text string) string { return globEscaper.Replace(text) }

var globEscaper = strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`, "]", `\]`)
