package resp

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Kind is the type byte that starts a reply on the wire.
type Kind byte

// The kinds of RESP2 and RESP3. A RESP2 null bulk ("$-1") and null array
// ("*-1") are read as Null, so that a caller asks one question for "nothing".
// Source: https://redis.io/docs/latest/develop/reference/protocol-spec/
const (
	SimpleString   Kind = '+' // +text\r\n
	Error          Kind = '-' // -CODE text\r\n
	Integer        Kind = ':' // :123\r\n
	BulkString     Kind = '$' // $3\r\nabc\r\n
	Array          Kind = '*' // *2\r\n<value><value>
	Null           Kind = '_' // _\r\n
	Boolean        Kind = '#' // #t\r\n
	Double         Kind = ',' // ,1.5\r\n
	BigNumber      Kind = '(' // (123…\r\n
	BulkError      Kind = '!' // !3\r\nERR\r\n
	VerbatimString Kind = '=' // =7\r\ntxt:abc\r\n
	Map            Kind = '%' // %1\r\n<key><value>
	Set            Kind = '~' // ~1\r\n<value>
	Push           Kind = '>' // >1\r\n<value>, between replies
)

// TooLarge is the kind of a reply that exceeded one of the Limits and was read
// past. It is no byte of the protocol. Str says which limit, Int is the length
// of the reply on the wire.
const TooLarge Kind = 0xff

// String names the kind as the protocol specification does.
func (k Kind) String() string {
	switch k {
	case SimpleString:
		return "simple string"
	case Error:
		return "error"
	case Integer:
		return "integer"
	case BulkString:
		return "bulk string"
	case Array:
		return "array"
	case Null:
		return "null"
	case Boolean:
		return "boolean"
	case Double:
		return "double"
	case BigNumber:
		return "big number"
	case BulkError:
		return "bulk error"
	case VerbatimString:
		return "verbatim string"
	case Map:
		return "map"
	case Set:
		return "set"
	case Push:
		return "push"
	case TooLarge:
		return "reply too large"
	default:
		return fmt.Sprintf("unknown kind %q", byte(k))
	}
}

// Value is one reply. It owns its memory: nothing in it is overwritten by the
// next read.
type Value struct {
	Kind Kind
	// Str is the text of + - $ ! = ( and , values. A verbatim string's
	// three-letter format and its colon are not part of it.
	Str []byte
	// Int is the value of : and, as 1 or 0, of #. See TooLarge.
	Int int64
	// Elems are the members of * ~ and >; for % key, value, key, value.
	Elems []Value
}

// ErrNull says that a reply was null where a value was asked for. Null is
// never read as 0 or as an empty text.
var ErrNull = errors.New("the reply is null")

// ServerError is an error that the server answered with. The connection that
// carried it is in step and may be used again.
type ServerError struct {
	// Code is the first word when it is all upper case, as in NOPERM; else "".
	Code string
	// Message is the whole text, one printable line of at most 255 bytes.
	Message string
}

func (e *ServerError) Error() string { return e.Message }

// maxErrorText bounds how much of a server's error text is kept.
const maxErrorText = 255

// NewServerError reads the text of an error reply.
func NewServerError(text []byte) *ServerError {
	line := oneLine(text)
	code, _, _ := strings.Cut(line, " ")
	for _, r := range code {
		if (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' {
			code = ""
			break
		}
	}
	return &ServerError{Code: code, Message: line}
}

// oneLine makes a printable line of at most maxErrorText bytes of any bytes.
func oneLine(text []byte) string {
	if len(text) > maxErrorText {
		text = text[:maxErrorText]
	}
	line := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(text), "?"))
	return strings.TrimSpace(line)
}

// IsNull reports whether the server answered "nothing".
func (v Value) IsNull() bool { return v.Kind == Null }

// Err returns the *ServerError that the value is, or the ErrTooLarge of one that
// is TooLarge, or nil.
func (v Value) Err() error {
	switch v.Kind {
	case Error, BulkError:
		return NewServerError(v.Str)
	case TooLarge:
		return fmt.Errorf("%w: %s", ErrTooLarge, v.Str)
	default:
		return nil
	}
}

// Text returns the text of a string-like or numeric scalar. A null is
// ErrNull, an error reply a *ServerError, an aggregate an error.
func (v Value) Text() (string, error) {
	switch v.Kind {
	case SimpleString, BulkString, VerbatimString, BigNumber, Double:
		return string(v.Str), nil
	case Integer:
		return strconv.FormatInt(v.Int, 10), nil
	case Boolean:
		return strconv.FormatInt(v.Int, 10), nil
	default:
		return "", v.unexpected("a string")
	}
}

// Int64 returns an integer reply, or a string reply that is one.
func (v Value) Int64() (int64, error) {
	switch v.Kind {
	case Integer, Boolean:
		return v.Int, nil
	case SimpleString, BulkString, BigNumber:
		n, err := strconv.ParseInt(string(v.Str), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s is no integer", clip(v.Str))
		}
		return n, nil
	default:
		return 0, v.unexpected("an integer")
	}
}

// Float64 returns a numeric reply, or a string reply that is a finite number.
func (v Value) Float64() (float64, error) {
	switch v.Kind {
	case Integer, Boolean:
		return float64(v.Int), nil
	case SimpleString, BulkString, BigNumber, Double:
		f, err := strconv.ParseFloat(string(v.Str), 64)
		if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
			return 0, fmt.Errorf("%s is no finite number", clip(v.Str))
		}
		return f, nil
	default:
		return 0, v.unexpected("a number")
	}
}

// Array returns the members of an array, a set or a push; of a map its keys
// and values in turn. Null is ErrNull.
func (v Value) Array() ([]Value, error) {
	switch v.Kind {
	case Array, Set, Push, Map:
		return v.Elems, nil
	default:
		return nil, v.unexpected("an array")
	}
}

// Strings returns the members of an array as texts.
func (v Value) Strings() ([]string, error) {
	elems, err := v.Array()
	if err != nil {
		return nil, err
	}
	out := make([]string, len(elems))
	for i, e := range elems {
		if out[i], err = e.Text(); err != nil {
			return nil, fmt.Errorf("member %d: %w", i, err)
		}
	}
	return out, nil
}

// Pairs returns a map reply, or the flat array that RESP2 sends for one, as
// alternating keys and values. An odd number of members is an error.
func (v Value) Pairs() ([]Value, error) {
	elems, err := v.Array()
	if err != nil {
		return nil, err
	}
	if len(elems)%2 != 0 {
		return nil, fmt.Errorf("expected pairs, got %d members", len(elems))
	}
	return elems, nil
}

func (v Value) unexpected(want string) error {
	if err := v.Err(); err != nil {
		return err
	}
	if v.IsNull() {
		return ErrNull
	}
	return fmt.Errorf("expected %s, got a reply of kind %s", want, v.Kind)
}

// clip quotes at most 32 bytes of a reply for an error text.
func clip(b []byte) string {
	if len(b) > 32 {
		return strconv.Quote(string(b[:32])) + "…"
	}
	return strconv.Quote(string(b))
}
