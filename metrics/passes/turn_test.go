package passes

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// places is a background of few places, as targets has one.
type places struct {
	ctx   context.Context
	mu    sync.Mutex
	free  int
	queue []func(ctx context.Context)
}

func (p *places) run(work func(ctx context.Context), _ func(err error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.free == 0 {
		p.queue = append(p.queue, work)
		return
	}
	p.free--
	go func() {
		for more := true; more; work, more = p.next() {
			work(p.ctx)
		}
	}()
}

func (p *places) next() (work func(ctx context.Context), ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		p.free++
		return nil, false
	}
	work, p.queue = p.queue[0], p.queue[1:]
	return work, true
}

func answer(t *testing.T, target *item.Target, background func(work func(ctx context.Context), failed func(err error))) map[string]any {
	t.Helper()
	options := testOptions
	options.KeysPerSecond = 20
	text, err := sampled.Answer(context.Background(), &item.Request{Target: target, Env: &item.Env{Keyspace: options, Background: background}})
	require.NoError(t, err)
	return metrictest.Decode(t, text)
}

// TestEveryPassGetsItsTurn has four servers whose SCAN never ends, or with more keys than a day is long, take all places.
func TestEveryPassGetsItsTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		p := &places{free: 4, ctx: ctx}
		var endless []*item.Target
		for range 4 {
			target := metrictest.NewTarget(&slowServer{roundTrip: time.Millisecond})
			endless = append(endless, target)
			doc := answer(t, target, p.run)
			require.Equal(t, passRunning, doc["pass"].(map[string]any)["state"], "it does not wait, and says so")
			synctest.Wait()
		}
		small := metrictest.NewTarget(&metrictest.ScriptDoer{Replies: map[string]string{
			firstScan: noKeys, "SCAN 0 COUNT 2": "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nk\r\n", "DBSIZE": ":1\r\n", "TYPE k": "+string\r\n",
			"PTTL k": ":-1\r\n", "MEMORY USAGE k SAMPLES 5": ":50\r\n", "INFO": metrictest.Bulk("# Server\r\nrun_id:a\r\n"), "TIME": "*2\r\n:1\r\n:1\r\n",
		}})
		doc := answer(t, small, p.run)
		require.Equal(t, passWaiting, doc["pass"].(map[string]any)["state"])
		require.Contains(t, metrictest.Section(t, doc, "unavailable")["keys"], "waits for its turn")
		time.Sleep(turn + time.Second)
		require.Equal(t, 1.0, answer(t, small, p.run)["keys"], "it had its turn")
		seen := func() any { return answer(t, endless[0], p.run)["pass"].(map[string]any)["seen"] }
		before := seen()
		time.Sleep(3 * turn)
		require.Greater(t, seen(), before, "the others go on")
		cancel()
		time.Sleep(time.Minute)
	})
}

// TestThePassOfAServerAloneGoesOnAfterItsTurn: nobody waits.
func TestThePassOfAServerAloneGoesOnAfterItsTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		p := &places{free: 4, ctx: ctx}
		d := &slowServer{roundTrip: time.Millisecond}
		target := metrictest.NewTarget(d)
		doc := answer(t, target, p.run)
		require.Equal(t, passRunning, doc["pass"].(map[string]any)["state"])
		require.NotContains(t, metrictest.Section(t, doc, "unavailable")["keys"], "turn")
		for range 8 {
			time.Sleep(turn / 2)
			require.NotEqual(t, passWaiting, answer(t, target, p.run)["pass"].(map[string]any)["state"])
		}
		cancel()
		time.Sleep(time.Minute)
	})
}

// TestAScanThatGoesRoundEnds has cursors that come again, after a way in and at once.
func TestAScanThatGoesRoundEnds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ wayIn, circle int }{{0, 1}, {5, 1}, {0, 2}, {3, 7}, {1000, 900}} {
		t.Run(fmt.Sprint(tt), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := &roundServer{wayIn: tt.wayIn, circle: tt.circle}
				k := newRun(t, metrictest.NewTarget(d))
				doc := k.pass()
				require.Equal(t, 1.0, doc["up"], "the server is there")
				require.NotContains(t, doc, "pass")
				unavailable := metrictest.Section(t, doc, "unavailable")
				require.Contains(t, unavailable["pass"], "again and would never end: this server cannot list its keys")
				require.Equal(t, unavailable["pass"], unavailable["keys"])
				require.Less(t, d.steps, 3*(tt.wayIn+tt.circle)+3)
				time.Sleep(testOptions.Interval / 2)
				k.ask()
				require.Empty(t, k.works, "it is not tried again at each poll")
				time.Sleep(testOptions.Interval)
				k.ask()
				require.Len(t, k.works, 1)
			})
		})
	}
}

// roundServer gives each cursor of its circle again and again.
type roundServer struct{ wayIn, circle, steps int }

func (d *roundServer) DoAll(_ context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	values := make([]resp.Value, len(cmds))
	for i, cmd := range cmds {
		v := &values[i]
		v.Kind, v.Int = resp.Integer, 1
		switch cmd[0] {
		case "INFO":
			*v = resp.Value{Kind: resp.BulkString, Str: []byte("# Server\r\nrun_id:a\r\n# Replication\r\nrole:master\r\n")}
		case "TIME":
			*v = resp.Value{Kind: resp.Array, Elems: []resp.Value{{Kind: resp.Integer, Int: 5}, {Kind: resp.Integer}}}
		case "SCAN":
			d.steps++
			at := d.steps
			if at > d.wayIn {
				at = d.wayIn + (at-d.wayIn)%d.circle
			}
			*v = resp.Value{Kind: resp.Array, Elems: []resp.Value{{Kind: resp.BulkString, Str: fmt.Appendf(nil, "%d", at+1)}, {Kind: resp.Array}}}
		}
	}
	return values, nil
}

// TestARealServersCursorsNeverComeAgain scans while the table grows and shrinks.
func TestARealServersCursorsNeverComeAgain(t *testing.T) {
	t.Parallel()
	for _, f := range redistest.Flavours(t) {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			f.Need(t)
			s := redistest.Start(t, redistest.Config{Bin: f.Bin})
			s.Do(t, "EVAL", "for i=1,3000 do redis.call('SET','k'..i,'x') end", "0")
			d := metrictest.DialWire(t, s.Addr)
			seen := map[string]bool{}
			cursor := "0"
			for step := 0; ; step++ {
				values, err := d.DoAll(t.Context(), redisclient.Command{"SCAN", cursor, "COUNT", "10"})
				require.NoError(t, err)
				if cursor, _, err = redisclient.ParseScan(values[0]); cursor == "0" {
					break
				}
				require.NoError(t, err)
				require.False(t, seen[cursor], "step %d", step)
				seen[cursor] = true
				switch step {
				case 20:
					s.Do(t, "EVAL", "for i=3001,20000 do redis.call('SET','k'..i,'x') end", "0")
				case 200:
					s.Do(t, "EVAL", "for i=100,20000 do redis.call('DEL','k'..i) end", "0")
				}
			}
			require.Greater(t, len(seen), 50)
		})
	}
}
