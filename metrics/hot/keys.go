package hot

import (
	"cmp"
	"slices"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient/resp"
)

// hotKeys is one answer to HOTKEYS GET.
type hotKeys struct {
	tracking, sampleRatio info.Reading
	started, duration     info.Reading // milliseconds
	// cpu is of all commands in microseconds, network in bytes: those on the slots
	// that are tracked.
	cpu, network       info.Reading
	byCPU, byNetwork   []hotKey
	hasCPU, hasNetwork bool // that it was tracked
}

type hotKey struct {
	key, server string
	value       int64
	share       float64 // percent; below 0 when not known
}

// parseHotkeys reads the answer to HOTKEYS GET: null while nobody has started it,
// else one map, in an array of one.
func parseHotkeys(v resp.Value) (*hotKeys, error) {
	if v.IsNull() {
		return nil, errNotStarted
	}
	outer, err := v.Array()
	if err != nil {
		return nil, err
	}
	if len(outer) == 0 {
		return nil, errNotStarted
	}
	pairs, err := outer[0].Pairs()
	if err != nil {
		return nil, err
	}
	h := &hotKeys{}
	for _, field := range []struct {
		name string
		to   *info.Reading
	}{
		{"tracking-active", &h.tracking}, {"sample-ratio", &h.sampleRatio}, {"collection-start-time-unix-ms", &h.started},
		{"collection-duration-ms", &h.duration}, {"all-commands-all-slots-us", &h.cpu}, {"net-bytes-all-commands-all-slots", &h.network},
		{"all-commands-selected-slots-us", &h.cpu}, {"net-bytes-all-commands-selected-slots", &h.network},
	} {
		if value, ok := ask.FieldOf(pairs, field.name); ok {
			if n, err := value.Int64(); err == nil && n >= 0 {
				*field.to = info.Known(n)
			}
		}
	}
	if list, ok := ask.FieldOf(pairs, "by-cpu-time-us"); ok {
		if h.byCPU, err = h.rows(list, h.cpu); err != nil {
			return nil, err
		}
		h.hasCPU = true
	}
	if list, ok := ask.FieldOf(pairs, "by-net-bytes"); ok {
		if h.byNetwork, err = h.rows(list, h.network); err != nil {
			return nil, err
		}
		h.hasNetwork = true
	}
	return h, nil
}

// rows reads keys and figures in turn.
func (h *hotKeys) rows(v resp.Value, whole info.Reading) ([]hotKey, error) {
	pairs, err := v.Pairs()
	if err != nil {
		return nil, err
	}
	var out []hotKey
	for i := 0; i < len(pairs); i += 2 {
		name, err := pairs[i].Text()
		if err != nil {
			return nil, ask.Misfit("key", i/2, err)
		}
		n, err := pairs[i+1].Int64()
		if err == nil && n < 0 {
			err = ask.ErrNegative
		}
		if err != nil {
			return nil, ask.Misfit("key", i/2, err)
		}
		row := hotKey{key: ask.Clip(name, ask.MaxName), value: n, share: -1}
		if whole.Known && whole.Value > 0 && h.sampleRatio == info.Known(1) {
			row.share = 100 * float64(n) / float64(whole.Value)
		}
		out = append(out, row)
	}
	return out, nil
}

// add adds what another node tracked: the earliest start, the longest duration.
func (h *hotKeys) add(o *hotKeys, server string) {
	if o.started.Known && (!h.started.Known || o.started.Value < h.started.Value) {
		h.started = o.started
	}
	h.tracking, h.duration, h.sampleRatio = h.tracking.Max(o.tracking), h.duration.Max(o.duration), h.sampleRatio.Max(o.sampleRatio)
	h.hasCPU, h.hasNetwork = h.hasCPU || o.hasCPU, h.hasNetwork || o.hasNetwork
	for _, k := range o.byCPU {
		k.server = server
		h.byCPU = append(h.byCPU, k)
	}
	for _, k := range o.byNetwork {
		k.server = server
		h.byNetwork = append(h.byNetwork, k)
	}
}

// writeKeys writes the member keys, or says why there is none.
func writeKeys(w *jsondoc.Writer, nodes []*node) *ask.Part {
	why := &ask.Part{Name: "keys"}
	sum, tracked := &hotKeys{}, 0
	for _, n := range nodes {
		switch {
		case n.keys != nil:
			sum.add(n.keys, n.addr)
			tracked++
		case n.hotkeys == nil:
			why.Err = errNoHotkeys
		case why.Err == nil:
			why.Err = n.hotkeys.Err
		}
	}
	if tracked == 0 {
		return why
	}
	w.Key("keys").BeginObject()
	w.Key("nodes").Int(int64(tracked))
	info.WriteReading(w, "tracking", sum.tracking)
	if sum.started.Known {
		w.Key("started").Float(float64(sum.started.Value) / 1e3)
	}
	if sum.duration.Known {
		w.Key("duration").Float(float64(sum.duration.Value) / 1e3)
	}
	info.WriteReading(w, "sample_ratio", sum.sampleRatio)
	if sum.hasCPU {
		writeHotKeys(w, "by_cpu", "cpu", 1e6, sum.byCPU)
	}
	if sum.hasNetwork {
		writeHotKeys(w, "by_network", "bytes", 1, sum.byNetwork)
	}
	w.EndObject()
	return &ask.Part{Name: "keys"}
}

func writeHotKeys(w *jsondoc.Writer, list, figure string, unit float64, rows []hotKey) {
	slices.SortStableFunc(rows, func(a, b hotKey) int { return cmp.Or(cmp.Compare(b.value, a.value), cmp.Compare(a.key, b.key)) })
	w.Key(list).BeginArray()
	for _, k := range rows[:min(len(rows), maxRows)] {
		w.BeginObject()
		w.Key("key").String(k.key)
		ask.WriteText(w, "server", k.server)
		w.Key(figure).Float(float64(k.value) / unit)
		if k.share >= 0 {
			w.Key("share").Float(ask.SixDigits(k.share))
		}
		w.EndObject()
	}
	w.EndArray()
}
