package resp

import "fmt"

// A reply that exceeds a limit is read past where that is cheap, so that it
// costs itself alone and not the connection: nothing of it is kept, and no more
// than Limits.MaxPass bytes of it are read. What would be more is known from
// the declared length, before any of it is read.

// least is the fewest bytes that a member takes on the wire: "_\r\n".
const least = 3

// excess says which limit a reply exceeds: what comes of it from that offset on
// is read and not kept.
type excess struct {
	text string
	from int64
}

// exceed notes that the reply is beyond a limit. The first one counts.
func (r *Reader) exceed(format string, args ...any) {
	if r.over == nil {
		r.over = &excess{text: fmt.Sprintf(format, args...), from: r.offset()}
	}
}

// spend takes n bytes from what the reply may cost. The error is that of a
// reply that is too long to be read past.
func (r *Reader) spend(n int) error {
	switch {
	case r.over != nil:
		return r.room(0, 1)
	case n > r.memory && r.together < r.limits.MaxReply:
		r.exceed("with those before it more than %d bytes", r.limits.MaxTogether)
	case n > r.memory:
		r.exceed("more than %d bytes", r.limits.MaxReply)
	default:
		r.memory -= n
	}
	return nil
}

// memoryStep is what is asked of a Memory at once, at least.
const memoryStep = 16 << 10

// take asks for memory for n bytes of the reply. It reports false, and notes
// why, when there is none.
func (r *Reader) take(n int) bool {
	switch {
	case r.source == nil:
		return true
	case n <= r.unused:
		r.unused -= n
		return true
	}
	more := max(n-r.unused, memoryStep)
	if err := r.source.Take(r.given, more); err != nil {
		r.exceed("more than there is memory for: %v", err)
		return false
	}
	r.given += more
	r.unused += more - n
	return true
}

// room is an error unless n more parts of that size, in bytes, may be read past.
func (r *Reader) room(n, size int64) error {
	left := int64(r.limits.MaxPass) - (r.offset() - r.over.from)
	if left < 0 || n > left/size {
		return r.tooLarge("%s, and it goes on for more than %d bytes", r.over.text, r.limits.MaxPass)
	}
	return nil
}

// passText reads past n bytes and the line end after them.
func (r *Reader) passText(n int64) error {
	if err := r.room(n, 1); err != nil {
		return err
	}
	for left := n; left > 0; {
		if r.Buffered() == 0 {
			if err := r.fill(); err != nil {
				return err
			}
		}
		step := min(left, int64(r.Buffered()))
		r.start += int(step)
		left -= step
	}
	return r.textEnd(n)
}

// passMembers reads past n members of an aggregate.
func (r *Reader) passMembers(n int64, depth int) error {
	if err := r.room(n, least); err != nil {
		return err
	}
	for range n {
		if _, err := r.value(depth + 1); err != nil {
			return err
		}
	}
	return nil
}

// passed is what a reply becomes that was read past, or the error that a push
// of that size is: nobody would hear of it.
func (r *Reader) passed(begin int64, pushed bool) (Value, error) {
	over := r.over.text
	r.over = nil
	if r.given > 0 {
		r.source.Give(r.given)
		r.given, r.unused = 0, 0
	}
	if pushed {
		return Value{}, r.tooLarge("push of %s", over)
	}
	return Value{Kind: TooLarge, Str: []byte(over), Int: r.offset() - begin}, nil
}
