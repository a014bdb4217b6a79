package conf

import (
	"runtime"
	"sync"
	"weak"
)

// interned finds the target that has certain settings. It holds targets weakly:
// one stays the same for as long as a session, the cache of item keys, a pool
// or a request holds it, and goes with the last of them. So the map is never
// larger than the number of targets in use.
type interned struct {
	mu      sync.Mutex
	targets map[settings]weak.Pointer[Target] // guarded by mu
}

func newInterned() *interned {
	return &interned{targets: map[settings]weak.Pointer[Target]{}}
}

// target returns the one there is with t's settings, else t from now on.
func (in *interned) target(t *Target) *Target {
	in.mu.Lock()
	defer in.mu.Unlock()
	if old := in.targets[t.settings].Value(); old != nil {
		return old
	}
	in.targets[t.settings] = weak.Make(t)
	// What the cleanup holds must not lead to t; settings are plain values.
	runtime.AddCleanup(t, in.forget, t.settings)
	return t
}

// forget drops a target that is gone, unless a new one has taken its place.
func (in *interned) forget(s settings) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.targets[s].Value() == nil {
		delete(in.targets, s)
	}
}

func (in *interned) size() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.targets)
}

// The bounds of refCache. Item keys are text that anybody with access to the
// frontend can vary.
const (
	maxRefs     = 20_000
	maxRefBytes = 16 << 20
)

// refCache remembers what item keys were resolved to. When it is full it is
// emptied: the next request of each key pays for one resolution, and gets the
// same target as before if that is still in use anywhere.
type refCache struct {
	mu    sync.RWMutex
	byRef map[Ref]*Target // guarded by mu
	bytes int             // of text in the keys; guarded by mu
}

func newRefCache() *refCache { return &refCache{byRef: map[Ref]*Target{}} }

func (c *refCache) get(ref Ref) *Target {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.byRef[ref]
}

func (c *refCache) put(ref Ref, t *Target) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byRef[ref] != nil {
		return
	}
	n := len(ref.Conn) + len(ref.Password) + len(ref.User)
	if len(c.byRef) >= maxRefs || c.bytes+n > maxRefBytes {
		clear(c.byRef)
		c.bytes = 0
	}
	c.byRef[ref] = t
	c.bytes += n
}
