package redisclient

import (
	"math"
	"strconv"
	"strings"
)

// StreamID is the id of a stream's entry: the server's clock in milliseconds when
// it was added, unless the writer chose it, and a number.
// Source: https://redis.io/docs/latest/develop/data-types/streams/
type StreamID struct{ Ms, Seq uint64 }

// ParseStreamID reads "1526919030474-55"; ok is false for any other text.
func ParseStreamID(text string) (id StreamID, ok bool) {
	ms, seq, ok := strings.Cut(text, "-")
	if !ok {
		return StreamID{}, false
	}
	a, err1 := strconv.ParseUint(ms, 10, 64)
	b, err2 := strconv.ParseUint(seq, 10, 64)
	return StreamID{a, b}, err1 == nil && err2 == nil
}

func (id StreamID) String() string {
	return strconv.FormatUint(id.Ms, 10) + "-" + strconv.FormatUint(id.Seq, 10)
}

// Less reports whether id is before other in a stream.
func (id StreamID) Less(other StreamID) bool {
	return id.Ms < other.Ms || id.Ms == other.Ms && id.Seq < other.Seq
}

// Next is the smallest id after id: servers before 6.2 know no "(id".
func (id StreamID) Next() StreamID {
	if id.Seq == math.MaxUint64 {
		return StreamID{id.Ms + 1, 0}
	}
	return StreamID{id.Ms, id.Seq + 1}
}
