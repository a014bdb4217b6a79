package resp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"unsafe"
)

const (
	// bufferSize holds a usual INFO reply, so that it is read in one system
	// call.
	bufferSize = 16 << 10
	// firstStep bounds what is allocated on a length's word alone. A longer
	// text or list at most doubles what has arrived.
	firstStep = 16 << 10
	valueSize = int(unsafe.Sizeof(Value{}))

	// Lines have no declared length, so each kind has a longest one.
	maxTextLine   = 64 << 10 // + - (
	maxDoubleLine = 512      // the longest %.17g, and then some
	maxHeaderLine = 32       // lengths, integers, _ and #
)

// attribute is read and dropped; no Value is ever of this kind.
const attribute Kind = '|'

// buffers are shared by all readers: an idle connection holds none.
var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// Reader reads replies from a stream. It is not safe for concurrent use.
type Reader struct {
	src    io.Reader
	limits Limits

	buf        []byte // from buffers, or nil
	start, end int    // the unread part of buf
	received   int64
	err        error // sticky

	members int // what the current reply may still have
	memory  int // what the current reply may still cost, in bytes
}

// NewReader reads from r. It reads ahead as much as r offers.
func NewReader(r io.Reader, limits Limits) *Reader {
	return &Reader{src: r, limits: limits.withDefaults()}
}

// Buffered is the number of bytes that were read ahead.
func (r *Reader) Buffered() int { return r.end - r.start }

// Received is the number of bytes taken from the stream so far, those read
// ahead included.
func (r *Reader) Received() int64 { return r.received }

// Release gives the buffer back when nothing is left in it. The next read
// takes another one.
func (r *Reader) Release() {
	if r.buf != nil && r.start == r.end {
		buffers.Put((*[bufferSize]byte)(r.buf))
		r.buf, r.start, r.end = nil, 0, 0
	}
}

// ReadReply reads the next reply. The end of the stream is io.EOF before the
// first byte of a reply and io.ErrUnexpectedEOF within it; other errors are
// those of the stream, or a *ProtocolError. After an error every call returns
// that error.
func (r *Reader) ReadReply() (Value, error) {
	if r.err != nil {
		return Value{}, r.err
	}
	r.members, r.memory = r.limits.MaxElements, r.limits.MaxReply
	for {
		if r.Buffered() == 0 {
			if r.err = r.fill(); r.err != nil {
				return Value{}, r.err
			}
		}
		pushed := Kind(r.buf[r.start]) == Push
		v, err := r.value(0)
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if r.err = err; err != nil {
			return Value{}, err
		}
		if !pushed {
			return v, nil
		}
	}
}

// value reads one value, at the given depth of nesting.
func (r *Reader) value(depth int) (Value, error) {
	for {
		c, err := r.readByte()
		if err != nil {
			return Value{}, err
		}
		if err := r.spend(valueSize); err != nil {
			return Value{}, err
		}
		kind := Kind(c)
		if kind != attribute {
			return r.body(kind, depth)
		}
		if _, err := r.aggregate(kind, depth); err != nil {
			return Value{}, err
		}
	}
}

// body reads what follows the type byte.
func (r *Reader) body(kind Kind, depth int) (Value, error) {
	switch kind {
	case SimpleString, Error:
		return r.textLine(kind, maxTextLine, nil)
	case BigNumber:
		return r.textLine(kind, maxTextLine, isInteger)
	case Double:
		return r.textLine(kind, maxDoubleLine, isDouble)
	case Integer:
		line, err := r.line(maxHeaderLine)
		if err != nil {
			return Value{}, err
		}
		n, ok := parseInteger(line)
		if !ok {
			return Value{}, r.malformed(kind, line)
		}
		return Value{Kind: Integer, Int: n}, nil
	case Boolean:
		line, err := r.line(maxHeaderLine)
		switch {
		case err != nil:
			return Value{}, err
		case string(line) == "t":
			return Value{Kind: Boolean, Int: 1}, nil
		case string(line) == "f":
			return Value{Kind: Boolean}, nil
		}
		return Value{}, r.malformed(kind, line)
	case Null:
		line, err := r.line(maxHeaderLine)
		if err == nil && len(line) > 0 {
			err = r.malformed(kind, line)
		}
		return Value{Kind: Null}, err
	case BulkString, BulkError, VerbatimString:
		return r.bulk(kind)
	case Array, Set, Map:
		return r.aggregate(kind, depth)
	case Push:
		if depth > 0 {
			return Value{}, r.faultf("push inside a reply")
		}
		return r.aggregate(kind, depth)
	case ';', '.':
		return Value{}, r.faultf("streamed replies are not supported")
	default:
		return Value{}, r.faultf("not a Redis reply: it starts with %q", byte(kind))
	}
}

func (r *Reader) textLine(kind Kind, longest int, valid func([]byte) bool) (Value, error) {
	line, err := r.line(longest)
	if err != nil {
		return Value{}, err
	}
	if valid != nil && !valid(line) {
		return Value{}, r.malformed(kind, line)
	}
	if err := r.spend(len(line)); err != nil {
		return Value{}, err
	}
	return Value{Kind: kind, Str: append(make([]byte, 0, len(line)), line...)}, nil
}

func (r *Reader) bulk(kind Kind) (Value, error) {
	n, null, err := r.length(kind)
	if err != nil {
		return Value{}, err
	}
	if null {
		return Value{Kind: Null}, nil
	}
	if n > int64(r.limits.MaxBulk) {
		return Value{}, r.tooLarge("%s of %d bytes, the limit is %d", kind, n, r.limits.MaxBulk)
	}
	if err := r.spend(int(n)); err != nil {
		return Value{}, err
	}
	text, err := r.text(int(n))
	if err != nil {
		return Value{}, err
	}
	if kind == VerbatimString {
		if len(text) < 4 || text[3] != ':' {
			return Value{}, r.faultf("verbatim string without a format: %s", clip(text))
		}
		text = text[4:]
	}
	return Value{Kind: kind, Str: text}, nil
}

// text reads n bytes and the line end after them.
func (r *Reader) text(n int) ([]byte, error) {
	text := make([]byte, 0, min(n, firstStep))
	for len(text) < n {
		if len(text) == cap(text) {
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
	for _, want := range [2]byte{'\r', '\n'} {
		c, err := r.readByte()
		if err != nil {
			return nil, err
		}
		if c != want {
			r.start--
			return nil, r.faultf("expected the end of a text of %d bytes, got %q", n, c)
		}
	}
	return text, nil
}

func (r *Reader) aggregate(kind Kind, depth int) (Value, error) {
	if depth >= r.limits.MaxDepth {
		return Value{}, r.tooLarge("nested deeper than %d", r.limits.MaxDepth)
	}
	n, null, err := r.length(kind)
	if err != nil {
		return Value{}, err
	}
	if null {
		return Value{Kind: Null}, nil
	}
	// Compared before it is doubled, which could overflow.
	if n <= int64(r.limits.MaxElements) && (kind == Map || kind == attribute) {
		n *= 2
	}
	if n > int64(r.members) {
		return Value{}, r.tooLarge("more than %d members", r.limits.MaxElements)
	}
	r.members -= int(n)
	elems := make([]Value, 0, min(int(n), firstStep/valueSize))
	for len(elems) < int(n) {
		v, err := r.value(depth + 1)
		if err != nil {
			return Value{}, err
		}
		if len(elems) == cap(elems) {
			elems = append(make([]Value, 0, min(int(n), 2*cap(elems))), elems...)
		}
		elems = append(elems, v)
	}
	return Value{Kind: kind, Elems: elems}, nil
}

// length reads a length line. Only RESP2's two nulls may be negative.
func (r *Reader) length(kind Kind) (n int64, null bool, err error) {
	line, err := r.line(maxHeaderLine)
	if err != nil {
		return 0, false, err
	}
	switch {
	case string(line) == "-1" && (kind == BulkString || kind == Array):
		return 0, true, nil
	case string(line) == "?":
		return 0, false, r.faultf("streamed replies are not supported")
	}
	n, ok := parseInteger(line)
	if !ok || line[0] == '-' || line[0] == '+' {
		return 0, false, r.malformed(kind, line)
	}
	return n, false, nil
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

// spend takes n bytes from what the reply may cost.
func (r *Reader) spend(n int) error {
	if n > r.memory {
		return r.tooLarge("reply of more than %d bytes", r.limits.MaxReply)
	}
	r.memory -= n
	return nil
}

func (r *Reader) malformed(kind Kind, line []byte) error {
	if kind == attribute {
		return r.faultf("malformed attribute: %s", clip(line))
	}
	return r.faultf("malformed %s: %s", kind, clip(line))
}

func (r *Reader) faultf(format string, args ...any) error {
	return &ProtocolError{Offset: r.received - int64(r.Buffered()), Msg: fmt.Sprintf(format, args...)}
}

func (r *Reader) tooLarge(format string, args ...any) error {
	return &ProtocolError{
		Offset: r.received - int64(r.Buffered()),
		Msg:    fmt.Sprintf(format, args...),
		err:    ErrTooLarge,
	}
}
