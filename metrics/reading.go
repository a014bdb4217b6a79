package metrics

import (
	"redisjobs/metrics/jsondoc"
	"strconv"
)

// reading is a figure that may not be known.
type reading struct {
	value int64
	known bool
}

func parseReading(text []byte) reading {
	n, err := strconv.ParseInt(string(text), 10, 64)
	return reading{n, err == nil}
}

func writeReading(w *jsondoc.Writer, name string, r reading) {
	if r.known {
		w.Key(name).Int(r.value)
	}
}
