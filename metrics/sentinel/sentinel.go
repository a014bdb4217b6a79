package sentinel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// Get shows what sentinels know, from a sentinel:// target or from the address of one
// sentinel. The sentinels of the target are asked in parallel. The first that answers
// reports its masters, and all others that it knows are then asked for their views,
// also in parallel.
//
// Beside the head (up: a sentinel answered):
//
//	masters      a row per master that the telling sentinel watches, sorted by name:
//	             name, addr, flags ("master,s_down"), sdown and odown (down in this
//	             one's eyes, and in those of the quorum), quorum, epoch (of its
//	             configuration), usable_sentinels of known_sentinels (this one
//	             counts), has_quorum (enough of them to call the master down),
//	             has_majority (enough to let one lead a failover), failover (1 while
//	             one is under way) and failover_state, agree (0 when sentinels name
//	             different servers or do not know the name; a host name and its IP
//	             address are one server; left out while those that were asked agree and
//	             others could not be asked, for want of SENTINEL SENTINELS) and, then, views
//	             [{"sentinel","addr"}] (no addr: not known)
//	             last_ok_ping and last_ping (seconds since the last acceptable and
//	             since any answer to PING; the former is what is compared with
//	             down-after-milliseconds), drifts and drift: settings that the
//	             sentinels keep about the master each by itself, and that differ, as
//	             [{"name":"quorum","value":"2","others":[{"value":"3","count":1,
//	             "servers":["10.0.0.2:26379"]}]}], of quorum, down-after-milliseconds,
//	             failover-timeout and parallel-syncs; value is that of the telling
//	             sentinel
//	             available_replicas: those that may become the master; a replica that
//	             is down, disconnected, without its master for too long or of priority 0
//	             may not, nor one that the sentinel has not lately heard from, see
//	             info.Promotable. unlisted_replicas are among them: the sentinel counts them and does not list them
//	             (replica-announced no), so that nobody knows their state
//	             replicas [{"addr","flags","down","promotable","link_up","priority",
//	             "offset","last_ok_ping","last_ping"}]; no link_up while it is down
//	             sentinels [{"addr","id","flags","down","last_ok_ping","last_ping",
//	             "last_hello","voted_leader","voted_epoch"}], the others; last_hello
//	             is how many seconds ago one published itself through the master,
//	             voted_leader the id of the sentinel that it voted for, in the epoch
//	             voted_epoch. The telling sentinel knows votes only while it stands
//	             for election itself, and for a few seconds afterwards
//	sentinels    a row per sentinel that was asked: addr, id, up, reason, error, tilt
//	             (1 while it mistrusts its own clock and does nothing), masters
//	tilt         sentinels in tilt
//	disagreements
//	             masters with agree 0
//	drifts       settings that differ, of all masters; left out, as with a master,
//	             while no two sentinels answered. Of these three, one that would be 0
//	             is left out while there are sentinels that did not say it or could not
//	             be asked
//	partial      true when not every sentinel answered, or not every one could be asked
//	unanswered   those: addr, reason, error
//
// and unavailable, truncated and unreadable as in redis.get.
// Source: https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/
var Get = &item.Metric{
	Key:         "redis.sentinel.get",
	Description: "Returns what sentinels know of their masters, and whether they agree, as JSON.",
	Params:      item.ConnParams(),
	Commands:    nil, // a sentinel has users of its own, and servers do not know SENTINEL
	Collect:     collect,
}

// maxMasters bounds the masters whose replicas and sentinels are asked for.
const maxMasters = 100

// view is one sentinel and what it said.
type view struct {
	target  *item.Target // nil when its address cannot be asked
	addr    string
	id      string
	err     error
	info    *ask.Part
	tilt    info.Reading
	masters map[string]fields // by name
	unread  int               // rows of masters that could not be read
}

// fields is one flat list of names and values, as SENTINEL answers.
type fields map[string]string

func (f fields) addr() string { return net.JoinHostPort(f["ip"], f["port"]) }

func (f fields) is(flag string) bool {
	return slices.Contains(strings.Split(f["flags"], ","), flag)
}

// down is what keeps a sentinel from counting for a quorum.
// Source: redis src/sentinel.c, sentinelIsQuorumReachable.
func (f fields) down() bool { return f.is("s_down") || f.is("o_down") }

func (f fields) reading(name string) info.Reading { return info.ParseReading([]byte(f[name])) }

// sentinels is everything that one check learns.
type sentinels struct {
	target   *item.Target
	views    []*view
	voice    *view // the one that tells
	replicas map[string]*ask.Part
	peers    map[string]*ask.Part
	members  map[*ask.Part][]fields // of both kinds of part
	hosts    *hosts
	unread   ask.Unreadable
	left     int // masters beyond maxMasters
	// unreadReplicas and unreadPeers are the rows of each master's replicas and other
	// sentinels that could not be read.
	unreadReplicas, unreadPeers map[string]int
}

func collect(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	s := &sentinels{target: r.Target}
	targets := []*item.Target{r.Target}
	if r.Target.Sentinels != nil {
		targets = r.Target.Sentinels()
	}
	for _, t := range targets {
		s.views = append(s.views, &view{target: t, addr: plainAddr(t)})
	}
	ctx, cancel := ask.BeforeDeadline(ctx)
	defer cancel()
	// Those that do not answer must leave time for the round that follows.
	first, cancelFirst := ask.HalfOf(ctx)
	s.ask(first, s.views)
	cancelFirst()
	var failures []string
	for _, v := range s.views {
		if v.err == nil {
			s.voice = v
			break
		}
		failures = append(failures, v.addr+": "+v.err.Error())
	}
	if s.voice == nil {
		err := s.views[0].err
		if len(s.views) > 1 {
			err = &redisclient.Error{
				Op: "sentinel", Reason: redisclient.ReasonOf(err), Err: errors.New(few(failures)),
			}
		}
		return ask.Down(w, r.Target.Name, err)
	}
	s.hosts = newHosts(ctx)
	if err := s.askMembers(ctx); err != nil {
		return ask.Down(w, r.Target.Name, err)
	}
	others := s.others()
	s.views = append(s.views, others...)
	s.ask(ctx, others)
	s.dropTwins()
	s.write(w)
	return nil
}

// few lists the first failures whole, and how many there are beside them: half of one
// would name another server.
func few(failures []string) string {
	const most = 3
	if len(failures) <= most {
		return strings.Join(failures, "; ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(failures[:most], "; "), len(failures)-most)
}

// plainAddr is the address of a target as the sentinels themselves would write
// it, as far as that is known: where the newest connection ended.
func plainAddr(t *item.Target) string {
	if info, ok := ask.Connection(t); ok && info.Addr != "" {
		return info.Addr
	}
	_, addr, found := strings.Cut(t.Name, "://")
	if !found {
		return t.Name
	}
	addr, _, _ = strings.Cut(strings.TrimSuffix(addr, ")"), "/")
	return addr
}

// ask asks sentinels side by side what they watch.
func (s *sentinels) ask(ctx context.Context, views []*view) {
	ask.SideBySide(len(views), func(i int) {
		if v := views[i]; v.err == nil {
			v.err = v.ask(ctx)
		}
	}, func(i int, err error) { views[i].err = err })
}

func (v *view) ask(ctx context.Context) error {
	masters := ask.Part{Name: "masters", Cmd: redisclient.Command{"SENTINEL", "MASTERS"}, Must: true}
	reply := &ask.Part{Name: "info", Cmd: redisclient.Command{"INFO", "sentinel"}}
	id := ask.Part{Name: "id", Cmd: redisclient.Command{"SENTINEL", "MYID"}} // since 6.2
	if err := ask.Do(ctx, v.target, &masters, reply, &id); err != nil {
		return err
	}
	list, unread, err := readMembers(&masters)
	if err != nil {
		if redisclient.UnknownCommand(err) {
			return redisclient.NotSentinel(err)
		}
		return fmt.Errorf("SENTINEL MASTERS: %w", err)
	}
	v.unread = unread
	v.masters = make(map[string]fields, len(list))
	for _, m := range list {
		v.masters[m["name"]] = m
	}
	if id.Err == nil {
		v.id, _ = id.Value.Text()
	}
	v.info = reply
	if text, err := info.Reply(reply.Value); reply.Err == nil && err == nil {
		if x, err := info.Scan(text, nil, nil); err == nil {
			if tilt, ok := x.Field("sentinel", "sentinel_tilt"); ok {
				v.tilt = info.ParseReading(tilt)
			}
		}
	}
	v.addr = plainAddr(v.target)
	return nil
}

// readMembers reads an array of flat lists; see ask.RowsOf.
func readMembers(p *ask.Part) ([]fields, int, error) {
	if p.Err != nil {
		return nil, 0, p.Err
	}
	return ask.RowsOf(p.Value, "row", func(v resp.Value) (fields, error) { return ask.Texts(v) })
}

// names are the masters of the voice, sorted.
func (s *sentinels) names() []string {
	out := make([]string, 0, len(s.voice.masters))
	for name := range s.voice.masters {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// askMembers asks the voice for the replicas and other sentinels of its
// masters, in one round trip.
func (s *sentinels) askMembers(ctx context.Context) error {
	s.replicas, s.peers = make(map[string]*ask.Part), make(map[string]*ask.Part)
	s.members = make(map[*ask.Part][]fields)
	s.unreadReplicas, s.unreadPeers = make(map[string]int), make(map[string]int)
	names := s.names()
	if len(names) > maxMasters {
		s.left = len(names) - maxMasters
		names = names[:maxMasters]
	}
	if err := s.askReplicas(ctx, names); err != nil {
		return err
	}
	s.unread.Add("masters", s.voice.unread)
	for _, kind := range []struct {
		list   string
		parts  map[string]*ask.Part
		unread map[string]int
	}{{"replicas", s.replicas, s.unreadReplicas}, {"sentinels", s.peers, s.unreadPeers}} {
		for _, name := range names {
			p := kind.parts[name]
			var unread int
			s.members[p], unread, p.Err = readMembers(p)
			kind.unread[name] = unread
			s.unread.Add(kind.list, unread)
			slices.SortFunc(s.members[p], func(a, b fields) int { return strings.Compare(a.addr(), b.addr()) })
		}
	}
	return nil
}

// replicaWords are the subcommands that list replicas, the newest first: SENTINEL
// REPLICAS exists since Redis 5, and SLAVES may go one day.
var replicaWords = []string{"REPLICAS", "SLAVES"}

// wordMemory is where a sentinel's Memory has which of replicaWords it knows.
const wordMemory = "redis.sentinel.get word for replicas"

// askReplicas asks for the replicas and the other sentinels of the masters, once
// more for the replicas where the subcommand is not known.
func (s *sentinels) askReplicas(ctx context.Context, names []string) error {
	t := s.voice.target
	v, _ := t.Memory.Load(wordMemory)
	word, _ := v.(int)
	var parts []*ask.Part
	for _, name := range names {
		s.replicas[name] = &ask.Part{Name: "replicas", Cmd: redisclient.Command{"SENTINEL", replicaWords[word], name}, Must: true}
		s.peers[name] = &ask.Part{Name: "sentinels", Cmd: redisclient.Command{"SENTINEL", "SENTINELS", name}, Must: true}
		parts = append(parts, s.replicas[name], s.peers[name])
	}
	if len(parts) == 0 {
		return nil
	}
	if err := ask.Do(ctx, t, parts...); err != nil {
		return err
	}
	if !unknownSubcommand(parts[0].Err) {
		return nil
	}
	word = len(replicaWords) - 1 - word
	t.Memory.Store(wordMemory, word)
	parts = nil
	for _, name := range names {
		s.replicas[name].Cmd = redisclient.Command{"SENTINEL", replicaWords[word], name}
		parts = append(parts, s.replicas[name])
	}
	return ask.Do(ctx, t, parts...)
}

// unknownSubcommand knows the words of a sentinel: "ERR Unknown sentinel
// subcommand 'replicas'" before Redis 7, "ERR unknown subcommand" from then on.
func unknownSubcommand(err error) bool {
	if err == nil {
		return false
	}
	text := strings.ToLower(err.Error())
	return strings.Contains(text, "unknown") && strings.Contains(text, "subcommand")
}

// others are the sentinels that the voice knows and that were not asked yet.
func (s *sentinels) others() []*view {
	asked := make(map[string]bool)
	for _, v := range s.views {
		asked[v.addr] = true
		if v.id != "" {
			asked[v.id] = true
		}
	}
	known := func(f fields) bool {
		return asked[f.addr()] || asked[f["runid"]] || slices.ContainsFunc(s.views, func(v *view) bool {
			return v.id == "" && s.hosts.same(v.addr, f.addr())
		})
	}
	var out []*view
	for _, name := range s.names() {
		if s.peers[name] == nil {
			continue
		}
		for _, f := range s.members[s.peers[name]] {
			if known(f) || len(out) >= ask.MaxRows {
				continue
			}
			asked[f.addr()], asked[f["runid"]] = true, true
			v := &view{addr: f.addr(), id: f["runid"]}
			if f["port"] == "0" {
				v.err = displaced(name)
			} else if v.target, v.err = s.voice.target.Peer(v.addr); v.err != nil {
				v.target = nil
			}
			out = append(out, v)
		}
	}
	return out
}

// displaced is why a sentinel cannot be asked whose port the others have made 0: one
// with another id has got its address, as after a start with a new configuration file.
// It still counts when they vote.
// Source: redis src/sentinel.c, sentinelProcessHelloMessage; redis issue 8786
func displaced(master string) error {
	return &redisclient.Error{Op: "sentinel", Reason: redisclient.ReasonSentinel, Err: fmt.Errorf(
		"another sentinel has taken its address, and the others still count it: SENTINEL RESET %s on each of them removes it", master)}
}

// dropTwins keeps one of the views that are of one sentinel, which may be
// configured by a name and known by an address.
func (s *sentinels) dropTwins() {
	seen := make(map[string]bool)
	s.views = slices.DeleteFunc(s.views, func(v *view) bool {
		twin := v.id != "" && seen[v.id]
		seen[v.id] = true
		return twin
	})
}
