package redisclient

import (
	"bytes"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

// overheard remembers the buffer that was written from, as who is given it next
// would see it, and what was in it.
type overheard struct {
	net.Conn
	buffer  []byte
	written []byte
	fails   bool
}

func (o *overheard) Write(b []byte) (int, error) {
	o.buffer, o.written = b, bytes.Clone(b)
	if o.fails {
		_ = o.Conn.Close()
		return 0, io.ErrClosedPipe
	}
	return o.Conn.Write(b)
}

// Buffers are shared by all connections. One that was written from holds neither a
// password nor anything else of its last user, also when the write failed. It looks
// at a buffer that is back in the pool, so no other test may write meanwhile.
func TestAWriteBufferThatIsGivenBackHoldsNoPassword(t *testing.T) {
	const secret = "pa55w0rd"
	for name, script := range map[string]redistest.Script{
		"written":     {redistest.Expect(2), redistest.Write("+OK\r\n+PONG\r\n")},
		"not written": {},
	} {
		t.Run(name, func(t *testing.T) {
			_, pipe := redistest.NewPipe(t, script)
			heard := &overheard{Conn: pipe, fails: name == "not written"}
			c := newConn(heard, Config{User: "u", Password: secret})
			defer c.Close()
			_, err := c.DoAll(soon(t), ping)
			require.Equal(t, name == "written", err == nil, err)
			require.Contains(t, string(heard.written), secret)
			require.Equal(t, make([]byte, len(heard.written)), heard.buffer)
		})
	}
}

// A buffer of a huge pipeline is not kept: the pool would hold its memory for as
// long as the plugin lives.
func TestALargeWriteBufferIsNotKept(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // sync.Pool keeps what it has by processor
	_, pipe := redistest.NewPipe(t, redistest.Script{redistest.Expect(1), redistest.Write("+OK\r\n")})
	c := newConn(pipe, Config{})
	defer c.Close()
	_, err := c.DoAll(soon(t), Command{"ECHO", strings.Repeat("x", keptBuffer)})
	require.NoError(t, err)
	for range 20 {
		require.LessOrEqual(t, cap(*writeBuffers.Get().(*[]byte)), keptBuffer)
	}
}
