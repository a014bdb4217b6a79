package resp

import "bytes"

// maxLine is the longest line that ReadLines hands over; of a longer one it is
// the beginning.
const maxLine = 64 << 10

// Lines has the next reply, if it is one text, handed to each line by line as it
// arrives, without the line ends; nothing of it is kept. A line is valid until
// each returns. Empty lines are left out. The value of the reply, a bulk or
// verbatim string, then has no text, and Int is the text's length in bytes. Any
// other reply is read as usual.
//
// Only Limits.MaxLines bounds the text.
func (r *Reader) Lines(each func(line []byte)) { r.lines = each }

// textLines reads a text of n bytes and the line end after it. skip bytes at its
// beginning are no part of the first line.
func (r *Reader) textLines(n int64, skip int) error {
	if n > int64(r.limits.MaxLines) {
		return r.tooLarge("text of %d bytes, the limit is %d", n, r.limits.MaxLines)
	}
	var long []byte // the part of a line that no longer is in the buffer
	for left := n; left > 0; {
		if r.Buffered() == 0 {
			if err := r.fill(); err != nil {
				return err
			}
		}
		window := r.buf[r.start:min(r.end, r.start+int(min(left, bufferSize)))]
		r.start += len(window)
		left -= int64(len(window))
		for len(window) > 0 {
			if skip > 0 {
				cut := min(skip, len(window))
				skip, window = skip-cut, window[cut:]
				continue
			}
			i := bytes.IndexByte(window, '\n')
			if i < 0 {
				long = append(long, window[:min(len(window), maxLine-len(long))]...)
				break
			}
			line := window[:i]
			if len(long) > 0 {
				line = append(long, line[:min(len(line), maxLine-len(long))]...)
				long = line[:0]
			}
			r.handLine(line)
			window = window[i+1:]
		}
	}
	r.handLine(long)
	return r.textEnd(n)
}

func (r *Reader) handLine(line []byte) {
	if line = bytes.TrimSuffix(line, []byte("\r")); len(line) > 0 {
		r.lines(line[:min(len(line), maxLine)])
	}
}
