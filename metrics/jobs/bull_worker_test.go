package jobs

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWorkersOfAnotherPrefix wait as those of this one do, and are none of it: their names
// say whose they are. Found with BullMQ 6: a prefix whose workers were gone was never
// abandoned while workers of another one lived. Its workers have two connections, of
// which one waits and has the name.
func TestWorkersOfAnotherPrefix(t *testing.T) {
	t.Parallel()
	const waits = "BZPOPMIN bull:mail:marker 0"
	f := newField(t, "HSET bull:mail:meta version bullmq:6.7.0", "HSET {pre:x}:one:meta version bullmq:6.7.0", "LPUSH {pre:x}:one:wait 1",
		"HSET app:bull:two:meta version bullmq:6.7.0", "LPUSH app:bull:two:wait 1")
	read := func() (bull, pre, app *reading) {
		f.d.at++
		result := pollOnce(t, f.d, f.m, f.o, query{})
		return find(t, result, "bullmq/bull"), find(t, result, "bullmq/{pre:x}"), find(t, result, "bullmq/app:bull")
	}
	for range 4 {
		connect(t, f.s, 0, "CLIENT SETNAME bull:bWFpbA==", waits)
		connect(t, f.s, 0, "EVALSHA x 0")
	}
	connect(t, f.s, 0, "CLIENT SETNAME other:bWFpbA==:w:one", waits) // of a prefix without keys
	connect(t, f.s, 0, "CLIENT SETNAME bull:mail", waits)            // of BullMQ for Python
	bull, pre, app := read()
	want(t, &bull.figures, figWorkersAlive, 5)
	for _, r := range []*reading{pre, app} {
		want(t, &r.figures, figWorkersAlive, 0)
		want(t, &r.figures, figAbandoned, 1)
		want(t, &r.Queues[0].figures, figAbandoned, 1)
	}
	// One whose name may be that of a queue of a longer prefix may be its worker.
	connect(t, f.s, 0, "CLIENT SETNAME bull:dHdv", waits)
	_, pre, app = read()
	want(t, &pre.figures, figWorkersAlive, 0)
	wantUnknown(t, &app.figures, figWorkersAlive, "1 without one wait as workers do")
	// And so may one without a name, or with another one, of any.
	for i, name := range []string{"", "CLIENT SETNAME shop", "CLIENT SETNAME shop:cron:x"} {
		cmds := []string{waits}
		if name != "" {
			cmds = []string{name, waits}
		}
		connect(t, f.s, 0, cmds...)
		_, pre, _ = read()
		wantUnknown(t, &pre.figures, figWorkersAlive, string(rune('1'+i))+" without one wait as workers do")
	}
}

// TestNamesOfWorkersElsewhere: by their form, and by what was found.
func TestNamesOfWorkersElsewhere(t *testing.T) {
	t.Parallel()
	found := func() map[string]map[string]bool {
		return map[string]map[string]bool{"bull": {"mail": true}, "{a}": {}}
	}
	for name, want := range map[string]bool{
		"": false, "bull": false, ":bWFpbA==": false, "bull:bWFpbA==": true, "bull:mail": true, "{a}:any": true, "b:any": false,
		"b:bWFpbA==": true, "b:bWFpbA==:w:my name": true, "b:c:bWFpbA==": true, "b:AAAA": false,
	} {
		require.Equal(t, want, bullElsewhere("mine", name, found), name)
	}
	require.False(t, bullElsewhere("app:bull", "bull:dHdv", found))
	require.True(t, bullElsewhere("app:bull", "bull:bWFpbA==", found))
}
