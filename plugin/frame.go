package plugin

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"golang.zabbix.com/sdk/plugin/comms"
)

// headerLen is the length of a frame's header: type and body length, each four
// bytes, little endian. Source: SDK plugin/comms.
const headerLen = 8

// maxRequest bounds a request's body; a longer one is skipped. The longest
// lines of an agent's configuration and of an item key are 2 KiB each, so that
// only a session list of thousands comes near.
const maxRequest = 16 << 20

// errSkipped says that a frame was read over, and the stream is still in step.
var errSkipped = errors.New("frame skipped")

// readFrame reads one frame's body into buf, growing it as bytes arrive. A
// frame that is no JSON or too long is consumed and reported as errSkipped:
// giving up on the stream would end the agent.
func readFrame(r io.Reader, buf []byte) ([]byte, error) {
	var header [headerLen]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return buf[:0], err
	}
	kind := binary.LittleEndian.Uint32(header[:4])
	size := binary.LittleEndian.Uint32(header[4:])
	if kind != comms.JSONType || size > maxRequest {
		if _, err := io.CopyN(io.Discard, r, int64(size)); err != nil {
			return buf[:0], err
		}
		return buf[:0], fmt.Errorf("%w: type %d, %d bytes", errSkipped, kind, size)
	}
	return readBody(r, buf[:0], int(size))
}

// readBody appends size bytes, in steps, so that a length that is only claimed
// costs nothing.
func readBody(r io.Reader, buf []byte, size int) ([]byte, error) {
	const step = 64 << 10
	for len(buf) < size {
		from, to := len(buf), min(size, len(buf)+step)
		if to > cap(buf) {
			buf = append(buf, make([]byte, to-from)...)
		}
		buf = buf[:to]
		if _, err := io.ReadFull(r, buf[from:]); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return buf[:0], err
		}
	}
	return buf, nil
}

// frameWriter sends frames from many goroutines over one socket. Frames that
// come while one is being written leave together in the next write, so that a
// busy agent costs few system calls and no goroutine waits for another's write.
type frameWriter struct {
	conn net.Conn

	mu      sync.Mutex
	room    *sync.Cond
	pending []byte // frames not yet handed to the socket
	spare   []byte // the buffer that was written last
	writing bool
	err     error
}

// maxPending bounds the bytes that wait for a slow agent; senders wait then.
const maxPending = 32 << 20

// keepBuffer is the largest buffer that an idle writer keeps.
const keepBuffer = 64 << 10

func newFrameWriter(conn net.Conn) *frameWriter {
	w := &frameWriter{conn: conn}
	w.room = sync.NewCond(&w.mu)
	return w
}

// send appends one frame, whose body is what the function appends, and sees
// to it that it is written. An error means that the agent is gone.
func (w *frameWriter) send(body func(dst []byte) []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.err == nil && len(w.pending) > maxPending {
		w.room.Wait()
	}
	if w.err != nil {
		return w.err
	}
	start := len(w.pending)
	w.pending = append(w.pending, make([]byte, headerLen)...)
	w.pending = body(w.pending)
	header := w.pending[start : start+headerLen]
	binary.LittleEndian.PutUint32(header, comms.JSONType)
	binary.LittleEndian.PutUint32(header[4:], uint32(len(w.pending)-start-headerLen))
	if w.writing {
		return nil
	}
	return w.flushLocked()
}

// flushLocked writes until nothing is pending. It holds no lock while writing.
func (w *frameWriter) flushLocked() error {
	w.writing = true
	for len(w.pending) > 0 && w.err == nil {
		out := w.pending
		w.pending, w.spare = w.spare[:0], nil
		w.mu.Unlock()
		_, err := w.conn.Write(out)
		w.mu.Lock()
		if cap(out) <= keepBuffer {
			w.spare = out[:0]
		}
		w.err = err
		w.room.Broadcast()
	}
	w.writing = false
	return w.err
}
