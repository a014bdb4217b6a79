package cluster

import (
	"sync"
	"time"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/jsondoc"
)

// ratesMemory is where the entry's Memory has what the nodes had done at earlier
// polls.
const ratesMemory = "redis.cluster.get rates"

// rates are the samples of all nodes of a cluster.
type rates struct {
	mu    sync.Mutex
	began time.Time // what the times count from
	nodes map[string]*nodeRate
}

// nodeRate is one node's count of commands, within one life of its server.
type nodeRate struct {
	runID  string
	window info.Window[int64]
}

// rate sets the operations per second of each member that told its count of
// commands, from the newest poll that is old enough. instantaneous_ops_per_sec is
// not what is shown: it is the mean of 1.6 seconds, in which a cluster may do
// nothing though it is busy.
func (c *cluster) rate() {
	var r *rates
	c.target.Memory.Update(ratesMemory, func(v any) any {
		r, _ = v.(*rates)
		if r == nil {
			r = &rates{began: c.now, nodes: make(map[string]*nodeRate)}
		}
		return r
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	known := make(map[string]*nodeRate, len(c.members))
	for _, m := range c.members {
		n := r.nodes[m.id]
		if n == nil {
			n = &nodeRate{}
		}
		known[m.id] = n
		if m.err == nil && m.figures.commands.Known {
			m.figures.ops, m.figures.opsKnown = n.perSecond(c.now.Sub(r.began), m.figures.runID, m.figures.commands.Value)
		}
	}
	r.nodes = known // those that left the cluster are forgotten
}

func (f *nodeFigures) writeOps(w *jsondoc.Writer) {
	if f.opsKnown {
		w.Key("ops").Float(ask.SixDigits(f.ops))
	}
}

// perSecond compares a count with the samples, and keeps it.
func (n *nodeRate) perSecond(at time.Duration, runID string, count int64) (float64, bool) {
	if newest := n.window.Newest(); runID != n.runID || newest != nil && at >= newest.At && count < newest.Value {
		n.window.Clear() // a restart, or CONFIG RESETSTAT
		n.runID = runID
	}
	base := n.window.Base(at)
	n.window.Add(at, count)
	if base == nil || count < base.Value {
		return 0, false
	}
	return float64(count-base.Value) / (at - base.At).Seconds(), true
}
