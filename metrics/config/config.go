package config

import (
	"context"
	"errors"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/cluster"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/metrics/settings"
	"redisjobs/redisclient"
)

// Get reports what changed in the configuration of a server since the last poll of the
// target by this process, and which parameters differ between servers that should have
// the same values: the replicas of a primary, the primary of a replica, the other
// sentinels of a sentinel. Those are asked in parallel, with one round trip each. With
// Compare=cluster a node of a cluster is compared with all others: use it in one item of
// a cluster, which then asks each node once. With Compare=none no other server is asked.
//
// The members in addition to the head; each is left out if it is not known:
//
//	role           master, replica, sentinel, or the server's own word
//	parameters     how many parameters the server has
//	fingerprint    a digest of their values; of secrets it has only whether they
//	               are set, and names and addresses that a server has for itself
//	               (port, bind, dir, announced addresses and the like) are left out,
//	               so that servers which are set up alike have the same one
//	first          true: there was no poll before, and so there are no changes
//	restarted      true: the server was restarted since the last poll
//	changes        parameters that changed
//	changed        [{"name":"maxmemory","old":"0","new":"1073741824"}]; without old
//	               the parameter is new, without new it is gone
//	compared_with  replicas, primary, cluster, sentinels, or "" for nobody
//	compared       [{"addr":"10.0.0.2:6379","up":1,"reason":"","error":"",
//	               "fingerprint":"…","differs":2,"only_one":0}]; only_one is how
//	               many parameters only one of the two has, as servers of different
//	               versions
//	partial        true when not all of them answered
//	drifts         parameters that differ
//	drift          [{"name":"maxmemory","value":"0","others":[{"value":"1073741824",
//	               "count":1,"servers":["10.0.0.2:6379"]}]}]; value is this server's
//	unavailable    what the server refused
//	truncated      rows left out of lists of more than 200 rows
//
// Secrets are masked as in redis.server.config. For a sentinel the parameters are
// quorum, down-after-milliseconds, failover-timeout and parallel-syncs of each of its
// masters, named as mymaster.quorum.
//
// It takes one round trip to the server, or two for a sentinel and for the first poll
// of a node of a cluster.
var Get = &item.Metric{
	Key:         "redis.config.get",
	Description: "Returns what changed in the configuration since the last poll, and what differs between servers that belong together, as JSON.",
	Params: item.ConnParams(item.Param{
		Name: "Compare", Default: compareGroup, Check: checkCompare,
		Description: "who is compared: group (primary and replicas, or sentinels), cluster (all its nodes) or none",
	}),
	Commands: []string{"config|get", "info", "cluster|nodes", "cluster|myid"},
	Collect:  collect,
}

// What redis.config.get takes for Compare.
const (
	compareGroup   = "group"
	compareCluster = "cluster"
	compareNone    = "none"
)

func checkCompare(word string) error {
	if word != compareGroup && word != compareCluster && word != compareNone {
		return errors.New("must be " + compareGroup + ", " + compareCluster + " or " + compareNone)
	}
	return nil
}

// kind is what is remembered of a target: which commands are worth sending.
type kind struct{ sentinel, cluster bool }

const kindMemory = "redis.config.get kind"

func configPart() *ask.Part {
	return &ask.Part{Name: "config", Cmd: redisclient.Command{"CONFIG", "GET", "*"}}
}

// poll are the commands to the server itself.
type poll struct {
	info, config, nodes, masters *ask.Part
	others                       []*ask.Part
	compare                      string
	x                            info.Text
	id                           info.Identity
}

func collect(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	t := r.Target
	p := &poll{
		info:   &ask.Part{Name: "info", Cmd: redisclient.Command{"INFO"}},
		config: configPart(), nodes: cluster.NodesPart(), masters: mastersPart(),
		compare: r.Arg("Compare"),
	}
	g := &group{}
	if err := p.ask(ctx, t, g); err != nil {
		return ask.Down(w, t.Name, err)
	}
	g.ask(ctx)
	var cut ask.Truncations
	w.Grow(4 << 10)
	w.BeginObject()
	ask.Head(w, t.Name, nil)
	ask.WriteText(w, "role", p.id.Role)
	if g.mine != nil {
		w.Key("parameters").Int(int64(len(g.mine)))
		w.Key("fingerprint").String(g.mine.Fingerprint())
		runID, _ := p.x.Field("server", "run_id")
		uptime, _ := p.x.Field("server", "uptime_in_seconds")
		var found news
		t.Memory.Update(seenMemory+p.compare, func(v any) any {
			last, polled := v.(seen)
			var next seen
			found, next = last.compare(polled, g.mine, string(runID), info.ParseCount(uptime), t.UnmaskSecrets)
			return next
		})
		found.write(w, &cut)
		if p.info.Err == nil && p.nodes.Err == nil {
			g.write(w, t.UnmaskSecrets, &cut)
		}
	}
	ask.Unavailable(w, append([]*ask.Part{p.info, p.config, p.nodes, p.masters}, p.others...)...)
	cut.Write(w)
	w.EndObject()
	return nil
}

// ask asks the server, reads its settings and finds those that it is compared
// with. The error is the conversation's, or the server's state.
func (p *poll) ask(ctx context.Context, t *item.Target, g *group) error {
	v, _ := t.Memory.Load(kindMemory)
	was, _ := v.(kind)
	first := []*ask.Part{p.info, p.config}
	if was.sentinel {
		first[1] = p.masters
	}
	if was.cluster && p.compare != compareNone {
		first = append(first, p.nodes)
	}
	if err := ask.Do(ctx, t, first...); err != nil {
		return err
	}
	if err := ask.StateProblem(first[:2]...); err != nil {
		return err
	}
	p.readInfo()
	enabled, _ := p.x.Field("cluster", "cluster_enabled")
	is := kind{p.id.Mode == "sentinel", string(enabled) == "1"}
	if p.info.Err != nil {
		is = was
	}
	t.Memory.Store(kindMemory, is)
	alone := p.compare == compareNone
	var more []*ask.Part
	switch {
	case is.sentinel && !was.sentinel:
		p.config.Forget(t) // sentinels have no CONFIG, which says nothing of a server
		p.config.Err = nil
		more = append(more, p.masters)
	case !is.sentinel && was.sentinel:
		p.masters.Forget(t)
		p.masters.Err = nil
		more = append(more, p.config)
	}
	if is.cluster && !was.cluster && !alone {
		more = append(more, p.nodes)
	}
	if !is.cluster {
		p.nodes.Forget(t)
		p.nodes.Err = nil
	}
	if is.sentinel && !alone {
		p.others = othersParts(&p.x)
		more = append(more, p.others...)
	}
	p.askMore(ctx, t, more)
	if is.sentinel {
		if g.mine, p.masters.Err = readMasters(p.masters); g.mine != nil {
			g.sentinelsOf(t, p.others)
		}
		return nil
	}
	if g.mine, p.config.Err = settings.Read(p.config); g.mine == nil || p.info.Err != nil || alone {
		return nil
	}
	if is.cluster {
		p.nodes.Err = g.nodesOf(t, p.nodes, p.compare == compareCluster)
	} else {
		g.replicasOf(t, &p.x, &p.id)
	}
	return nil
}

// askMore asks for parts whose conversation, when it fails, costs them alone.
func (p *poll) askMore(ctx context.Context, t *item.Target, parts []*ask.Part) {
	if len(parts) == 0 {
		return
	}
	if err := ask.Do(ctx, t, parts...); err != nil {
		for _, part := range parts {
			part.Err = err
		}
	}
}

func (p *poll) readInfo() {
	if p.info.Err != nil {
		return
	}
	var text []byte
	if text, p.info.Err = info.Reply(p.info.Value); p.info.Err == nil {
		if p.x, p.info.Err = info.Scan(text, nil, nil); p.info.Err == nil {
			p.id = info.Identify(&p.x)
		}
	}
}

var errUnreadable = errors.New("a row of SENTINEL MASTERS cannot be read")
