package redisclient

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"redisjobs/redisclient/resp"
	"redisjobs/socket"
)

const (
	// inlineWrite is how much is written before the first reply is read. It
	// fits the socket buffers of every system, so that the write cannot wait
	// for a server that itself waits for us to read.
	inlineWrite = 32 << 10
	// keptBuffer is the largest write buffer worth keeping.
	keptBuffer = 64 << 10
)

var writeBuffers = sync.Pool{New: func() any { return new([]byte) }}

// past is a deadline that has expired on any clock.
var past = time.Unix(1, 0)

var (
	errClosed  = errors.New("the connection was closed")
	errSurplus = errors.New("the server sent more than was asked for")
	errEmpty   = errors.New("empty command")
)

// Conn is a connection to one server. One conversation takes place on it at a
// time; Close and Err may be called at any moment.
type Conn struct {
	raw     net.Conn  // the socket
	secured *tls.Conn // over raw, or nil
	stream  net.Conn  // secured, or raw
	flow    flow      // what reader reads of stream
	reader  *resp.Reader
	info    ConnInfo

	busy    atomic.Bool           // a conversation is going on
	failure atomic.Pointer[Error] // why the connection must not be used again

	opening *opening // what to say before the first command; nil once said
	secret  string   // the password, "" for none
	login   Login    // Config.Login
	// noCertificate: with TLS, and no certificate of ours.
	noCertificate bool
	answered      bool              // a whole reply was received
	refusal       *resp.ServerError // the very first reply, if it was an error
	served        bool              // a conversation was completed
	pinging       bool              // the conversation asks for nothing but a sign of life
	known         bool              // Config.Known

	interrupt   func()        // ends blocking I/O
	interrupted chan struct{} // one element for each interrupt that has ended

	peek peek
}

var _ Doer = (*Conn)(nil)

// newConn makes a Conn of an open socket.
func newConn(raw net.Conn, cfg Config) *Conn {
	stream := socket.Quick(raw)
	c := &Conn{
		raw:         raw,
		stream:      stream,
		flow:        flow{src: stream},
		opening:     cfg.opening(),
		secret:      cfg.Password,
		login:       cfg.Login,
		known:       cfg.Known,
		interrupted: make(chan struct{}, 1),
	}
	c.reader = resp.NewReader(&c.flow, cfg.Limits)
	c.info.Addr = raw.RemoteAddr().String()
	c.info.Here = isHere(raw)
	c.interrupt = func() {
		_ = c.raw.SetDeadline(past)
		c.interrupted <- struct{}{}
	}
	c.peek.init(raw)
	return c
}

// Info describes how the connection came about. Auth is known after the first
// DoAll.
func (c *Conn) Info() ConnInfo { return c.info }

// Answered reports whether a whole reply was received on the connection. It
// must not be called during a conversation.
func (c *Conn) Answered() bool { return c.answered }

// Err reports why the connection must not be used again; nil if it may.
func (c *Conn) Err() error {
	if e := c.failure.Load(); e != nil {
		return e
	}
	return nil
}

// Close closes the socket and returns nil. A conversation that is going on
// ends with an error. TLS's close_notify is not sent: that could block, and no
// Redis server waits for it.
func (c *Conn) Close() error {
	c.fail(&Error{Op: "close", Reason: ReasonClosed, Err: errClosed})
	return nil
}

// fail closes the connection for good. The first failure is the one that Err
// tells.
func (c *Conn) fail(e *Error) error {
	c.failure.CompareAndSwap(nil, e)
	_ = c.raw.Close()
	return e
}

// DoAll implements Doer. An error means that the connection was closed, unless
// ctx had ended before anything was written.
func (c *Conn) DoAll(ctx context.Context, cmds ...Command) ([]resp.Value, error) {
	if !c.busy.CompareAndSwap(false, true) {
		panic("bug: two conversations at once on one connection")
	}
	defer c.busy.Store(false)
	if err := c.Err(); err != nil {
		return nil, err
	}
	if len(cmds) == 0 {
		return nil, nil
	}
	for _, cmd := range cmds {
		// The server would not answer it, and all later replies would shift.
		if len(cmd) == 0 {
			return nil, &Error{Op: "write", Reason: ReasonCommand, Err: errEmpty}
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, &Error{Op: "write", Reason: ReasonOf(err), Err: InWords(Words(err), err)}
	}
	deadline, _ := ctx.Deadline() // the zero time is none
	if err := c.raw.SetDeadline(deadline); err != nil {
		return nil, c.broken(ctx, "write", err, true)
	}
	if ctx.Done() != nil {
		stop := context.AfterFunc(ctx, c.interrupt)
		defer func() {
			if !stop() {
				<-c.interrupted
			}
		}()
	}
	values, err := c.converse(ctx, cmds)
	if err != nil {
		c.reader = nil // it may hold a buffer that nobody will read
		if ReasonOf(err) != ReasonTimeout || len(values) == 0 {
			return nil, err
		}
		return nil, &Unfinished{Cmds: cmds, Replies: values, Err: err}
	}
	c.reader.Release()
	return values, nil
}

// converse writes everything and reads every reply.
func (c *Conn) converse(ctx context.Context, cmds []Command) ([]resp.Value, error) {
	start := time.Now()
	c.pinging = !slices.ContainsFunc(cmds, func(cmd Command) bool { return !strings.EqualFold(cmd[0], "PING") })
	c.reader.Begin(memoryOf(ctx))
	deadline, _ := ctx.Deadline()
	c.flow.begin(ctx, deadline)
	before := c.reader.Received()
	write := c.write(cmds)
	if write.err != nil && (c.served || isTimeout(write.err)) {
		return nil, c.broken(ctx, "write", write.err, true)
	}
	// A server that refuses a connection answers and hangs up before it has
	// read anything, so its words may be waiting though the write failed.
	values, err := c.read(ctx, cmds, start)
	if err != nil {
		var refused *Error
		switch silent := c.reader.Received() == before; {
		case errors.As(err, &refused):
			err = c.fail(refused)
		// Of two ends of one connection the first is told, but any other word
		// says more: a TLS alert, or what is no Redis.
		case write.err != nil && ReasonOf(err) == ReasonTCP:
			err = c.broken(ctx, "write", write.err, silent)
		default:
			err = c.broken(ctx, "read", err, silent)
		}
	}
	if writeErr := write.wait(); err == nil && writeErr != nil {
		err = c.broken(ctx, "write", writeErr, false)
	}
	if err == nil && c.surplus() {
		err = c.fail(&Error{Op: "read", Reason: ReasonProtocol, Err: errSurplus})
	}
	if err != nil {
		return values, err
	}
	c.opening, c.refusal, c.served = nil, nil, true
	return values, nil
}

// read reads the replies to the opening and to cmds. An *Error is the server's
// refusal.
func (c *Conn) read(ctx context.Context, cmds []Command, start time.Time) ([]resp.Value, error) {
	if c.opening != nil {
		for _, s := range c.opening.steps {
			v, err := c.reply()
			if err == nil {
				c.opening.answered++
				err = c.opening.judge(s, v)
			}
			if err != nil {
				return nil, err
			}
		}
		c.info.Auth = time.Since(start)
	}
	values := make([]resp.Value, len(cmds))
	for i := range values {
		if each := linesOf(ctx, cmds[i]); each != nil {
			c.reader.Lines(each)
		}
		v, err := c.reply()
		if err == nil && i == 0 && !c.served {
			err = c.login.judgeFirst(v)
		}
		if err != nil {
			return values[:i], err
		}
		values[i] = v
	}
	return values, c.login.judgeAll(values, c.served)
}

// reply reads the next reply. The very first one may answer the connection
// rather than a command.
func (c *Conn) reply() (resp.Value, error) {
	v, err := c.reader.ReadReply()
	if err == nil && c.secret != "" && v.Err() != nil {
		// A server may put what it was told into any error.
		v.Str = bytes.ReplaceAll(v.Str, []byte(c.secret), []byte(redacted))
	}
	if err != nil || c.answered {
		return v, err
	}
	c.answered = true
	if refused := (*resp.ServerError)(nil); errors.As(v.Err(), &refused) {
		c.refusal = c.opening.redact(v)
		err = refusedAtDoor(c.refusal)
	}
	return v, err
}

// writing is a write that may still be going on.
type writing struct {
	err  error // of a write that has ended
	done chan error
}

// wait returns when the write has ended.
func (w writing) wait() error {
	if w.done == nil {
		return w.err
	}
	return <-w.done
}

// write writes the opening and cmds in one go, a long text in a goroutine that
// ends with the socket at the latest.
func (c *Conn) write(cmds []Command) writing {
	pooled := writeBuffers.Get().(*[]byte)
	text := (*pooled)[:0]
	if c.opening != nil {
		for _, cmd := range c.opening.cmds {
			text = resp.AppendCommand(text, cmd...)
		}
	}
	size := 0
	for _, cmd := range cmds {
		size += resp.CommandSize(cmd...)
	}
	text = slices.Grow(text, size)
	for _, cmd := range cmds {
		text = resp.AppendCommand(text, cmd...)
	}
	*pooled = text
	if len(text) <= inlineWrite {
		return writing{err: c.flush(pooled)}
	}
	w := writing{done: make(chan error, 1)}
	go func() { w.done <- c.flush(pooled) }()
	return w
}

func (c *Conn) flush(pooled *[]byte) error {
	_, err := c.stream.Write(*pooled)
	if cap(*pooled) <= keptBuffer {
		clear(*pooled) // it may hold the password
		writeBuffers.Put(pooled)
	}
	return err
}

// surplus reports whether something was received after the last reply. Then
// nobody knows which question the next answer belongs to. TLS may hold it
// where Alive's look at the socket does not see it, so it is asked here.
func (c *Conn) surplus() bool {
	if c.reader.Buffered() > 0 {
		return true
	}
	if c.secured == nil {
		return false
	}
	if c.raw.SetReadDeadline(past) != nil {
		return false
	}
	var b [1]byte
	n, err := c.secured.Read(b[:])
	if err != nil && !isTimeout(err) {
		// The replies are whole; it is the next conversation that fails.
		c.fail(&Error{Op: "read", Reason: ReasonTCP, Err: explainEnd(err), Stale: true})
	}
	return n > 0
}

// broken closes the connection after an I/O or protocol error and says what
// follows from it. silent: no byte came since the commands were written.
func (c *Conn) broken(ctx context.Context, op string, err error, silent bool) error {
	e := &Error{Op: op, Reason: ReasonOf(err), Err: explainEnd(withoutRoute(err)), NoCertificate: c.noCertificate}
	var protocol *resp.ProtocolError
	switch {
	case e.Reason == ReasonTimeout && errors.Is(ctx.Err(), context.Canceled):
		e.Reason, e.Err = ReasonClosed, ctx.Err()
	case errors.Is(err, syscall.ETIMEDOUT):
		// The kernel's word for a peer that no longer acknowledges anything.
		e.Reason = ReasonTCP
	case errors.As(err, &protocol) && c.opening != nil:
		e.Err = redactProtocol(protocol)
	}
	e.HungUp = isEnd(err) && !c.opening.pending() && !c.pinging
	switch {
	case c.served:
		e.Stale = silent && e.Reason == ReasonTCP
	case e.HungUp && (c.refusal == nil || serverReason(c.refusal) == ReasonCommand):
		// It let us in: whether it hangs up on this command alone is for the
		// caller to find out.
	case e.Reason == ReasonTCP && c.refusal != nil && c.refusal.Code != "NOPERM":
		// It said why before it hung up. NOPERM only means the name.
		e.Op, e.Reason, e.Err, e.Refused, e.HungUp = "read", serverReason(c.refusal), c.refusal, true, false
	// Not a reset: that is what becomes of a server that goes down, or is full.
	case errors.Is(err, io.EOF) && c.opening.awaits(stepName):
		e.Unnamed = true
	case !c.answered && e.Reason == ReasonTimeout:
		e.Refused = true
		e.Err = fmt.Errorf("no answer to the first command: %w", e.Err)
	case !c.answered && e.Reason != ReasonClosed:
		e.Refused = true
		if e.Reason == ReasonTCP && c.secured == nil && !c.known && c.raw.RemoteAddr().Network() == "tcp" {
			// What Redis does on its TLS port with what is no handshake.
			e.Err = fmt.Errorf("%w, before its first answer: does it want TLS on this port?", e.Err)
		}
	}
	return c.fail(e)
}
