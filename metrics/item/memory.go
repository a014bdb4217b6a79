package item

import (
	"cmp"
	"reflect"
	"slices"
	"sync"
)

// The bounds of one target's memory: item keys are text that anybody with access
// to the frontend can vary. memoryBytes is of the names and, as far as they can
// be seen, the values.
const (
	memoryEntries = 4096
	memoryBytes   = 1 << 20
)

// Memory is what metrics remember of one target between polls, such as the
// newest slow log id or the layout of a job's record. It is a cache: what is
// forgotten is found out again. It may be used by many requests at once.
type Memory struct {
	mu    sync.Mutex
	vals  map[string]*remembered
	bytes int    // of all
	uses  uint64 // counts them
}

// remembered is one value.
type remembered struct {
	value any
	bytes int
	used  uint64 // when it was last
}

// Load returns what was stored under name.
func (m *Memory) Load(name string) (any, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.loadLocked(name)
}

func (m *Memory) loadLocked(name string) (any, bool) {
	r := m.vals[name]
	if r == nil {
		return nil, false
	}
	m.uses++
	r.used = m.uses
	return r.value, true
}

// Store remembers v under name. When the memory is full, what was not used for
// the longest time is forgotten: that costs a round trip later.
func (m *Memory) Store(name string, v any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.storeLocked(name, v)
}

// Update replaces what is stored under name by what next makes of it, in one
// step: two requests at once see each other's. next gets nil for nothing, and
// must not use the memory.
func (m *Memory) Update(name string, next func(v any) any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, _ := m.loadLocked(name)
	m.storeLocked(name, next(v))
}

func (m *Memory) storeLocked(name string, v any) {
	r := m.vals[name]
	if r == nil {
		if m.vals == nil {
			m.vals = make(map[string]*remembered)
		}
		r = &remembered{}
		m.vals[name] = r
	}
	m.uses++
	m.bytes -= r.bytes
	r.value, r.used, r.bytes = v, m.uses, sizeOf(name, v)
	m.bytes += r.bytes
	if len(m.vals) > memoryEntries || m.bytes > memoryBytes {
		m.forgetLocked()
	}
}

// forgetLocked forgets the oldest until a quarter of the memory is free, so that
// looking for them is rare.
func (m *Memory) forgetLocked() {
	names := make([]string, 0, len(m.vals))
	for name := range m.vals {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(m.vals[a].used, m.vals[b].used) })
	for _, name := range names {
		if len(m.vals) <= memoryEntries*3/4 && m.bytes <= memoryBytes*3/4 || len(m.vals) == 1 {
			return
		}
		m.bytes -= m.vals[name].bytes
		delete(m.vals, name)
	}
}

// sizeOf is about what an entry takes. What is behind a pointer, or in a map, is
// not looked at: it may change at the same time. Who stores such a thing bounds
// it.
func sizeOf(name string, v any) int {
	const entry = 128 // its own fields, and its place in the map
	return entry + len(name) + held(reflect.ValueOf(v), 3)
}

// held is what a value holds beyond its own fields.
func held(v reflect.Value, depth int) int {
	switch v.Kind() {
	case reflect.String:
		return v.Len()
	case reflect.Slice:
		return v.Len() * int(v.Type().Elem().Size())
	case reflect.Interface:
		if v.CanInterface() && !v.IsNil() {
			if err, ok := v.Interface().(error); ok {
				return len(err.Error())
			}
		}
	case reflect.Struct:
		n := int(v.Type().Size())
		for i := 0; depth > 0 && i < v.NumField(); i++ {
			n += held(v.Field(i), depth-1)
		}
		return n
	}
	return 0
}
