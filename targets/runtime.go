package targets

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"redisjobs/conf"
	"redisjobs/targets/httpclient"
	"redisjobs/targets/passwords"

	"redisjobs/metrics/item"
	"redisjobs/pool"
	"redisjobs/redisclient"
	"redisjobs/redisclient/cluster"
	"redisjobs/redisclient/resp"
)

// clientName is what CLIENT LIST shows for our connections.
const clientName = "zabbix_redisjobs"

// Runtime is everything that one configuration makes: the pool that all checks
// share, and what metrics remember of each target.
type Runtime struct {
	options *conf.Options
	pool    *pool.Pool[*conf.Target, *redisclient.Conn]
	Env     item.Env
	// budget is the memory of replies under way.
	budget *redisclient.Budget
	// between runs what goes on between checks.
	between   *background
	names     *names
	passwords *passwords.Keeper

	mu    sync.Mutex
	known known
}

// target is what the process knows of one server beyond its connections, and
// how checks reach it.
type target struct {
	rt     *Runtime
	conf   *conf.Target
	batch  batcher
	public item.Target
	faults faultWatch         // of the configuration
	follow *follower          // of a master that sentinels know; nil for other targets
	web    *httpclient.Client // of a Storm UI; nil for other targets

	place   *list.Element // in known.byUse
	foundBy *conf.Target  // the target that a peer was found by; nil for one that the operator named

	mu       sync.Mutex
	secret   conf.Secret // the newest connection's password
	info     redisclient.ConnInfo
	hasInfo  bool
	answered bool // at least one reply was received
	hangUps  hangUps
	nameOff  time.Time  // until then connections get no name
	host     *hostWatch // nil when there is no name to look up again
}

// nameMemory is how long a target that hung up at CLIENT SETNAME is not sent
// it. Not forever: what stands before a server that is down may hang up at
// anything.
const nameMemory = time.Hour

// replyLimits bound one reply, and the replies of one conversation. The largest
// that a healthy server gives in one text are INFO and CLUSTER NODES, a few
// hundred kilobytes; CLIENT LIST is read line by line. What is over them is read
// past as long as the check has time, so that one huge value costs the others
// nothing: no string of Redis is longer than MaxPass.
var replyLimits = resp.Limits{MaxBulk: 16 << 20, MaxReply: 16 << 20, MaxTogether: 32 << 20, MaxPass: 512 << 20}

// New makes what the options say: nothing is dialed yet.
func New(options *conf.Options) (*Runtime, error) {
	rt := &Runtime{
		options: options, between: newBackground(options.KeyspacePasses),
		names: newNames(), passwords: passwords.New(), budget: redisclient.NewBudget(options.MaxMemory, newRelief().run),
	}
	p, err := pool.New(pool.Config[*conf.Target, *redisclient.Conn]{
		Dial:         rt.dial,
		Name:         (*conf.Target).String,
		Stale:        redisclient.IsStale,
		Refused:      isRefused,
		MaxPerTarget: options.MaxConnections,
		MaxTotal:     maxConnections(options.MaxConnectionsTotal, OpenFiles()),
		IdleTimeout:  options.KeepAlive,
		MaxLifetime:  options.MaxLifetime,
		DialTimeout:  rt.dialLimit(),
	})
	if err != nil {
		return nil, err
	}
	rt.pool = p
	rt.known.byConf = make(map[*conf.Target]*target)
	rt.known.peers.each, rt.known.peers.memory = options.MaxPeers, options.KeepAlive
	rt.known.peers.all = peerShare(maxConnections(options.MaxConnectionsTotal, OpenFiles()), options.MaxConnections)
	rt.Env = item.Env{
		Pool:    rt.stats,
		Replies: rt.budget.Stats,

		Storm: item.StormOptions(options.Storm),
		Jobs:  item.JobsOptions(options.Jobs),

		CustomCommands:   options.CustomCommands,
		SlowlogArguments: options.SlowlogArguments,

		Keyspace:   item.KeyspaceOptions(options.Keyspace),
		Background: rt.between.run,
	}
	for _, session := range options.Sessions() {
		rt.Env.Sessions = append(rt.Env.Sessions, item.Session(session))
	}
	rt.Env.Target = rt.session
	return rt, nil
}

// session is the target of a configured session, for metrics that ask several.
func (rt *Runtime) session(name string) (*item.Target, error) {
	t, err := rt.options.Session(name)
	if err != nil {
		return nil, err
	}
	if t.Web() {
		return nil, fmt.Errorf("the session %s is a Storm UI, not a Redis server", name)
	}
	return rt.target(t).view(), nil
}

// dialLimit is shorter than the time of a check, so that the check that began
// the dial hears why it failed, and not only that it took too long.
func (rt *Runtime) dialLimit() time.Duration { return rt.Allowed(0) * 9 / 10 }

// Close gives running checks some time and ends what goes on between them and
// the connections: of a configuration that was replaced, or before the process
// ends.
func (rt *Runtime) Close(grace time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	rt.between.close(ctx)
	rt.names.close()
	rt.passwords.Close()
	_ = rt.pool.Close(ctx) // what is still open ends with the process
	rt.mu.Lock()
	defer rt.mu.Unlock()
	rt.closeWebClients()
}

// stats are the pool's figures with those of the checks that wait before it.
func (rt *Runtime) stats() pool.Stats {
	s := rt.pool.Stats()
	queued := make(map[string]waits)
	rt.mu.Lock()
	for _, t := range rt.known.byConf {
		if w := t.batch.figures(); w.count > 0 {
			queued[t.public.Name] = w
		}
	}
	rt.mu.Unlock()
	add := func(g *pool.Gauges, c *pool.Counters, w waits) {
		g.Waiting += w.waiting
		c.Waits += w.count
		c.WaitTime += w.time
		c.WaitTimeouts += w.timeouts
	}
	for i := range s.Targets {
		t := &s.Targets[i]
		if w, ok := queued[t.Name]; ok {
			add(&t.Gauges, &t.Counters, w)
			add(&s.Gauges, &s.Counters, w)
		}
	}
	return s
}

func (rt *Runtime) newTarget(t *conf.Target) *target {
	made := &target{rt: rt, conf: t}
	if t.Web() {
		made.web = rt.newWebClient(t)
		made.public = item.Target{Name: t.String(), Memory: &item.Memory{}, Web: watchedWeb{made.web, &made.faults}}
		return made
	}
	if host := hostName(t.Network(), t.Address()); host != "" {
		made.host = &hostWatch{host: host}
	}
	made.batch = batcher{run: made.converse, limit: rt.options.MaxConnections, maxWaiting: rt.options.MaxWaiting, budget: rt.budget}
	made.public = item.Target{
		Doer:          watched{cluster.New(&made.batch, made.node), &made.faults},
		Name:          t.String(),
		UnmaskSecrets: rt.options.UnmaskSecrets,
		Memory:        &item.Memory{},
		ConnInfo:      made.connInfo,
		Peer:          made.peer,
	}
	if t.Master() != "" {
		made.follow = newFollower(made, made.public)
	}
	return made
}

// view is what checks get.
func (t *target) view() *item.Target {
	if t.follow != nil {
		return t.follow.view()
	}
	return &t.public
}

// dial makes a connection for the pool. The password is read now, so that a
// rotated one in a file, or of a command, is used from the next connection on; connections that
// were made with another one are not used again.
func (rt *Runtime) dial(ctx context.Context, t *conf.Target) (*redisclient.Conn, error) {
	password, err := rt.password(ctx, t)
	if err != nil {
		return nil, misconfigured("auth", err)
	}
	tlsConfig, err := t.TLS()
	if err != nil {
		return nil, misconfigured("tls", err)
	}
	known := rt.target(t)
	if known.renewed(password) {
		rt.pool.Renew(t)
	}
	conn, err := redisclient.Dial(ctx, redisclient.Config{
		Network:    t.Network(),
		Address:    t.Address(),
		TLS:        tlsConfig,
		User:       t.User(),
		Password:   password,
		Login:      redisclient.Login(t.Login()),
		Database:   t.Database(),
		ClientName: known.clientName(),
		Limits:     replyLimits,
		Known:      known.hasAnswered(),
		Renamed:    t.Renamed,
		Stage:      func(what string) { pool.Doing(ctx, what) },
	})
	if redisclient.ReasonOf(err) == redisclient.ReasonDNS && t.Hint() != "" {
		if !known.hasAnswered() {
			return nil, nameless(t.Hint(), err)
		}
		err = fmt.Errorf("%w (%s)", err, t.Hint())
	}
	return conn, err
}

// renewed notes the password of a new connection and reports whether it is not
// that of the one before.
func (t *target) renewed(password string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	secret := conf.NewSecret(password)
	changed := t.hasInfo && secret != t.secret
	t.secret = secret
	return changed
}

// clientName is the name for a new connection; "" for none.
func (t *target) clientName() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Now().Before(t.nameOff) {
		return ""
	}
	return clientName
}

func (t *target) hasAnswered() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.answered
}

func (t *target) stopNaming() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.nameOff = time.Now().Add(nameMemory)
}

func (t *target) connInfo() (redisclient.ConnInfo, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.info, t.hasInfo
}

// talk sends commands in one conversation over the pool.
func (t *target) talk(ctx context.Context, cmds []redisclient.Command) ([]resp.Value, error) {
	asked := cmds
	cmds = renamed(t.conf, cmds)
	var values []resp.Value
	conversation := func(ctx context.Context, c *redisclient.Conn) error {
		var err error
		values, err = c.DoAll(ctx, cmds...)
		if err == nil {
			t.noteInfo(c.Info())
		} else if c.Answered() {
			t.noteAnswered()
		}
		return t.expired(c, err)
	}
	err := t.rt.pool.Do(ctx, t.conf, conversation)
	if isExpired(err) { // once: a second refusal is the answer
		err = t.rt.pool.Do(ctx, t.conf, conversation)
	}
	if redisclient.IsUnnamed(err) {
		t.rt.target(t.conf).stopNaming()
		err = t.rt.pool.Do(ctx, t.conf, conversation)
	}
	hideNames(t.conf, asked, cmds, values)
	if replies := redisclient.RepliesBefore(err, cmds); replies != nil {
		hideNames(t.conf, asked, cmds, replies)
		return nil, &redisclient.Unfinished{Cmds: asked, Replies: replies, Err: explain(err)}
	}
	if err != nil {
		return nil, explain(err)
	}
	return values, nil
}

// noteAnswered remembers that the server has answered, whatever came after it.
func (t *target) noteAnswered() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.answered = true
}

func (t *target) noteInfo(info redisclient.ConnInfo) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.hasInfo || info.At.After(t.info.At) {
		t.info, t.hasInfo, t.answered = info, true, true
	}
	t.noteAddrLocked(info.Addr)
}

// explain gives the pool's own errors a reason.
func explain(err error) error {
	var wait *pool.WaitError
	switch {
	case errors.As(err, &wait) && wait.OnlyDialed():
		return &redisclient.Error{Op: "dial", Reason: redisclient.ReasonTimeout, Err: err}
	case errors.As(err, &wait):
		return &redisclient.Error{Op: "wait", Reason: redisclient.ReasonPool, Err: err}
	case err == context.DeadlineExceeded || err == context.Canceled: // before the pool had anything to do
		return &redisclient.Error{Op: "wait", Reason: redisclient.ReasonOf(err), Err: redisclient.InWords(redisclient.Words(err), err)}
	case errors.Is(err, pool.ErrClosed):
		return &redisclient.Error{Op: "wait", Reason: redisclient.ReasonClosed, Err: err}
	}
	return err
}

// CloseGrace bounds the wait for running checks when the agent terminates the
// process; an agent 7 kills it after its Timeout, 1 s at least.
const CloseGrace = 500 * time.Millisecond
