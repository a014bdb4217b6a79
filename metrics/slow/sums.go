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
func sumByCommand(entries []slowEntry) []commandSum {
	var sums []commandSum
	index := make(map[string]int)
	for _, e := range entries {
		i, ok := index[e.command]
		if !ok {
			i = len(sums)
			index[e.command] = i
			sums = append(sums, commandSum{command: e.command})
		}
		sums[i].micros = append(sums[i].micros, e.micros)
		sums[i].total += e.micros
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
func slowest(entries []slowEntry) *slowEntry {
	var out *slowEntry
	for i := range entries {
		if out == nil || entries[i].micros >= out.micros {
			out = &entries[i]
		}
	}
	return out
}

func (e *slowEntry) writeSlowest(w *jsondoc.Writer) {
	w.Key("slowest").BeginObject()
	w.Key("id").Int(e.id)
	w.Key("time").Int(e.time)
	w.Key("duration").Float(float64(e.micros) / 1e6)
	w.Key("command").String(e.command)
	if key, ok := e.key(); ok {
		w.Key("key").String(key)
	}
	if e.hasClient {
		w.Key("client").String(ask.Clip(e.client, maxSlowlogText))
		w.Key("client_name").String(ask.Clip(e.clientName, maxSlowlogText))
	}
	w.EndObject()
}
