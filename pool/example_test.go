package pool_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"redisjobs/pool"
)

// echo is a connection that sends back what it is told.
type echo struct {
	addr string
	err  error
}

func (c *echo) Alive() error { return c.err }
func (c *echo) Err() error   { return c.err }
func (c *echo) Close() error { fmt.Println("closed", c.addr); return nil }

func (c *echo) say(text string) string { return text + ", said " + c.addr }

func Example() {
	p, err := pool.New(pool.Config[string, *echo]{
		Dial: func(_ context.Context, addr string) (*echo, error) {
			fmt.Println("dialed", addr)
			return &echo{addr: addr}, nil
		},
		Name:         func(addr string) string { return addr },
		MaxPerTarget: 2,
		MaxTotal:     100,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	for _, text := range []string{"good morning", "good night"} {
		err := p.Do(ctx, "host:7", func(_ context.Context, c *echo) error {
			fmt.Println(c.say(text))
			return nil
		})
		if err != nil {
			fmt.Println(err)
		}
	}
	st := p.Stats()
	fmt.Printf("%d dial, %d reuse, %d idle\n", st.Dials, st.Reuses, st.Idle)
	if err := p.Close(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// dialed host:7
	// good morning, said host:7
	// good night, said host:7
	// 1 dial, 1 reuse, 1 idle
	// closed host:7
}

// While a target is known to fail, callers are not kept waiting for it.
func ExampleFailingError() {
	p, err := pool.New(pool.Config[string, *echo]{
		Dial: func(context.Context, string) (*echo, error) { return nil, errors.New("connection refused") },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 3 {
		err := p.Do(context.Background(), "host:7", nil)
		var failing *pool.FailingError
		fmt.Println(errors.As(err, &failing), errors.Unwrap(err))
	}
	fmt.Println("dials:", p.Stats().Dials)
	// Output:
	// true connection refused
	// true connection refused
	// true connection refused
	// dials: 1
}
