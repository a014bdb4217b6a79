package item

import "sync"

// memoryEntries bounds one target's memory: item keys are text that anybody
// with access to the frontend can vary.
const memoryEntries = 4096

// Memory is what metrics remember of one target between polls, such as the
// newest slow log id or the layout of a job's record. It is a cache: what is
// forgotten is found out again. It may be used by many requests at once.
type Memory struct {
	mu   sync.Mutex
	vals map[string]any
}

// Load returns what was stored under name.
func (m *Memory) Load(name string) (any, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.vals[name]
	return v, ok
}

// Store remembers v under name. When the memory is full everything in it is
// forgotten first: that costs a round trip later and bounds what is kept.
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
	m.storeLocked(name, next(m.vals[name]))
}

func (m *Memory) storeLocked(name string, v any) {
	if m.vals == nil || (len(m.vals) >= memoryEntries && !has(m.vals, name)) {
		m.vals = make(map[string]any)
	}
	m.vals[name] = v
}

func has(m map[string]any, name string) bool {
	_, ok := m[name]
	return ok
}
