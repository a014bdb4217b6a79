package resp

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// loop is a stream that gives the same bytes for ever.
type loop struct {
	text string
	at   int
}

func (l *loop) Read(p []byte) (int, error) {
	n := copy(p, l.text[l.at:])
	l.at = (l.at + n) % len(l.text)
	return n, nil
}

// infoReply looks like the INFO reply of a server with a few databases: about
// 6 KB in lines of about 30 bytes.
func infoReply() string {
	var b strings.Builder
	for section := range 10 {
		fmt.Fprintf(&b, "# Section%d\r\n", section)
		for field := range 20 {
			fmt.Fprintf(&b, "a_field_of_info_%02d:%d\r\n", field, 1234567890+field)
		}
		b.WriteString("\r\n")
	}
	return fmt.Sprintf("$%d\r\n%s\r\n", b.Len(), b.String())
}

func BenchmarkReader(b *testing.B) {
	for _, bench := range []struct {
		name    string
		text    string
		replies int
	}{
		{"info", infoReply(), 1},
		{"array=100", arrayOf(100, "$10\r\n0123456789\r\n"), 1},
		{"pipeline=20", strings.Repeat(":1234567\r\n", 20), 20},
	} {
		b.Run(bench.name, func(b *testing.B) {
			r := NewReader(&loop{text: bench.text}, Limits{})
			b.ReportAllocs()
			b.SetBytes(int64(len(bench.text)))
			for b.Loop() {
				for range bench.replies {
					if _, err := r.ReadReply(); err != nil {
						b.Fatal(err)
					}
				}
				r.Release()
			}
		})
	}
}

func BenchmarkAppendCommand(b *testing.B) {
	dst := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendCommand(dst[:0], "CONFIG", "GET", "maxmemory")
	}
}

func TestReadingAllocatesTheValueAndNothingElse(t *testing.T) {
	for _, tt := range []struct {
		name string
		text string
		want float64
	}{
		{"an INFO reply: its text", infoReply(), 1},
		{"a status: its text", "+OK\r\n", 1},
		{"an integer", ":12\r\n", 0},
		{"a null", "$-1\r\n", 0},
		{"a double: its text", ",1.5\r\n", 1},
		{"a list of integers: its members", arrayOf(100, ":1\r\n"), 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := NewReader(io.Reader(&loop{text: tt.text}), Limits{})
			got := testing.AllocsPerRun(100, func() {
				_, err := r.ReadReply()
				require.NoError(t, err)
			})
			require.Equal(t, tt.want, got)
		})
	}
}
