package conf

import (
	"bytes"
	"runtime"
	"strconv"
	"sync"
	"weak"
)

// interned finds the target that has certain settings. It holds targets weakly:
// one stays the same for as long as a session, the cache of item keys, a pool
// or a request holds it, and goes with the last of them. So the map is never
// larger than the number of targets in use.
type interned struct {
	mu      sync.Mutex
	targets map[settings]*inUse // guarded by mu
	names   map[string]numbers  // by Target.plainName; guarded by mu
}

// inUse is a target for as long as somebody holds it.
type inUse struct {
	target weak.Pointer[Target]
	name   string
	number int
}

func newInterned() *interned {
	return &interned{targets: map[settings]*inUse{}, names: map[string]numbers{}}
}

// target returns the one there is with t's settings, else t from now on, with a
// number that tells it from others of its name.
func (in *interned) target(t *Target) *Target {
	in.mu.Lock()
	defer in.mu.Unlock()
	name := t.plainName()
	var number int
	if old := in.targets[t.settings]; old != nil {
		if is := old.target.Value(); is != nil {
			return is
		}
		// It has ended a moment ago, and its cleanup is still to come.
		if number = old.number; old.name != name {
			in.giveBackLocked(old)
			number = 0
		}
	}
	if number == 0 {
		in.names[name], number = in.names[name].take()
	}
	t.name = name // the same bytes: there are many targets
	if number > 1 {
		t.name += " #" + strconv.Itoa(number)
	}
	entry := &inUse{weak.Make(t), name, number}
	in.targets[t.settings] = entry
	// What the cleanup holds must not lead to t; settings are plain values.
	runtime.AddCleanup(t, func(s settings) { in.forget(s, entry) }, t.settings)
	return t
}

// forget drops a target that is gone, unless a new one has taken its place.
func (in *interned) forget(s settings, entry *inUse) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.targets[s] == entry {
		delete(in.targets, s)
		in.giveBackLocked(entry)
	}
}

func (in *interned) giveBackLocked(entry *inUse) {
	if left := in.names[entry.name].giveBack(entry.number); len(left) > 0 {
		in.names[entry.name] = left
	} else {
		delete(in.names, entry.name)
	}
}

// numbers are given from 1 on, each to one at a time: the n-th byte is 1 while
// n is taken. Most names have but one.
type numbers []byte

// take gives the smallest one that is free.
func (n numbers) take() (numbers, int) {
	if free := bytes.IndexByte(n, 0); free >= 0 {
		n[free] = 1
		return n, free + 1
	}
	return append(n, 1), len(n) + 1
}

func (n numbers) giveBack(number int) numbers {
	n[number-1] = 0
	return bytes.TrimRight(n, "\x00")
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
