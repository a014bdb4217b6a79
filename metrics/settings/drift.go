package settings

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/jsondoc"
)

const (
	// MaxRows bounds the rows of drift, and of other lists of parameters.
	MaxRows = 200
	// maxAddrs bounds the servers that have one value, and the values of one
	// parameter.
	maxAddrs = 16
)

// Drift are the parameters in which servers differ from one that they are compared
// with.
type Drift struct {
	base Settings
	rows map[string][]holders
}

// holders are the servers that have another value of one parameter.
type holders struct {
	value string
	addrs []string
	count int64
}

// NewDrift compares with base.
func NewDrift(base Settings) *Drift { return &Drift{base, make(map[string][]holders)} }

// Add notes what a server has with another value than the base.
func (d *Drift) Add(addr string, differences []Difference) {
	for _, diff := range differences {
		of := d.rows[diff.Name]
		at := slices.IndexFunc(of, func(h holders) bool { return h.value == diff.Value })
		if at < 0 {
			at = len(of)
			of = append(of, holders{value: diff.Value})
		}
		of[at].count++
		if len(of[at].addrs) < maxAddrs {
			of[at].addrs = append(of[at].addrs, addr)
		}
		d.rows[diff.Name] = of
	}
}

// Names are the parameters that differ, sorted.
func (d *Drift) Names() []string { return slices.Sorted(maps.Keys(d.rows)) }

// Write writes the members drifts, how many parameters differ, and drift, a row for
// each.
func (d *Drift) Write(w *jsondoc.Writer, unmask bool, cut *ask.Truncations) {
	names := d.Names()
	w.Key("drifts").Int(int64(len(names)))
	w.Key("drift").BeginArray()
	for _, name := range names[:cut.LimitTo("drift", len(names), MaxRows)] {
		of := d.rows[name]
		slices.SortFunc(of, func(a, b holders) int {
			return cmp.Or(cmp.Compare(b.count, a.count), strings.Compare(a.value, b.value))
		})
		w.BeginObject()
		w.Key("name").String(name)
		w.Key("value").String(Shown(name, d.base[name], unmask))
		w.Key("others").BeginArray()
		for _, h := range of[:cut.LimitTo("others", len(of), maxAddrs)] {
			w.BeginObject()
			w.Key("value").String(Shown(name, h.value, unmask))
			w.Key("count").Int(h.count)
			w.Key("servers").BeginArray()
			for _, addr := range h.addrs {
				w.String(addr)
			}
			w.EndArray()
			w.EndObject()
		}
		w.EndArray()
		w.EndObject()
	}
	w.EndArray()
}
