package slow

import (
	"cmp"
	"slices"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/jsondoc"
)

// commandSum is what the entries of one command make together.
type commandSum struct {
	command string
	micros  []int64 // ascending
	total   int64
}

// sumByCommand sums entries up, the command with the longest total first.
func sumByCommand(entries []ask.SlowEntry) []commandSum {
	var sums []commandSum
	index := make(map[string]int)
	for _, e := range entries {
		i, ok := index[e.Command]
		if !ok {
			i = len(sums)
			index[e.Command] = i
			sums = append(sums, commandSum{command: e.Command})
		}
		sums[i].micros = append(sums[i].micros, e.Micros)
		sums[i].total += e.Micros
	}
	for _, s := range sums {
		slices.Sort(s.micros)
	}
	slices.SortFunc(sums, func(a, b commandSum) int {
		return cmp.Or(cmp.Compare(b.total, a.total), cmp.Compare(a.command, b.command))
	})
	return sums
}

// percentile is the duration that so many percent of the entries did not exceed:
// the nearest rank, so that it is one of theirs.
func (s *commandSum) percentile(percent int) int64 {
	rank := (len(s.micros)*percent + 99) / 100
	return s.micros[max(rank, 1)-1]
}

func (s *commandSum) write(w *jsondoc.Writer) {
	w.BeginObject()
	w.Key("command").String(s.command)
	w.Key("count").Int(int64(len(s.micros)))
	for _, figure := range []struct {
		name   string
		micros int64
	}{{"total", s.total}, {"median", s.percentile(50)}, {"p95", s.percentile(95)}, {"max", s.percentile(100)}} {
		w.Key(figure.name).Float(float64(figure.micros) / 1e6)
	}
	w.EndObject()
}

// slowest is the entry that took longest, the newest of those that took equally
// long.
func slowest(entries []ask.SlowEntry) *ask.SlowEntry {
	var out *ask.SlowEntry
	for i := range entries {
		if out == nil || entries[i].Micros >= out.Micros {
			out = &entries[i]
		}
	}
	return out
}
