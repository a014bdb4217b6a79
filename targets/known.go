package targets

import (
	"container/list"
	"fmt"
	"net/netip"
	"time"

	"redisjobs/conf"
	"redisjobs/redisclient"
)

// maxTargets bounds the targets that are remembered: item keys are free text.
const maxTargets = 20_000

// known are the targets that a runtime remembers; Runtime.mu guards it.
type known struct {
	byConf map[*conf.Target]*target
	byUse  list.List // of *target, the one that was not used for the longest time first
	peers  peers
}

// peers are the servers that others named: nodes of a cluster, or the master of
// sentinels. A server names what it likes, so that they are bounded for each
// target that they were found by, and all together: they must not take the
// connections of the targets that the operator named.
type peers struct {
	each, all int
	memory    time.Duration // until one that is not used counts no more
	of        map[*conf.Target]*peersOf
	count     int // of all
	swept     time.Time
}

// peersOf are those of one target, with the time of their last use.
type peersOf struct {
	used  map[*conf.Target]time.Time
	swept time.Time
}

// sweepPause is the time between two looks for peers that count no more.
const sweepPause = time.Second

// peerShare is how many peers there may be in all: half of the connections are
// for them.
func peerShare(maxTotal, maxPerTarget int) int {
	const least = 16
	return max(least, maxTotal/2/maxPerTarget)
}

// target finds or makes what belongs to a target. When there are too many, the
// one that was not used for the longest time is forgotten, which costs a few
// round trips and no correctness.
func (rt *Runtime) target(t *conf.Target) *target {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	return rt.targetLocked(t)
}

func (rt *Runtime) targetLocked(t *conf.Target) *target {
	if found := rt.known.byConf[t]; found != nil {
		rt.known.byUse.MoveToBack(found.place)
		return found
	}
	if len(rt.known.byConf) >= maxTargets {
		rt.forgetLocked(rt.known.byUse.Front().Value.(*target))
	}
	made := rt.newTarget(t)
	made.place = rt.known.byUse.PushBack(made)
	rt.known.byConf[t] = made
	tuneCollector(len(rt.known.byConf))
	if n := len(rt.known.byConf); n == 1 || n%100 == 0 {
		limitMemory(rt.options.MaxMemory, n)
	}
	return made
}

func (rt *Runtime) forgetLocked(t *target) {
	rt.known.byUse.Remove(t.place)
	delete(rt.known.byConf, t.conf)
	rt.known.peers.forget(t.conf)
	if t.web != nil {
		t.web.Close()
	}
}

// here is the address at which the target answers on this machine, without its port;
// "" when it answers elsewhere, or has not answered yet. Of sentinels, which know the
// target's, it is that of the first one that is here.
func (t *target) here() string {
	if t.follow == nil {
		info, ok := t.connInfo()
		if !ok || !info.Here {
			return ""
		}
		addr, err := netip.ParseAddrPort(info.Addr)
		if err != nil { // a unix socket
			return ""
		}
		return addr.Addr().Unmap().String()
	}
	for _, s := range t.follow.sentinels {
		if here := t.rt.target(s).here(); here != "" {
			return here
		}
	}
	return ""
}

// at is another server that the target named.
func (t *target) at(addr string) (*target, error) {
	peer, err := t.rt.options.Peer(t.conf, addr, t.here())
	if err != nil {
		return nil, &redisclient.Error{Op: "dial", Reason: redisclient.ReasonConfig, Err: err}
	}
	rt := t.rt
	rt.mu.Lock()
	defer rt.mu.Unlock()
	root := t.conf
	if t.foundBy != nil {
		root = t.foundBy
	}
	if peer != root {
		if err := rt.known.peers.admit(root, peer, time.Now()); err != nil {
			return nil, &redisclient.Error{Op: "dial", Reason: redisclient.ReasonConfig, Err: err}
		}
	}
	_, before := rt.known.byConf[peer]
	found := rt.targetLocked(peer)
	if !before { // one that was a target of its own, as another session, stays that
		found.foundBy = root
	}
	return found, nil
}

// admit counts a peer of root, and refuses it when there are too many.
func (p *peers) admit(root, peer *conf.Target, now time.Time) error {
	of := p.of[root]
	if of == nil {
		of = &peersOf{used: make(map[*conf.Target]time.Time)}
	}
	if _, found := of.used[peer]; !found {
		if len(of.used) >= p.each && now.Sub(of.swept) >= sweepPause {
			p.sweep(of, now)
		}
		if len(of.used) >= p.each {
			return fmt.Errorf("the servers of %s have named more than %d others within %s (option Plugins.%s.MaxPeers)",
				root, p.each, p.memory, conf.PluginName)
		}
		if p.count >= p.all {
			p.sweepAll(now)
		}
		if p.count >= p.all {
			return fmt.Errorf("the servers of all targets have named more than %d others within %s: half of Plugins.%s.MaxConnectionsTotal is for them",
				p.all, p.memory, conf.PluginName)
		}
		if p.of == nil {
			p.of = make(map[*conf.Target]*peersOf)
		}
		p.of[root] = of // only now: a sweep of all drops those that have no peers
		p.count++
	}
	of.used[peer] = now
	return nil
}

// sweep forgets the peers of one target that were not used lately.
func (p *peers) sweep(of *peersOf, now time.Time) {
	of.swept = now
	for peer, used := range of.used {
		if now.Sub(used) >= p.memory {
			delete(of.used, peer)
			p.count--
		}
	}
}

func (p *peers) sweepAll(now time.Time) {
	if now.Sub(p.swept) < sweepPause {
		return
	}
	p.swept = now
	for root, of := range p.of {
		if p.sweep(of, now); len(of.used) == 0 {
			delete(p.of, root)
		}
	}
}

// forget drops the peers of a target.
func (p *peers) forget(root *conf.Target) {
	if of := p.of[root]; of != nil {
		p.count -= len(of.used)
		delete(p.of, root)
	}
}
