package redisclient

import (
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/redisclient/resp"
)

func TestADoerFuncIsGivenTheCommandsAndItsResultsAreReturned(t *testing.T) {
	t.Parallel()
	type name struct{}
	var got []Command
	var doer Doer = DoerFunc(func(ctx context.Context, cmds ...Command) ([]resp.Value, error) {
		got = cmds
		return []resp.Value{{Kind: resp.BulkString, Str: []byte(ctx.Value(name{}).(string))}}, io.EOF
	})
	values, err := doer.DoAll(context.WithValue(t.Context(), name{}, "caller"), ping, Command{"GET", "a"})
	require.Equal(t, io.EOF, err)
	require.Equal(t, []Command{ping, {"GET", "a"}}, got)
	require.Len(t, values, 1)
	require.Equal(t, "caller", string(values[0].Str), "the context is the caller's")
}
