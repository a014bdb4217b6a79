package keys

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/cluster"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// counting is one count under way.
type counting struct {
	target  *item.Target
	pattern string
	view    string
	sources []cluster.Master

	all        *ask.Scan
	complete   bool
	scan, size ask.Part // as unavailable has them
	keys       int64    // of the sources that told
	missing    ask.Part // masters that did not answer
	which      ask.Part // whether the server is a node of a cluster
}

// clusterMemory is where a target's Memory has whether it is a node of a
// cluster.
const clusterMemory = "redis.keys.count cluster"

// newCounting plans to count the keys of the server, or of the cluster that it is
// known to be a node of.
func newCounting(ctx context.Context, t *item.Target, pattern string, budget int) (*counting, error) {
	c := &counting{
		target: t, pattern: pattern, view: "server", sources: []cluster.Master{{Addr: t.Name, Target: t}},
		all: ask.NewScan(ctx, budget), complete: true,
		scan: ask.Part{Name: "scan"}, size: ask.Part{Name: "dbsize"}, missing: ask.Part{Name: "masters"}, which: ask.Part{Name: "view"},
	}
	v, ok := t.Memory.Load(clusterMemory)
	if known, _ := v.(isNodeUntil); !ok || !time.Now().Before(known.until) {
		c.which.Cmd = redisclient.Command{"INFO", "cluster"}
	} else if known.isNode {
		return c, c.findMasters(ctx)
	}
	return c, nil
}

// isNodeUntil is what clusterMemory holds.
type isNodeUntil struct {
	isNode bool
	until  time.Time
}

// errIsNode ends the count of one server, which is that of a cluster.
var errIsNode = errors.New("the server is a node of a cluster")

// learn reads whether the server is a node of a cluster.
func (c *counting) learn() error {
	var text []byte
	if c.which.Err == nil {
		text, c.which.Err = info.Reply(c.which.Value)
	}
	c.which.Cmd = nil
	if c.which.Err != nil {
		c.view = "" // whose keys these are is not known
		return nil
	}
	isNode := bytes.Contains(text, []byte("cluster_enabled:1"))
	c.target.Memory.Store(clusterMemory, isNodeUntil{isNode, time.Now().Add(ask.RefusalMemory)})
	if isNode {
		return errIsNode
	}
	return nil
}

// findMasters finds the servers of a cluster.
func (c *counting) findMasters(ctx context.Context) error {
	masters, refusal, err := cluster.Masters(ctx, c.target)
	switch {
	case err != nil:
		return err
	case refusal != nil || len(masters) == 0:
		c.view, c.missing.Err = "entry_node", refusal
		c.target.Memory.Store(clusterMemory, isNodeUntil{}) // it may be no node any more
	default:
		c.view, c.sources = "cluster", masters
	}
	return nil
}

// countKeys counts, and begins anew when a first look shows a cluster.
func countKeys(ctx context.Context, t *item.Target, pattern string, budget int) (*counting, error) {
	c, err := newCounting(ctx, t, pattern, budget)
	if err == nil {
		err = c.run(ctx)
	}
	if errors.Is(err, errIsNode) {
		if c, err = newCounting(ctx, t, pattern, budget); err == nil {
			err = c.run(ctx)
		}
	}
	return c, err
}

// run scans the sources. The error is that of the conversation with the only one.
func (c *counting) run(ctx context.Context) error {
	for i, s := range c.sources {
		err := s.Err
		if err == nil && i > 0 && !c.all.MayGoOn() {
			c.complete = false
			c.askSize(ctx, s.Target)
			continue
		}
		if err == nil {
			err = c.scanOne(ctx, s.Target)
		}
		if err != nil && c.view != "cluster" {
			return err
		}
		if err != nil {
			c.complete = false
			if c.missing.Err == nil {
				c.missing.Err = fmt.Errorf("%s: %w", s.Addr, err)
			}
		}
	}
	if len(c.sources) > 1 && c.missing.Err != nil && c.all.Steps == 0 {
		return c.missing.Err
	}
	return nil
}

// scanOne scans one server. What it refuses stands in the parts.
func (c *counting) scanOne(ctx context.Context, t *item.Target) error {
	cursor := "0"
	for first := true; first || !c.all.Complete && c.all.MayGoOn(); first = false {
		began := time.Now()
		scan := &ask.Part{Name: "scan", As: "SCAN", Cmd: redisclient.Command{
			"SCAN", cursor, "MATCH", c.pattern, "COUNT", strconv.Itoa(ask.ScanCount),
		}}
		size := &ask.Part{Name: "dbsize", Cmd: redisclient.Command{"DBSIZE"}}
		parts := []*ask.Part{scan}
		if first {
			parts = append(parts, size)
		}
		if c.which.Cmd != nil {
			parts = append(parts, &c.which)
		}
		if err := ask.Do(ctx, t, parts...); err != nil {
			return err
		}
		if err := ask.StateProblem(parts...); err != nil {
			return err
		}
		if c.which.Cmd != nil {
			if err := c.learn(); err != nil {
				return err
			}
		}
		if first {
			c.addSize(size)
		}
		if scan.Err != nil {
			c.scan.Err = scan.Err
			return nil
		}
		var err error
		if cursor, err = c.all.Take(scan.Value); err != nil {
			return fmt.Errorf("SCAN: %w", err)
		}
		c.all.Slowest = max(c.all.Slowest, time.Since(began))
	}
	c.complete = c.complete && c.all.Complete
	return nil
}

// askSize asks a server for its keys that there is no time to scan.
func (c *counting) askSize(ctx context.Context, t *item.Target) {
	size := &ask.Part{Name: "dbsize", Cmd: redisclient.Command{"DBSIZE"}}
	if err := ask.Do(ctx, t, size); err != nil {
		size.Err = err
	}
	c.addSize(size)
}

func (c *counting) addSize(size *ask.Part) {
	n, err := int64(0), size.Err
	if err == nil {
		n, err = size.Value.Int64()
	}
	if err != nil {
		c.size.Err = err
	}
	c.keys += n
}

func (c *counting) write(w *jsondoc.Writer) {
	w.Grow(512)
	w.BeginObject()
	ask.Head(w, c.target.Name, nil)
	w.Key("pattern").String(c.pattern)
	if c.view != "" {
		w.Key("view").String(c.view)
	}
	c.size.Value = resp.Value{Kind: resp.Integer, Int: c.keys}
	size := c.size
	if c.view == "cluster" && c.missing.Err != nil { // the sum is not whole
		size.Err = c.missing.Err
	}
	c.all.Complete = c.complete
	c.all.Write(w, &c.scan, &size)
	ask.Unavailable(w, &c.scan, &c.size, &c.missing, &c.which)
	w.EndObject()
}
