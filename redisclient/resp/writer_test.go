package resp

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAppendCommandWritesAnArrayOfBulkStrings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"a word", []string{"PING"}, "*1\r\n$4\r\nPING\r\n"},
		{"an empty argument", []string{"GET", ""}, "*2\r\n$3\r\nGET\r\n$0\r\n\r\n"},
		{"any bytes", []string{"SET", "a\r\nb", "\x00ü"}, "*3\r\n$3\r\nSET\r\n$4\r\na\r\nb\r\n$3\r\n\x00ü\r\n"},
		{"a length of two digits", []string{"0123456789"}, "*1\r\n$10\r\n0123456789\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, "before"+tt.want, string(AppendCommand([]byte("before"), tt.args...)))
			require.GreaterOrEqual(t, CommandSize(tt.args...), len(tt.want))
		})
	}
}

func TestAppendCommandAllocatesNothingInARoomyBuffer(t *testing.T) {
	args := []string{"CONFIG", "GET", "maxmemory"}
	dst := make([]byte, 0, 256)
	require.Zero(t, testing.AllocsPerRun(100, func() { dst = AppendCommand(dst[:0], args...) }))
}
