package info

import (
	"strconv"

	"redisjobs/metrics/jsondoc"
)

// Reading is a figure that may not be known.
type Reading struct {
	Value int64
	Known bool
}

// Known is a reading of n.
func Known(n int64) Reading { return Reading{n, true} }

func ParseReading(text []byte) Reading {
	n, err := strconv.ParseInt(string(text), 10, 64)
	return Reading{n, err == nil}
}

// ParseCount reads a number that cannot be negative.
func ParseCount(text []byte) Reading {
	r := ParseReading(text)
	return Reading{r.Value, r.Known && r.Value >= 0}
}

// Max is the larger of two readings, or the one that is known.
func (r Reading) Max(o Reading) Reading {
	if !r.Known || o.Known && o.Value > r.Value {
		return o
	}
	return r
}

func WriteReading(w *jsondoc.Writer, name string, r Reading) {
	if r.Known {
		w.Key(name).Int(r.Value)
	}
}
