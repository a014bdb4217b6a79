package resp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func str(kind Kind, s string) Value       { return Value{Kind: kind, Str: []byte(s)} }
func num(n int64) Value                   { return Value{Kind: Integer, Int: n} }
func list(kind Kind, of ...Value) Value   { return Value{Kind: kind, Elems: append([]Value{}, of...)} }
func reader(s string, l Limits) *Reader   { return NewReader(strings.NewReader(s), l) }
func readOne(s string) (Value, error)     { return reader(s, Limits{}).ReadReply() }
func repeat(n int, s string) string       { return strings.Repeat(s, n) }
func bulkOf(n int) string                 { return fmt.Sprintf("$%d\r\n%s\r\n", n, repeat(n, "x")) }
func arrayOf(n int, member string) string { return fmt.Sprintf("*%d\r\n%s", n, repeat(n, member)) }

// valid are frames with what they mean. Several tests walk through them.
var valid = []struct {
	name string
	in   string
	want Value
}{
	{"simple string", "+OK\r\n", str(SimpleString, "OK")},
	{"empty simple string", "+\r\n", str(SimpleString, "")},
	{"simple string longer than the buffer", "+" + repeat(40_000, "y") + "\r\n", str(SimpleString, repeat(40_000, "y"))},
	{"error", "-ERR unknown command\r\n", str(Error, "ERR unknown command")},
	{"integer", ":42\r\n", num(42)},
	{"signed integer", ":+7\r\n", num(7)},
	{"least integer", ":-9223372036854775808\r\n", num(math.MinInt64)},
	{"greatest integer", ":9223372036854775807\r\n", num(math.MaxInt64)},
	{"bulk string", "$5\r\nhello\r\n", str(BulkString, "hello")},
	{"bulk string with a line end inside", "$4\r\na\r\nb\r\n", str(BulkString, "a\r\nb")},
	{"empty bulk string", "$0\r\n\r\n", str(BulkString, "")},
	{"bulk string longer than the buffer", bulkOf(50_001), str(BulkString, repeat(50_001, "x"))},
	{"null bulk of RESP2", "$-1\r\n", Value{Kind: Null}},
	{"array", "*2\r\n:1\r\n$1\r\na\r\n", list(Array, num(1), str(BulkString, "a"))},
	{"array of more members than are made room for at once", arrayOf(3000, ":1\r\n"), list(Array, slices.Repeat([]Value{num(1)}, 3000)...)},
	{"empty array", "*0\r\n", list(Array)},
	{"null array of RESP2", "*-1\r\n", Value{Kind: Null}},
	{"array with a null and an error", "*2\r\n$-1\r\n-ERR no\r\n", list(Array, Value{Kind: Null}, str(Error, "ERR no"))},
	{"array of arrays", "*2\r\n*1\r\n:1\r\n*0\r\n", list(Array, list(Array, num(1)), list(Array))},
	{"null", "_\r\n", Value{Kind: Null}},
	{"true", "#t\r\n", Value{Kind: Boolean, Int: 1}},
	{"false", "#f\r\n", Value{Kind: Boolean}},
	{"double", ",-1.5e+10\r\n", str(Double, "-1.5e+10")},
	{"double with a capital exponent", ",1.5E+10\r\n", str(Double, "1.5E+10")},
	{"whole double", ",10\r\n", str(Double, "10")},
	{"infinite double", ",-inf\r\n", str(Double, "-inf")},
	{"double that is no number", ",nan\r\n", str(Double, "nan")},
	{"big number", "(-3492890328409238509324850943850943825024385\r\n", str(BigNumber, "-3492890328409238509324850943850943825024385")},
	{"bulk error", "!8\r\nERR a\r\nb\r\n", str(BulkError, "ERR a\r\nb")},
	{"verbatim string", "=7\r\ntxt:abc\r\n", str(VerbatimString, "abc")},
	{"empty verbatim string", "=4\r\nmkd:\r\n", str(VerbatimString, "")},
	{"map", "%2\r\n+a\r\n:1\r\n+b\r\n*0\r\n", list(Map, str(SimpleString, "a"), num(1), str(SimpleString, "b"), list(Array))},
	{"set", "~1\r\n#t\r\n", list(Set, Value{Kind: Boolean, Int: 1})},
	{"push frames before the reply", ">1\r\n+invalidate\r\n>0\r\n:1\r\n", num(1)},
	{"attribute before the reply", "|1\r\n+ttl\r\n:3\r\n:1\r\n", num(1)},
	{"attribute within the reply", "*2\r\n:1\r\n|1\r\n+ttl\r\n:3\r\n:2\r\n", list(Array, num(1), num(2))},
}

func TestReaderReadsEveryKindOfReply(t *testing.T) {
	t.Parallel()
	for _, tt := range valid {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := readOne(tt.in)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestReaderStaysInStepAfterEveryReply(t *testing.T) {
	t.Parallel()
	for _, tt := range valid {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			in := tt.in + "+NEXT\r\n"
			for name, src := range map[string]io.Reader{
				"all at once":          strings.NewReader(in),
				"byte by byte":         iotest.OneByteReader(strings.NewReader(in)),
				"last bytes with EOF":  iotest.DataErrReader(strings.NewReader(in)),
				"every read cut short": iotest.HalfReader(strings.NewReader(in)),
			} {
				r := NewReader(src, Limits{})
				got, err := r.ReadReply()
				require.NoError(t, err, name)
				require.Equal(t, tt.want, got, name)
				got, err = r.ReadReply()
				require.NoError(t, err, name)
				require.Equal(t, "NEXT", string(got.Str), name)
				require.Zero(t, r.Buffered(), name)
				require.EqualValues(t, len(in), r.Received(), name)
				_, err = r.ReadReply()
				require.ErrorIs(t, err, io.EOF, name)
			}
		})
	}
}

func TestReaderRefusesEveryStrictPrefixOfAReply(t *testing.T) {
	t.Parallel()
	for _, tt := range valid {
		if len(tt.in) > 1000 || strings.HasPrefix(tt.in, ">") {
			continue // prefixes of pushes are judged below
		}
		for n := range len(tt.in) {
			_, err := readOne(tt.in[:n])
			want := io.ErrUnexpectedEOF
			if n == 0 {
				want = io.EOF
			}
			require.Equal(t, want, err, "%s: %q", tt.name, tt.in[:n])
		}
	}
	for n := range len(bulkOf(20_000)) {
		if n%997 == 1 {
			_, err := readOne(bulkOf(20_000)[:n])
			require.Equal(t, io.ErrUnexpectedEOF, err, n)
		}
	}
}

func TestTheEndOfTheStreamAfterAPushIsNotWithinAReply(t *testing.T) {
	t.Parallel()
	_, err := readOne(">1\r\n+x\r\n")
	require.Equal(t, io.EOF, err)
	_, err = readOne(">1\r\n+x\r")
	require.Equal(t, io.ErrUnexpectedEOF, err)
}

func TestReaderRefusesWhatIsNoRESP(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, in, want string
		offset         int64
	}{
		{"an HTTP server", "HTTP/1.1 400 Bad Request\r\n", "starts with 'H'", 1},
		{"a TLS alert", "\x15\x03\x01\x00\x02\x02\x50", `starts with '\x15', as a TLS alert does`, 1},
		{"an empty line", "\r\n", `starts with '\r'`, 1},
		{"no digits", ":\r\n", `malformed integer: ""`, 3},
		{"a sign alone", ":-\r\n", `malformed integer: "-"`, 4},
		{"a space in a number", ": 1\r\n", `malformed integer: " 1"`, 5},
		{"a hexadecimal number", ":0x1f\r\n", `malformed integer: "0x1f"`, 7},
		{"an integer above 64 bits", ":9223372036854775808\r\n", "malformed integer", 22},
		{"an integer below 64 bits", ":-9223372036854775809\r\n", "malformed integer", 23},
		{"a long integer", ":1" + repeat(40, "0") + "\r\n", "line of 41 bytes", 1},
		{"an endless number", ":" + repeat(100, "1"), "more than 32 bytes", 1},
		{"a line feed alone", "+OK\n", "without a proper end", 1},
		{"a carriage return alone", "+O\rK\r\n", "without a proper end", 1},
		{"a length of -2", "$-2\r\n", "malformed bulk string", 5},
		{"a length with a plus", "$+2\r\nab\r\n", "malformed bulk string", 5},
		{"a negative array", "*-3\r\n", "malformed array", 5},
		{"a null map", "%-1\r\n", "malformed map", 5},
		{"a null verbatim string", "=-1\r\n", "malformed verbatim string", 5},
		{"no length", "$\r\n", "malformed bulk string", 3},
		{"a text longer than declared", "$2\r\nabc\r\n", "end of a text of 2 bytes, got 'c'", 6},
		{"a text that ends in the wrong byte", "$2\r\nab\rc", "got 'c'", 7},
		{"a boolean of neither kind", "#x\r\n", `malformed boolean: "x"`, 4},
		{"a boolean word", "#true\r\n", "malformed boolean", 7},
		{"a null with a text", "_x\r\n", "malformed null", 4},
		{"a double without digits", ",.5\r\n", "malformed double", 5},
		{"a double that ends in a point", ",1.\r\n", "malformed double", 5},
		{"a double without exponent", ",1e\r\n", "malformed double", 5},
		{"a double with a tail", ",1.5x\r\n", "malformed double", 7},
		{"a double with another letter for its exponent", ",1.5x5\r\n", "malformed double", 8},
		{"a big number with letters", "(12a\r\n", "malformed big number", 6},
		{"a verbatim string without format", "=3\r\nabc\r\n", "without a format", 9},
		{"a verbatim string with a bad format", "=5\r\nabcde\r\n", "without a format", 11},
		{"a push inside a reply", "*1\r\n>0\r\n", "push inside a reply", 5},
		{"a push inside a push", ">1\r\n>0\r\n", "push inside a reply", 5},
		{"an attribute with a bad length", "|x\r\n", "malformed attribute", 4},
		{"a streamed string", "$?\r\n", "streamed", 4},
		{"a streamed array", "*?\r\n", "streamed", 4},
		{"a streamed chunk", ";4\r\nabcd\r\n", "streamed", 1},
		{"an end of stream", ".\r\n", "streamed", 1},
		{"unprintable bytes", ":\x00\x1b\xff\r\n", `malformed integer: "\x00\x1b\xff"`, 6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := reader(tt.in, Limits{})
			_, err := r.ReadReply()
			var pe *ProtocolError
			require.ErrorAs(t, err, &pe)
			require.Contains(t, pe.Msg, tt.want)
			require.Equal(t, tt.offset, pe.Offset)
			require.Less(t, len(err.Error()), 160)
			_, again := r.ReadReply()
			require.Same(t, err, again, "an error is final")
		})
	}
}

func TestReaderKeepsItsLimits(t *testing.T) {
	t.Parallel()
	small := Limits{MaxBulk: 10, MaxElements: 4, MaxDepth: 2, MaxReply: 1000, MaxPass: 2000}
	for _, tt := range []struct {
		name, within, beyond string
		final                bool // it cannot be read past
	}{
		{name: "bulk string", within: bulkOf(10), beyond: bulkOf(11)},
		{name: "bulk error", within: "!10\r\n0123456789\r\n", beyond: "!11\r\n01234567890\r\n"},
		{name: "verbatim string", within: "=10\r\ntxt:456789\r\n", beyond: "=11\r\ntxt:4567890\r\n"},
		{name: "a long text among others", within: "*3\r\n+a\r\n" + bulkOf(10) + "+b\r\n", beyond: "*3\r\n+a\r\n" + bulkOf(1900) + "+b\r\n"},
		{name: "members of one array", within: arrayOf(4, ":1\r\n"), beyond: arrayOf(5, ":1\r\n")},
		{name: "members over all levels", within: "*2\r\n*2\r\n:1\r\n:1\r\n:1\r\n", beyond: "*2\r\n*2\r\n:1\r\n:1\r\n*1\r\n:1\r\n"},
		{name: "keys and values of a map", within: "%2\r\n" + repeat(4, ":1\r\n"), beyond: "%3\r\n" + repeat(6, ":1\r\n")},
		{name: "members of an attribute", within: "|2\r\n" + repeat(4, ":1\r\n") + ":1\r\n", beyond: "|3\r\n" + repeat(6, ":1\r\n") + ":1\r\n", final: true},
		{name: "the reply as a whole", within: "+" + repeat(900, "x") + "\r\n", beyond: "+" + repeat(1000, "x") + "\r\n"},
		{name: "the members as a whole", within: "*2\r\n" + repeat(2, "+"+repeat(300, "x")+"\r\n"), beyond: "*4\r\n" + repeat(4, "+"+repeat(300, "x")+"\r\n")},
		{name: "a flood of attributes", within: repeat(5, "|0\r\n") + ":1\r\n", beyond: repeat(50, "|0\r\n") + ":1\r\n", final: true},
		{name: "depth", within: "*1\r\n*1\r\n:1\r\n", beyond: "*1\r\n*1\r\n*0\r\n", final: true},
		{name: "a flood of pushes", within: repeat(5, ">0\r\n") + ":1\r\n", beyond: repeat(50, ">0\r\n") + ":1\r\n", final: true},
		{name: "a push", within: ">1\r\n" + bulkOf(10) + ":1\r\n", beyond: ">1\r\n" + bulkOf(11) + ":1\r\n", final: true},
		{name: "as much text as may be read past", within: bulkOf(10), beyond: bulkOf(2000)},
		{name: "as many bytes as may be read past", within: bulkOf(10), beyond: "*500\r\n" + repeat(498, ":1\r\n") + "$1\r\nx\r\n_\r\n"},
		{name: "a byte more than may be read past", within: bulkOf(10), beyond: "*500\r\n" + repeat(498, ":1\r\n") + "$2\r\nxx\r\n_\r\n", final: true},
		{name: "what is read past", within: bulkOf(10), beyond: bulkOf(2001), final: true},
		{name: "what is read past, in pieces", within: bulkOf(10), beyond: arrayOf(600, "$1\r\nx\r\n"), final: true},
		{name: "members to read past", within: bulkOf(10), beyond: "*667\r\n_\r\n", final: true},
		{name: "long texts together", within: bulkOf(10), beyond: arrayOf(2, bulkOf(1500)), final: true},
		{name: "depth while reading past", within: bulkOf(10), beyond: "*2\r\n" + bulkOf(11) + "*1\r\n*1\r\n:1\r\n", final: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v, err := reader(tt.within, small).ReadReply()
			require.NoError(t, err)
			require.NotEqual(t, TooLarge, v.Kind)

			r := reader(tt.beyond+"+NEXT\r\n", small)
			v, err = r.ReadReply()
			if tt.final {
				require.ErrorIs(t, err, ErrTooLarge)
				var pe *ProtocolError
				require.ErrorAs(t, err, &pe)
				return
			}
			require.NoError(t, err)
			require.ErrorIs(t, v.Err(), ErrTooLarge)
			require.Equal(t, int64(len(tt.beyond)), v.Int)
			require.Empty(t, v.Elems)
			_, err = v.Text()
			require.ErrorIs(t, err, ErrTooLarge, "it is not read as a text")
			v, err = r.ReadReply()
			require.NoError(t, err)
			require.Equal(t, str(SimpleString, "NEXT"), v, "the stream is in step")
		})
	}
	t.Run("what is declared too long is not read", func(t *testing.T) {
		t.Parallel()
		_, err := reader("$2001\r\n", small).ReadReply()
		require.ErrorIs(t, err, ErrTooLarge, "and not the end of the stream")
		_, err = reader("*5\r\n:1\r\n$2001\r\n", small).ReadReply()
		require.ErrorIs(t, err, ErrTooLarge)
	})
	t.Run("a reply that is read past must be one", func(t *testing.T) {
		t.Parallel()
		for _, in := range []string{"$11\r\n01234567890x\r\n", "*5\r\n:1\r\nx\r\n"} {
			_, err := reader(in, small).ReadReply()
			var pe *ProtocolError
			require.ErrorAs(t, err, &pe, "%q", in)
			require.NotErrorIs(t, err, ErrTooLarge)
		}
		_, err := reader("$11\r\n0123", small).ReadReply()
		require.Equal(t, io.ErrUnexpectedEOF, err)
	})
	t.Run("a line has a longest length of its own", func(t *testing.T) {
		t.Parallel()
		_, err := readOne("+" + repeat(maxTextLine, "x") + "\r\n")
		require.NoError(t, err)
		_, err = readOne("-" + repeat(maxTextLine+1, "x") + "\r\n")
		require.ErrorIs(t, err, ErrTooLarge)
		longest := "+" + repeat(maxTextLine, "x") + "\r\n"
		_, err = NewReader(iotest.OneByteReader(strings.NewReader(longest)), Limits{}).ReadReply()
		require.NoError(t, err, "also when its end comes later than the rest")
	})
	t.Run("each reply has the whole allowance", func(t *testing.T) {
		t.Parallel()
		r := reader(repeat(100, arrayOf(4, ":1\r\n")+bulkOf(1900)), small)
		for range 100 {
			v, err := r.ReadReply()
			require.NoError(t, err)
			require.NoError(t, v.Err())
			v, err = r.ReadReply()
			require.NoError(t, err)
			require.Error(t, v.Err())
			require.EqualValues(t, len(bulkOf(1900)), v.Int, "its own length, wherever in the stream it is")
		}
	})
}

// allocated is what f allocates in bytes, freed or not. Other goroutines must
// be at rest, so tests that use it are not parallel.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestADeclaredLengthAllocatesNothingByItself(t *testing.T) {
	generous := Limits{MaxBulk: math.MaxInt, MaxElements: math.MaxInt, MaxReply: math.MaxInt}
	passing := Limits{MaxBulk: 1, MaxElements: 1, MaxReply: 100, MaxPass: math.MaxInt}
	for _, in := range []string{
		"$2147483648\r\n0123456789",
		"=9223372036854775807\r\n0123456789",
		"*2147483648\r\n:1\r\n:1\r\n",
		"*9223372036854775807\r\n*9223372036854775806\r\n",
		"%4611686018427387903\r\n:1\r\n:1\r\n",
		"~2147483648\r\n$2147483648\r\n0123456789",
		"|2147483648\r\n:1\r\n",
		repeat(15, "*1000000\r\n") + ":1\r\n",
	} {
		for _, limits := range []Limits{{}, generous, passing} {
			got := allocated(func() {
				_, err := reader(in, limits).ReadReply()
				require.Error(t, err, "%q", in)
			})
			require.Less(t, got, uint64(512<<10), "%q", in)
		}
	}
}

func TestALongTextIsReadInOneCopyOnceItHasArrived(t *testing.T) {
	const n = 8 << 20
	in := bulkOf(n)
	got := allocated(func() {
		v, err := readOne(in)
		require.NoError(t, err)
		require.Len(t, v.Str, n)
		require.Equal(t, n, cap(v.Str))
	})
	require.Less(t, got, uint64(3*n))
}

func TestTheRepliesOfAConversationHaveABoundTogether(t *testing.T) {
	t.Parallel()
	in := repeat(3, bulkOf(400)) + bulkOf(50) + repeat(5, ":1\r\n")
	together := 2*(400+valueSize) + (50 + valueSize) + valueSize
	r := reader(repeat(3, in), Limits{MaxReply: 800, MaxTogether: together})
	read := func() (kept string) {
		for range 9 {
			v, err := r.ReadReply()
			require.NoError(t, err)
			if v.Kind != TooLarge {
				kept += string(v.Kind)
				continue
			}
			require.ErrorContains(t, v.Err(), fmt.Sprintf("with those before it more than %d bytes", together))
			kept += "x"
		}
		return kept
	}
	require.Equal(t, "$$$$:::::", read(), "before the first conversation there is no bound")
	for range 2 {
		r.Begin(nil)
		require.Equal(t, "$$x$:xxxx", read(), "what still fits is read")
	}
}

func TestWhatIsReadPastTakesNoMemory(t *testing.T) {
	limits := Limits{MaxBulk: 1 << 10, MaxElements: 1 << 10, MaxReply: 1 << 20}
	for _, in := range []string{bulkOf(8 << 20), arrayOf(2<<20, ":1\r\n"), arrayOf(1000, bulkOf(8000)), arrayOf(2000, "+"+repeat(1000, "x")+"\r\n"), "+" + repeat(1000, "x") + "\r\n"} {
		got := allocated(func() {
			_, err := reader(in, limits).ReadReply()
			require.NoError(t, err)
		})
		require.Less(t, got, uint64(128<<10), "%d bytes", len(in))
	}
}

func TestReaderHoldsNoBufferWhenItIsReleased(t *testing.T) {
	t.Parallel()
	r := reader("+A\r\n+B\r\n", Limits{})
	r.Release()
	_, err := r.ReadReply()
	require.NoError(t, err)
	require.Equal(t, 4, r.Buffered())
	r.Release()
	require.NotNil(t, r.buf, "unread bytes are never given away")
	got, err := r.ReadReply()
	require.NoError(t, err)
	require.Equal(t, "B", string(got.Str))
	r.Release()
	require.Nil(t, r.buf)
	r.Release()
	_, err = r.ReadReply()
	require.ErrorIs(t, err, io.EOF)
}

func TestAValueOwnsItsMemory(t *testing.T) {
	t.Parallel()
	r := reader("$3\r\nabc\r\n+def\r\n"+repeat(9, bulkOf(4000)), Limits{})
	a, err := r.ReadReply()
	require.NoError(t, err)
	b, err := r.ReadReply()
	require.NoError(t, err)
	for range 9 {
		_, err = r.ReadReply()
		require.NoError(t, err)
	}
	require.Equal(t, "abc", string(a.Str))
	require.Equal(t, "def", string(b.Str))
}

func TestReaderReturnsTheStreamsOwnErrors(t *testing.T) {
	t.Parallel()
	_, err := NewReader(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("+OK\r\n"))), Limits{}).ReadReply()
	require.ErrorIs(t, err, iotest.ErrTimeout)
	_, err = NewReader(iotest.ErrReader(os.ErrDeadlineExceeded), Limits{}).ReadReply()
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	_, err = NewReader(silent{}, Limits{}).ReadReply()
	require.ErrorIs(t, err, io.ErrNoProgress)
}

type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, nil }

// encode is the inverse of ReadReply, up to RESP2's nulls, verbatim formats
// and what was skipped.
func encode(dst []byte, v Value) []byte {
	dst = append(dst, byte(v.Kind))
	switch v.Kind {
	case SimpleString, Error, Double, BigNumber:
		dst = append(dst, v.Str...)
	case Integer:
		dst = strconv.AppendInt(dst, v.Int, 10)
	case Boolean:
		dst = append(dst, "ft"[v.Int])
	case Null:
	case BulkString, BulkError:
		dst = strconv.AppendInt(dst, int64(len(v.Str)), 10)
		dst = append(append(dst, "\r\n"...), v.Str...)
	case VerbatimString:
		dst = strconv.AppendInt(dst, int64(len(v.Str)+4), 10)
		dst = append(append(dst, "\r\ntxt:"...), v.Str...)
	case Array, Set, Map:
		n := len(v.Elems)
		if v.Kind == Map {
			n /= 2
		}
		dst = append(strconv.AppendInt(dst, int64(n), 10), "\r\n"...)
		for _, e := range v.Elems {
			dst = encode(dst, e)
		}
		return dst
	default:
		panic("bug: no reply is of kind " + v.Kind.String())
	}
	return append(dst, "\r\n"...)
}

func TestEveryReplySurvivesARoundTrip(t *testing.T) {
	t.Parallel()
	for _, tt := range valid {
		got, err := readOne(string(encode(nil, tt.want)))
		require.NoError(t, err, tt.name)
		require.Equal(t, tt.want, got, tt.name)
	}
}

func FuzzReader(f *testing.F) {
	for _, tt := range valid {
		if len(tt.in) < 1000 {
			f.Add([]byte(tt.in + "+NEXT\r\n"))
		}
	}
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	f.Add([]byte("$2147483648\r\n0123456789"))
	f.Add([]byte(repeat(20, "*1\r\n")))
	f.Add([]byte("*1000000\r\n*1000000\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		limits := Limits{MaxBulk: 1 << 16, MaxElements: 1 << 10, MaxDepth: 8, MaxReply: 1 << 20}
		whole := NewReader(bytes.NewReader(in), limits)
		pieces := NewReader(iotest.OneByteReader(bytes.NewReader(in)), limits)
		for {
			v, err := whole.ReadReply()
			v2, err2 := pieces.ReadReply()
			require.Equal(t, v, v2, "the same whichever way the bytes arrive")
			if err != nil {
				require.Error(t, err2)
				require.Equal(t, errors.Is(err, ErrTooLarge), errors.Is(err2, ErrTooLarge))
				return
			}
			require.NoError(t, err2)
			if v.Kind == TooLarge {
				require.NotEmpty(t, v.Str)
				continue
			}
			again, err := NewReader(bytes.NewReader(encode(nil, v)), Limits{}).ReadReply()
			require.NoError(t, err)
			require.Equal(t, v, again)
		}
	})
}

// FuzzReaderPasses reads the same bytes with limits that most replies keep and
// with limits that many do not: those that are read past are the ones in
// between, and all others are the same.
func FuzzReaderPasses(f *testing.F) {
	for _, tt := range valid {
		if len(tt.in) < 1000 {
			f.Add([]byte(tt.in + "+NEXT\r\n"))
		}
	}
	f.Add([]byte("*3\r\n+a\r\n" + bulkOf(100) + "+b\r\n+NEXT\r\n"))
	f.Add([]byte(arrayOf(9, "*1\r\n$3\r\nabc\r\n") + ":1\r\n"))
	f.Add([]byte("|2\r\n" + repeat(4, bulkOf(20)) + "%1\r\n:1\r\n_\r\n+NEXT\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		wide := NewReader(bytes.NewReader(in), Limits{MaxDepth: 4})
		tight := NewReader(iotest.HalfReader(bytes.NewReader(in)), Limits{
			MaxBulk: 8, MaxElements: 5, MaxDepth: 4, MaxReply: 600, MaxPass: 1 << 20,
		})
		for {
			want, wantErr := wide.ReadReply()
			got, err := tight.ReadReply()
			if wantErr != nil {
				require.Error(t, err)
				return
			}
			if err != nil { // a push or an attribute of that size
				require.ErrorIs(t, err, ErrTooLarge)
				return
			}
			require.Equal(t, wide.offset(), tight.offset(), "both are at the same place")
			if got.Kind != TooLarge {
				require.Equal(t, want, got)
			}
		}
	})
}
