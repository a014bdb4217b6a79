package resp

import (
	"bytes"
	"io"
	"sync"
)

// buffers are shared by all readers: an idle connection holds none.
var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// Release gives the buffer back when nothing is left in it. The next read
// takes another one.
func (r *Reader) Release() {
	if r.buf != nil && r.start == r.end {
		buffers.Put((*[bufferSize]byte)(r.buf))
		r.buf, r.start, r.end = nil, 0, 0
	}
}

// text reads n bytes and the line end after them. When there is no memory for
// them it reads past them, and r.over says why.
func (r *Reader) text(n int) ([]byte, error) {
	text := make([]byte, 0, min(n, firstStep))
	if !r.take(cap(text)) {
		return nil, r.passText(int64(n))
	}
	for len(text) < n {
		if len(text) == cap(text) {
			if !r.take(min(n, 2*cap(text)) - cap(text)) {
				return nil, r.passText(int64(n - len(text)))
			}
			text = append(make([]byte, 0, min(n, 2*cap(text))), text...)
		}
		free := text[len(text):cap(text)]
		var got int
		var err error
		if r.Buffered() == 0 && len(free) >= bufferSize {
			got, err = r.read(free)
		} else if r.Buffered() == 0 {
			err = r.fill()
		}
		if err != nil {
			return nil, err
		}
		if got == 0 {
			got = copy(free, r.buf[r.start:r.end])
			r.start += got
		}
		text = text[:len(text)+got]
	}
	return text, r.textEnd(int64(n))
}

// textEnd reads the line end after a text of n bytes.
func (r *Reader) textEnd(n int64) error {
	for _, want := range [2]byte{'\r', '\n'} {
		c, err := r.readByte()
		if err != nil {
			return err
		}
		if c != want {
			r.start--
			return r.faultf("expected the end of a text of %d bytes, got %q", n, c)
		}
	}
	return nil
}

// line reads up to a line end and returns what is before it. The slice is
// valid until the next read.
func (r *Reader) line(longest int) ([]byte, error) {
	var long []byte // the part of the line that no longer fits the buffer
	scanned := 0
	for {
		window := r.buf[r.start:r.end]
		if i := bytes.IndexByte(window[scanned:], '\n'); i >= 0 {
			line := window[:scanned+i]
			if long != nil {
				line = append(long, line...)
			}
			before := len(line) - 1
			if before > longest {
				return nil, r.tooLarge("line of %d bytes, the limit is %d", before, longest)
			}
			if before < 0 || bytes.IndexByte(line, '\r') != before {
				return nil, r.faultf("line without a proper end: %s", clip(line))
			}
			r.start += scanned + i + 1
			return line[:before], nil
		}
		scanned = len(window)
		if len(long)+scanned > longest+1 { // 1 for the '\r'
			return nil, r.tooLarge("line of more than %d bytes", longest)
		}
		if scanned == bufferSize {
			long = append(long, window...)
			r.start, scanned = r.end, 0
		}
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
}

func (r *Reader) readByte() (byte, error) {
	if r.Buffered() == 0 {
		if err := r.fill(); err != nil {
			return 0, err
		}
	}
	c := r.buf[r.start]
	r.start++
	return c, nil
}

// fill reads at least one byte more into the buffer, which is not full.
func (r *Reader) fill() error {
	if r.buf == nil {
		r.buf = buffers.Get().(*[bufferSize]byte)[:]
	}
	switch {
	case r.start == r.end:
		r.start, r.end = 0, 0
	case r.end == bufferSize:
		r.end = copy(r.buf, r.buf[r.start:r.end])
		r.start = 0
	}
	n, err := r.read(r.buf[r.end:])
	r.end += n
	return err
}

// read returns at least one byte or an error. An error that comes with bytes
// comes again without them.
func (r *Reader) read(p []byte) (int, error) {
	// A stream that keeps giving nothing is broken (see io.ErrNoProgress).
	for range 100 {
		n, err := r.src.Read(p)
		r.received += int64(n)
		if n > 0 {
			return n, nil
		}
		if err != nil {
			return 0, err
		}
	}
	return 0, io.ErrNoProgress
}
