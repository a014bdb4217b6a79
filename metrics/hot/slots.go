package hot

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"time"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient/resp"
)

// counts are what a slot has done since its node counts it. cpu is microseconds.
type counts struct{ keys, memory, cpu, in, out info.Reading }

type slot struct {
	number int
	server string
	counts
	grown  counts // within the window, of cpu, in and out
	window float64
}

var errSlot = errors.New("it is no hash slot with its counts")

// parseSlot reads one row of CLUSTER SLOT-STATS: a slot, and names and counts in
// turn.
func parseSlot(v resp.Value) (slot, error) {
	var s slot
	row, err := v.Array()
	if err != nil {
		return s, err
	}
	if len(row) < 2 {
		return s, errSlot
	}
	number, err := row[0].Int64()
	if err != nil || number < 0 || number > 16383 {
		return s, errSlot
	}
	s.number = int(number)
	pairs, err := row[1].Pairs()
	if err != nil {
		return s, err
	}
	for _, field := range []struct {
		name string
		to   *info.Reading
	}{{"key-count", &s.keys}, {"memory-bytes", &s.memory}, {"cpu-usec", &s.cpu}, {"network-bytes-in", &s.in}, {"network-bytes-out", &s.out}} {
		if value, ok := ask.FieldOf(pairs, field.name); ok {
			if n, err := value.Int64(); err == nil && n >= 0 {
				*field.to = info.Known(n)
			}
		}
	}
	return s, nil
}

// maxRemembered bounds the slots whose counts are remembered for rates.
const maxRemembered = 4096

const slotsMemory = "redis.hot.get slots"

// history are the counts of earlier polls.
type history struct {
	mu     sync.Mutex
	began  time.Time
	recent info.Window[map[int]counts]
}

// rate compares slots with those of an earlier poll, and remembers them. It returns
// how long before this one that was, in seconds; 0 for none.
func (h *history) rate(slots []slot, now time.Time) float64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.began.IsZero() {
		h.began = now
	}
	at, window := now.Sub(h.began), 0.0
	if base := h.recent.Base(at); base != nil {
		window = (at - base.At).Seconds()
		for i := range slots {
			s := &slots[i]
			before, ok := base.Value[s.number]
			if !ok {
				continue
			}
			s.window = window
			s.grown = counts{cpu: grown(before.cpu, s.cpu), in: grown(before.in, s.in), out: grown(before.out, s.out)}
		}
	}
	seen := make(map[int]counts, min(len(slots), maxRemembered))
	for _, s := range slots[:min(len(slots), maxRemembered)] {
		seen[s.number] = s.counts
	}
	h.recent.Add(at, seen)
	return window
}

// grown is unknown after CONFIG RESETSTAT, and of a slot that has moved.
func grown(from, to info.Reading) info.Reading {
	return info.Reading{Value: to.Value - from.Value, Known: from.Known && to.Known && to.Value >= from.Value}
}

// gather are the slots of all nodes, each once.
func gather(nodes []*node) []slot {
	var out []slot
	seen := make(map[int]bool)
	for _, n := range nodes {
		for _, rows := range n.slotsBy {
			for _, s := range rows {
				if !seen[s.number] {
					seen[s.number] = true
					s.server = n.addr
					out = append(out, s)
				}
			}
		}
	}
	return out
}

// writeSlots writes the members slots and window, and says why lists are missing.
func writeSlots(w *jsondoc.Writer, t *item.Target, nodes []*node, inCluster bool) []*ask.Part {
	if !inCluster {
		return []*ask.Part{{Name: "slots", Err: errNoCluster}}
	}
	lists := [...]*ask.Part{{Name: "slots"}, {Name: "slots_by_cpu"}, {Name: "slots_by_network"}}
	known := [len(orders)]bool{}
	for _, n := range nodes {
		for i, part := range n.slots {
			switch {
			case part == nil:
				lists[i].Err = errNoStats
			case n.replica:
			case part.Err == nil:
				known[i] = true
			case lists[i].Err == nil:
				lists[i].Err = part.Err
			}
		}
	}
	for i := range lists {
		if !known[i] && lists[i].Err == nil {
			lists[i].Err = errNoMaster
		}
	}
	if !known[0] {
		return lists[:1]
	}
	slots := gather(nodes)
	v, _ := t.Memory.Load(slotsMemory)
	h, ok := v.(*history)
	if !ok {
		h = &history{}
		t.Memory.Store(slotsMemory, h)
	}
	window := h.rate(slots, time.Now())
	w.Key("slots").BeginObject()
	writeList(w, "by_keys", slots, func(s *slot) (rate, total info.Reading) { return info.Reading{}, s.keys })
	if known[1] {
		writeList(w, "by_cpu", slots, func(s *slot) (rate, total info.Reading) { return s.grown.cpu, s.cpu })
	}
	if known[2] {
		writeList(w, "by_network", slots, func(s *slot) (rate, total info.Reading) { return both(s.grown.in, s.grown.out), both(s.in, s.out) })
	}
	w.EndObject()
	if window > 0 {
		w.Key("window").Float(ask.SixDigits(window))
	}
	return lists[:]
}

func both(a, b info.Reading) info.Reading {
	return info.Reading{Value: a.Value + b.Value, Known: a.Known && b.Known}
}

// writeList writes the hottest: by what they did in the window, those of which that
// is not known by what they have done at all and behind. What did nothing is not
// hot.
func writeList(w *jsondoc.Writer, name string, slots []slot, by func(s *slot) (rate, total info.Reading)) {
	rows := slices.Clone(slots)
	rows = slices.DeleteFunc(rows, func(s slot) bool {
		rate, total := by(&s)
		return !total.Known || total.Value == 0 || rate.Known && rate.Value == 0
	})
	slices.SortFunc(rows, func(a, b slot) int {
		rateA, totalA := by(&a)
		rateB, totalB := by(&b)
		return cmp.Or(cmp.Compare(orNothing(rateB), orNothing(rateA)), cmp.Compare(totalB.Value, totalA.Value), cmp.Compare(a.number, b.number))
	})
	w.Key(name).BeginArray()
	for i := range rows[:min(len(rows), maxRows)] {
		rows[i].write(w)
	}
	w.EndArray()
}

func orNothing(r info.Reading) int64 {
	if !r.Known {
		return -1
	}
	return r.Value
}

func (s *slot) write(w *jsondoc.Writer) {
	w.BeginObject()
	w.Key("slot").Int(int64(s.number))
	ask.WriteText(w, "server", s.server)
	info.WriteReading(w, "keys", s.keys)
	info.WriteReading(w, "memory", s.memory)
	if s.cpu.Known {
		w.Key("cpu").Float(float64(s.cpu.Value) / 1e6)
	}
	info.WriteReading(w, "network_in", s.in)
	info.WriteReading(w, "network_out", s.out)
	for _, rate := range []struct {
		name  string
		grown info.Reading
		unit  float64
	}{{"cpu_percent", s.grown.cpu, 1e4}, {"network_in_per_second", s.grown.in, 1}, {"network_out_per_second", s.grown.out, 1}} {
		if rate.grown.Known && s.window > 0 {
			w.Key(rate.name).Float(ask.SixDigits(float64(rate.grown.Value) / s.window / rate.unit))
		}
	}
	w.EndObject()
}
