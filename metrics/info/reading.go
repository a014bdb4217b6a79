package info

import (
	"redisjobs/metrics/jsondoc"
	"strconv"
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

func WriteReading(w *jsondoc.Writer, name string, r Reading) {
	if r.Known {
		w.Key(name).Int(r.Value)
	}
}
