package main

import (
	"context"
	"fmt"
	"net"
	"time"

	redigo "github.com/gomodule/redigo/redis"
	"github.com/jackc/puddle/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"redisjobs/pool"
)

// crowd is the number of goroutines in the contended cases.
const crowd = 64

// checkout makes, for a pool of so many connections, what takes one and gives
// it back. close ends the pool.
type checkout func(size int) (op func() error, close func(), err error)

// nothing is a connection that is always well.
type nothing struct{ _ int }

func (*nothing) Alive() error { return nil }
func (*nothing) Err() error   { return nil }
func (*nothing) Close() error { return nil }

func ourPool(size int) (func() error, func(), error) {
	p, err := pool.New(pool.Config[string, *nothing]{
		Dial:         func(context.Context, string) (*nothing, error) { return &nothing{}, nil },
		MaxPerTarget: size,
		MaxLifetime:  time.Hour,
	})
	ctx := context.Background()
	use := func(context.Context, *nothing) error { return nil }
	return func() error { return p.Do(ctx, "target", use) }, func() { p.Close(ctx) }, err
}

func puddlePool(size int) (func() error, func(), error) {
	p, err := puddle.NewPool(&puddle.Config[*nothing]{
		Constructor: func(context.Context) (*nothing, error) { return &nothing{}, nil },
		Destructor:  func(*nothing) {},
		MaxSize:     int32(size),
	})
	ctx := context.Background()
	return func() error {
		r, err := p.Acquire(ctx)
		if err == nil {
			r.Release()
		}
		return err
	}, func() { p.Close() }, err
}

// redigoConn is nothing as redigo wants it.
type redigoConn struct{ *nothing }

func (redigoConn) Do(string, ...any) (any, error) { return nil, nil }
func (redigoConn) Send(string, ...any) error      { return nil }
func (redigoConn) Flush() error                   { return nil }
func (redigoConn) Receive() (any, error)          { return nil, nil }

func redigoPool(size int) (func() error, func(), error) {
	p := &redigo.Pool{
		Dial:      func() (redigo.Conn, error) { return redigoConn{&nothing{}}, nil },
		MaxIdle:   size,
		MaxActive: size,
		Wait:      true,
	}
	ctx := context.Background()
	return func() error {
		c, err := p.GetContext(ctx)
		if err == nil {
			err = c.Close()
		}
		return err
	}, func() { p.Close() }, nil
}

// pong is a socket that answers everything at once; what go-redis says first
// it refuses, as old servers do.
type pong struct {
	net.Conn // nil
	hello    bool
}

func (p *pong) Write(b []byte) (int, error) {
	p.hello = string(b[:min(2, len(b))]) == "*2" || string(b[:min(2, len(b))]) == "*3"
	return len(b), nil
}

func (p *pong) Read(b []byte) (int, error) {
	if p.hello {
		return copy(b, "-ERR unknown command\r\n"), nil
	}
	return copy(b, "+PONG\r\n"), nil
}

func (p *pong) Close() error                     { return nil }
func (p *pong) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (p *pong) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (p *pong) SetDeadline(time.Time) error      { return nil }
func (p *pong) SetReadDeadline(time.Time) error  { return nil }
func (p *pong) SetWriteDeadline(time.Time) error { return nil }

func goRedis(size int) *redis.Client {
	return redis.NewClient(&redis.Options{
		Dialer:                   func(context.Context, string, string) (net.Conn, error) { return &pong{}, nil },
		PoolSize:                 size,
		PoolTimeout:              time.Minute,
		DisableIdentity:          true,
		Protocol:                 2,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
}

func goRedisPooled(size int) (func() error, func(), error) {
	c := goRedis(size)
	ctx := context.Background()
	return func() error { return c.Ping(ctx).Err() }, func() { c.Close() }, nil
}

// goRedisTurn is the time of a PING that checks a connection out, less that of
// one on a connection that is held: what the pool itself costs.
func goRedisTurn(size, workers int, d time.Duration) (values, error) {
	pooled, err := poolTurn(goRedisPooled, size, workers, d/2)
	if err != nil {
		return nil, err
	}
	c := goRedis(max(size, workers))
	defer c.Close()
	ctx := context.Background()
	// With one connection for all there is one PING at a time.
	held, err := inProcess(min(size, workers), poolBatch, d/2, func() (func() error, error) {
		conn := c.Conn()
		return func() error { return conn.Ping(ctx).Err() }, nil
	})
	if err != nil {
		return nil, err
	}
	for f := range pooled {
		pooled[f] = max(pooled[f]-held[f], 0)
	}
	return pooled, nil
}

// poolBatch is the number of checkouts between two looks at the clock.
const poolBatch = 64

func poolTurn(make checkout, size, workers int, d time.Duration) (values, error) {
	op, done, err := make(size)
	if err != nil {
		return nil, err
	}
	defer done()
	if err := op(); err != nil {
		return nil, err
	}
	return inProcess(workers, poolBatch, d, func() (func() error, error) { return op, nil })
}

// comparePools compares pools alone: connections that do nothing.
func comparePools(s *scope, e *environment) (table, []claim, error) {
	t := table{
		title: "The pool alone: take a connection, give it back",
		notes: []string{
			"Connections that do nothing. Ours is pool.Do with an empty function, which includes the look whether the " +
				"connection is alive; puddle, redigo: Acquire and Release, Get and Close.",
			"go-redis' pool cannot be used alone through its public API. Its figure is the difference between a PING " +
				"that takes a connection from the pool and a PING on one that is held, over a socket that answers at once.",
		},
		columns: []column{{wallTime, "time, ns", "%.0f", -1}, {allocs, "allocations", "%.2f", -1}},
	}
	var claims []claim
	for _, c := range []struct {
		condition     string
		size, workers int
	}{
		{"alone", crowd, 1},
		{fmt.Sprintf("%d goroutines, a connection for each", crowd), crowd, crowd},
		{fmt.Sprintf("%d goroutines, one connection for all", crowd), 1, crowd},
	} {
		turn := func(make checkout) func(time.Duration) (values, error) {
			return func(d time.Duration) (values, error) { return poolTurn(make, c.size, c.workers, d/2) }
		}
		g, err := e.contest(c.condition,
			contestant{name: "pool.Do", turn: turn(ourPool)},
			contestant{name: "puddle", turn: turn(puddlePool)},
			contestant{name: "redigo", turn: turn(redigoPool)},
			contestant{name: "go-redis, by difference", turn: func(d time.Duration) (values, error) {
				return goRedisTurn(c.size, c.workers, d)
			}})
		if err != nil {
			return t, nil, err
		}
		t.groups = append(t.groups, g)
		if c.workers == 1 {
			ns, _ := g.outcomes[0].median(wallTime)
			n, _ := g.outcomes[0].median(allocs)
			claims = append(claims,
				claim{text: "pool, alone: ns for a checkout and return", measured: ns, bound: 150, format: "%.0f"},
				claim{text: "pool, alone: allocations", measured: n, bound: 0, format: "%.2f"})
			continue
		}
		for _, peer := range g.outcomes[1:] {
			r, _ := ratio(g.outcomes[0], peer, wallTime)
			claims = append(claims, claim{text: "pool, " + c.condition + ": time against " + peer.name,
				measured: r, bound: 1, format: "%.2fx"})
		}
	}
	return t, claims, nil
}
