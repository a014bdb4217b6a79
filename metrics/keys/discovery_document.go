package keys

import (
	"cmp"
	"fmt"
	"slices"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/jsondoc"
	"redisjobs/metrics/passes"
)

// keyTotals are sums over the listed keys; a sum is of no use when a part of it is
// not known.
type keyTotals struct {
	gone, withoutTTL, memory int64
	ttlKnown, memoryKnown    bool
}

func writeDiscovery(w *jsondoc.Writer, target, pattern string, found *passes.Finding, groups []keyGroup) {
	w.Grow(1024 + 256*len(found.Keys))
	w.BeginObject()
	ask.Head(w, target, nil)
	w.Key("pattern").String(pattern)
	var cut ask.Truncations
	found.Write(w, &cut)
	parts := found.Missing("keys")
	if found.Known() {
		parts = append(parts, writeListed(w, groups)...)
	}
	ask.Unavailable(w, parts...)
	cut.Write(w)
	w.EndObject()
}

// writeListed writes the rows and their sums, and returns what is missing of them.
func writeListed(w *jsondoc.Writer, groups []keyGroup) (parts []*ask.Part) {
	totals := keyTotals{ttlKnown: true, memoryKnown: true}
	var rows []*listedKey
	for i := range groups {
		g := &groups[i]
		if g.err != nil {
			parts = append(parts, &ask.Part{Name: "masters", Err: fmt.Errorf("%s: %w", g.owner.Name, g.err)})
			totals.ttlKnown, totals.memoryKnown = totals.ttlKnown && len(g.keys) == 0, totals.memoryKnown && len(g.keys) == 0
		}
		for j := range g.keys {
			rows = append(rows, &g.keys[j])
		}
	}
	slices.SortFunc(rows, func(a, b *listedKey) int { return cmp.Compare(a.name, b.name) })
	w.Key("keys").BeginArray()
	for _, k := range rows {
		parts = append(parts, k.write(w, &totals)...)
	}
	w.EndArray()
	w.Key("gone").Int(totals.gone)
	if totals.ttlKnown {
		w.Key("without_ttl").Int(totals.withoutTTL)
	}
	if totals.memoryKnown {
		w.Key("memory").Int(totals.memory)
	}
	return parts
}

// write writes a key. One of a server that could not be asked has no more than its
// name.
func (k *listedKey) write(w *jsondoc.Writer, totals *keyTotals) []*ask.Part {
	ms, ttlErr := int64(0), k.ttl.Err
	if ttlErr == nil {
		ms, ttlErr = k.ttl.Value.Int64()
	}
	gone := k.word == ask.TypeNone || k.word == "" && ttlErr == nil && ms == -2
	w.BeginObject()
	w.Key("{#KEY}").String(k.name)
	if k.word != "" && !gone {
		w.Key("{#TYPE}").String(k.word)
	} else {
		ask.WriteText(w, "{#TYPE}", k.before)
	}
	w.Key("key").String(k.name)
	switch {
	case gone:
		totals.gone++
		w.Key("exists").Bool(false)
		w.Key("length").Int(0)
	case k.word != "" || k.typ.Err != nil:
		if k.word != "" {
			w.Key("exists").Bool(true)
			w.Key("type").String(k.word)
		}
		k.writeFigures(w, totals)
	}
	w.EndObject()
	if gone {
		return nil
	}
	parts := []*ask.Part{&k.typ, &k.ttl, &k.memory}
	if k.length != nil {
		parts = append(parts, k.length)
	}
	return parts
}

func (k *listedKey) writeFigures(w *jsondoc.Writer, totals *keyTotals) {
	if k.length != nil && k.length.Err == nil {
		var n int64
		if n, k.length.Err = k.length.Value.Int64(); k.length.Err == nil {
			w.Key("length").Int(n)
		}
	}
	ms := int64(0)
	if k.ttl.Err == nil {
		ms, k.ttl.Err = k.ttl.Value.Int64()
	}
	if k.ttl.Err == nil {
		w.Key("expires").Bool(ms >= 0)
		if ms >= 0 {
			w.Key("ttl").Float(float64(ms) / 1e3)
		}
		totals.withoutTTL += int64(ask.Number(ms == -1))
	}
	totals.ttlKnown = totals.ttlKnown && k.ttl.Err == nil
	bytes := int64(0)
	if k.memory.Err == nil && !k.memory.Value.IsNull() {
		if bytes, k.memory.Err = k.memory.Value.Int64(); k.memory.Err == nil {
			w.Key("memory").Int(bytes)
			totals.memory += bytes
		}
	}
	totals.memoryKnown = totals.memoryKnown && k.memory.Err == nil
}
