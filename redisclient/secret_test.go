package redisclient

import (
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

// TestAServerThatRepeatsThePasswordInAnyError does not have it shown.
func TestAServerThatRepeatsThePasswordInAnyError(t *testing.T) {
	t.Parallel()
	f := redistest.NewFake(t, redistest.Script{
		redistest.Answer("+OK\r\n"), redistest.Answer("-ERR pw s3cretpass\r\n"), redistest.Answer("-NOPERM you said s3cretpass, s3cretpass\r\n"),
	})
	conn, err := Dial(t.Context(), Config{Address: f.Addr, Password: "s3cretpass"})
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	values, err := conn.DoAll(t.Context(), Command{"INFO"}, Command{"GET", "a"})
	require.NoError(t, err)
	require.EqualError(t, values[0].Err(), "ERR pw ***")
	require.EqualError(t, values[1].Err(), "NOPERM you said ***, ***")
}
