package resp

import (
	"errors"
	"fmt"
	"io"
	"math"
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

// tlsAlert is what a TLS record begins with that says why there is no handshake
// (RFC 8446, 5.1).
const tlsAlert Kind = 21

// Reader reads replies from a stream. It is not safe for concurrent use.
type Reader struct {
	src    io.Reader
	limits *Limits // shared: there are many readers, and all are alike

	buf        []byte // from buffers, or nil
	start, end int    // the unread part of buf
	received   int64
	err        error // sticky

	together int    // what the replies since Begin may still cost, in bytes
	source   Memory // may be nil
	given    int    // by source, for the current reply
	unused   int    // of what source gave
	members  int    // what the current reply may still have
	memory   int    // what the current reply may still cost, in bytes

	lines func(line []byte) // what takes the next reply line by line, or nil

	over *excess // of the current reply; nil while it keeps to the limits
}

// NewReader reads from r. It reads ahead as much as r offers.
func NewReader(r io.Reader, limits Limits) *Reader {
	return &Reader{src: r, limits: limits.orDefault(), together: math.MaxInt}
}

// Memory is where the memory of replies comes from.
type Memory interface {
	// Take asks for n more bytes for a reply that was given before bytes already.
	// An error is why it cannot have them.
	Take(before, n int) error
	// Give gives n bytes back, all that a reply was given.
	Give(n int)
}

// Begin begins a conversation, whose replies keep to Limits.MaxTogether; before
// the first one they do not. They take their memory from m as they arrive,
// unless m is nil. A reply that was read keeps it; one that was read past gives
// it back.
func (r *Reader) Begin(m Memory) { r.together, r.source, r.unused = r.limits.MaxTogether, m, 0 }

// Buffered is the number of bytes that were read ahead.
func (r *Reader) Buffered() int { return r.end - r.start }

// offset is where in the stream the next unread byte is.
func (r *Reader) offset() int64 { return r.received - int64(r.Buffered()) }

// Received is the number of bytes taken from the stream so far, those read
// ahead included.
func (r *Reader) Received() int64 { return r.received }

// ReadReply reads the next reply. One that exceeds a limit, and that can be read
// past within Limits.MaxPass, is a Value of the kind TooLarge, and the stream
// is in step. The end of the stream is io.EOF before the first byte of a reply
// and io.ErrUnexpectedEOF within it; other errors are those of the stream, or a
// *ProtocolError. After an error every call returns that error.
func (r *Reader) ReadReply() (Value, error) {
	if r.err != nil {
		return Value{}, r.err
	}
	most := min(r.limits.MaxReply, r.together)
	r.members, r.memory, r.given = r.limits.MaxElements, most, 0
	for {
		if r.Buffered() == 0 {
			if r.err = r.fill(); r.err != nil {
				return Value{}, r.err
			}
		}
		pushed := Kind(r.buf[r.start]) == Push
		begin := r.offset()
		v, err := r.value(0)
		if err == nil && r.over != nil {
			v, err = r.passed(begin, pushed)
		}
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if r.err = err; err != nil {
			return Value{}, err
		}
		if !pushed {
			r.lines = nil
			if v.Kind != TooLarge { // nothing of it was kept
				r.together -= most - r.memory
			}
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
		if r.over != nil { // no server says that much about a reply, and it may go on
			return Value{}, r.tooLarge("attribute: %s", r.over.text)
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
		return r.bulk(kind, depth)
	case Array, Set, Map:
		return r.aggregate(kind, depth)
	case Push:
		if depth > 0 {
			return Value{}, r.faultf("push inside a reply")
		}
		return r.aggregate(kind, depth)
	case ';', '.':
		return Value{}, r.faultf("streamed replies are not supported")
	case tlsAlert:
		return Value{}, r.faultf("not a Redis reply: it starts with %q, as a TLS alert does", byte(kind))
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
	if err := r.spend(len(line)); err != nil || r.over != nil || !r.take(len(line)) {
		return Value{}, err
	}
	return Value{Kind: kind, Str: append(make([]byte, 0, len(line)), line...)}, nil
}

func (r *Reader) bulk(kind Kind, depth int) (Value, error) {
	n, null, err := r.length(kind)
	if err != nil {
		return Value{}, err
	}
	if null {
		return Value{Kind: Null}, nil
	}
	if r.lines != nil && depth == 0 && kind != BulkError {
		skip := 0
		if kind == VerbatimString {
			skip = len("txt:")
		}
		return Value{Kind: kind, Int: n}, r.textLines(n, skip)
	}
	if n > int64(r.limits.MaxBulk) {
		r.exceed("%s of %d bytes, the limit is %d", kind, n, r.limits.MaxBulk)
	} else if err := r.spend(int(n)); err != nil {
		return Value{}, err
	}
	if r.over != nil {
		return Value{}, r.passText(n)
	}
	text, err := r.text(int(n))
	if err != nil || r.over != nil {
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
	if kind == Map || kind == attribute {
		if n > math.MaxInt64/2 {
			return Value{}, r.tooLarge("more than %d members", r.limits.MaxElements)
		}
		n *= 2
	}
	if n > int64(r.members) {
		r.exceed("more than %d members", r.limits.MaxElements)
	}
	if r.over != nil {
		return Value{}, r.passMembers(n, depth)
	}
	r.members -= int(n)
	elems := make([]Value, 0, min(int(n), firstStep/valueSize))
	if !r.take(cap(elems) * valueSize) {
		return Value{}, r.passMembers(n, depth)
	}
	for len(elems) < int(n) {
		v, err := r.value(depth + 1)
		if err != nil {
			return Value{}, err
		}
		if r.over != nil {
			return Value{}, r.passMembers(n-int64(len(elems))-1, depth)
		}
		if len(elems) == cap(elems) {
			if !r.take((min(int(n), 2*cap(elems)) - cap(elems)) * valueSize) {
				return Value{}, r.passMembers(n-int64(len(elems))-1, depth)
			}
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

func (r *Reader) malformed(kind Kind, line []byte) error {
	if kind == attribute {
		return r.faultf("malformed attribute: %s", clip(line))
	}
	return r.faultf("malformed %s: %s", kind, clip(line))
}

func (r *Reader) faultf(format string, args ...any) error {
	return &ProtocolError{Offset: r.offset(), Msg: fmt.Sprintf(format, args...)}
}

func (r *Reader) tooLarge(format string, args ...any) error {
	return &ProtocolError{
		Offset: r.offset(),
		Msg:    fmt.Sprintf(format, args...),
		err:    ErrTooLarge,
	}
}
