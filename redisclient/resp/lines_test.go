package resp

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// readLines reads one reply of wire line by line.
func readLines(t testing.TB, src io.Reader, limits Limits) (lines []string, v Value, err error) {
	t.Helper()
	r := NewReader(src, limits)
	r.Lines(func(line []byte) { lines = append(lines, string(line)) })
	v, err = r.ReadReply()
	if err == nil {
		next, nextErr := r.ReadReply()
		require.NoError(t, nextErr, "the stream is in step")
		require.Equal(t, Value{Kind: SimpleString, Str: []byte("NEXT")}, next)
	}
	return lines, v, err
}

func TestLinesOfALongText(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxLine+bufferSize)
	for _, tt := range []struct {
		name, wire string
		want       []string
		v          Value
	}{
		{"bulk", "$12\r\nid=1\r\nid=2\r\n\r\n", []string{"id=1", "id=2"}, Value{Kind: BulkString, Int: 12}},
		{"no end of the last line", "$9\r\nid=1\nid=2\r\n", []string{"id=1", "id=2"}, Value{Kind: BulkString, Int: 9}},
		{"verbatim", "=9\r\ntxt:a\nb\nc\r\n", []string{"a", "b", "c"}, Value{Kind: VerbatimString, Int: 9}},
		{"empty lines", "$5\r\n\n\r\n\na\r\n", []string{"a"}, Value{Kind: BulkString, Int: 5}},
		{"empty", "$0\r\n\r\n", nil, Value{Kind: BulkString}},
		{"null", "$-1\r\n", nil, Value{Kind: Null}},
		{"an error", "-NOPERM no\r\n", nil, Value{Kind: Error, Str: []byte("NOPERM no")}},
		{"a list", "*1\r\n$1\r\na\r\n", nil, Value{Kind: Array, Elems: []Value{{Kind: BulkString, Str: []byte("a")}}}},
		{"a line that is too long", fmt.Sprintf("$%d\r\n%s\nb\r\n", len(long)+2, long), []string{long[:maxLine], "b"}, Value{Kind: BulkString, Int: int64(len(long) + 2)}},
	} {
		for _, src := range []io.Reader{
			strings.NewReader(tt.wire + "+NEXT\r\n"), iotest.OneByteReader(strings.NewReader(tt.wire + "+NEXT\r\n")),
			iotest.HalfReader(strings.NewReader(tt.wire + "+NEXT\r\n")),
		} {
			lines, v, err := readLines(t, src, Limits{MaxBulk: 1 << 10, MaxReply: 64 << 10})
			require.NoError(t, err, tt.name)
			require.Equal(t, tt.want, lines, tt.name)
			require.Equal(t, tt.v, v, tt.name)
		}
	}
	_, _, err := readLines(t, strings.NewReader("$100\r\n"), Limits{MaxLines: 99})
	require.ErrorIs(t, err, ErrTooLarge)
	lines, _, err := readLines(t, strings.NewReader("$100\r\na\nb\nc"), Limits{})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Equal(t, []string{"a", "b"}, lines, "what is not whole is not handed over")
}

// FuzzLines compares with a text that is split as a whole.
func FuzzLines(f *testing.F) {
	f.Add("a\r\nb\n\nc", 3)
	f.Add(strings.Repeat("x", bufferSize-2)+"\r\ny", 1)
	f.Fuzz(func(t *testing.T, text string, step int) {
		var want []string
		for line := range strings.SplitSeq(text, "\n") {
			if line = strings.TrimSuffix(line, "\r"); line != "" {
				want = append(want, line)
			}
		}
		wire := fmt.Appendf(nil, "$%d\r\n%s\r\n+NEXT\r\n", len(text), text)
		src := &steps{bytes.NewReader(wire), max(1, step%1000)}
		lines, v, err := readLines(t, src, Limits{})
		require.NoError(t, err)
		require.EqualValues(t, len(text), v.Int)
		require.Equal(t, want, lines)
	})
}

// steps reads at most n bytes at once.
type steps struct {
	src io.Reader
	n   int
}

func (s *steps) Read(p []byte) (int, error) { return s.src.Read(p[:min(len(p), s.n)]) }
