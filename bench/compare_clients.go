package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/redis/rueidis"

	"redisjobs/pool"
	"redisjobs/redisclient"
)

// client does INFO and PING in one round trip.
type client struct {
	name string
	ask  func() (info string, err error)
}

// ourClient is the plugin's pool and connection without the plugin.
func ourClient(s *scope, server redisServer) client {
	p, err := pool.New(pool.Config[string, *redisclient.Conn]{
		Dial: func(ctx context.Context, key string) (*redisclient.Conn, error) {
			return redisclient.Dial(ctx, redisclient.Config{Address: key, ClientName: "bench"})
		},
		Stale:   redisclient.IsStale,
		Refused: redisclient.IsRefused,
	})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		p.Close(ctx)
	})
	return client{"pool and redisclient", func() (string, error) {
		ctx, cancel := context.WithTimeout(context.Background(), itemTimeout)
		defer cancel()
		var info string
		err := p.Do(ctx, server.Addr, func(ctx context.Context, c *redisclient.Conn) error {
			values, err := c.DoAll(ctx, redisclient.Command{"INFO"}, redisclient.Command{"PING"})
			if err == nil {
				info, err = values[0].Text()
			}
			return err
		})
		return info, err
	}}
}

func goRedisClient(s *scope, server redisServer) client {
	c := redis.NewClient(&redis.Options{
		Addr: server.Addr, PoolSize: 2, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	s.Cleanup(func() { c.Close() })
	return client{"go-redis", func() (string, error) {
		ctx, cancel := context.WithTimeout(context.Background(), itemTimeout)
		defer cancel()
		pipe := c.Pipeline()
		info := pipe.Info(ctx)
		pipe.Ping(ctx)
		_, err := pipe.Exec(ctx)
		return info.Val(), err
	}}
}

func rueidisClient(s *scope, server redisServer) client {
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{server.Addr}, DisableCache: true})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(c.Close)
	return client{"rueidis", func() (string, error) {
		ctx, cancel := context.WithTimeout(context.Background(), itemTimeout)
		defer cancel()
		replies := c.DoMulti(ctx, c.B().Info().Build(), c.B().Ping().Build())
		info, err := replies[0].ToString()
		return info, errors.Join(err, replies[1].Error())
	}}
}

// compareClients compares client libraries doing the same in this process.
func compareClients(s *scope, e *environment) (table, []claim, error) {
	t := table{
		title: "Client libraries in process: INFO and PING in one round trip",
		notes: []string{"Each call has a deadline and waits for a real server, so that the time is mostly the server's; " +
			"CPU and allocations are the client's. Two connections each, but rueidis has its own way: one connection " +
			"for all, written to and read by goroutines of its own."},
		columns: []column{
			{wallTime, "time, ns", "%.0f", -1}, {cpu, "CPU, us", "%.1f", -1},
			{allocs, "allocations", "%.1f", -1}, {bytesAlloc, "bytes", "%.0f", -1},
		},
	}
	server := startRedis(s)
	clients := []client{ourClient(s, server), goRedisClient(s, server), rueidisClient(s, server)}
	for _, workers := range []int{1, 16} {
		var contestants []contestant
		for _, c := range clients {
			if info, err := c.ask(); err != nil || len(info) < 1000 {
				return t, nil, fmt.Errorf("%s: INFO of %d bytes: %w", c.name, len(info), err)
			}
			contestants = append(contestants, contestant{name: c.name, turn: func(d time.Duration) (values, error) {
				return inProcess(workers, 1, d, func() (func() error, error) {
					return func() error { _, err := c.ask(); return err }, nil
				})
			}})
		}
		g, err := e.contest(fmt.Sprintf("%d at once", workers), contestants...)
		if err != nil {
			return t, nil, err
		}
		t.groups = append(t.groups, g)
	}
	return t, nil, nil
}
