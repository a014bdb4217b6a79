package targets

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// TestASharedTimeoutCostsTheCallsThatItMet: the replies before it are those of the
// calls before, and of the first commands of the call that it met.
func TestASharedTimeoutCostsTheCallsThatItMet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		slow := &redisclient.Error{Op: "read", Reason: redisclient.ReasonTimeout, Err: errors.New("i/o timeout")}
		b := &batcher{limit: 1, run: func(_ context.Context, cmds []redisclient.Command) ([]resp.Value, error) {
			if len(cmds) == 1 { // the call that keeps the connection
				<-free
				return []resp.Value{{Kind: resp.Integer, Int: 1}}, nil
			}
			var values []resp.Value
			for i := range 4 {
				values = append(values, resp.Value{Kind: resp.Integer, Int: int64(i)})
			}
			return nil, &redisclient.Unfinished{Cmds: cmds, Replies: values, Err: slow}
		}}
		type answer struct {
			values []resp.Value
			err    error
		}
		call := func(cmds ...redisclient.Command) chan answer {
			out := make(chan answer, 1)
			go func() {
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				values, err := b.DoAll(ctx, cmds...)
				out <- answer{values, err}
			}()
			synctest.Wait()
			return out
		}
		call(cmd("INFO"))
		before := call(cmd("GET a"), cmd("GET b"))
		met := []redisclient.Command{cmd("GET c"), cmd("GET d"), cmd("GET slow")}
		middle := call(met...)
		behind := call(cmd("GET e"), cmd("GET f"))
		close(free)

		got := <-before
		require.NoError(t, got.err)
		require.Equal(t, []int64{0, 1}, []int64{got.values[0].Int, got.values[1].Int})
		got = <-middle
		require.ErrorIs(t, got.err, slow)
		replies := redisclient.RepliesBefore(got.err, met)
		require.Len(t, replies, 2)
		require.Equal(t, []int64{2, 3}, []int64{replies[0].Int, replies[1].Int})
		got = <-behind
		require.ErrorIs(t, got.err, slow)
		require.Nil(t, got.values)
	})
}
