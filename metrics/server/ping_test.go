package server

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
)

func TestPingMapsEveryFailureToZero(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, reply string
		err         error
		want        string
	}{
		{name: "PONG", reply: "+PONG\r\n", want: "1"},
		{name: "PONG as a bulk string", reply: metrictest.Bulk("PONG"), want: "1"},
		{name: "another word", reply: "+OK\r\n", want: "0"},
		{name: "a null", reply: "$-1\r\n", want: "0"},
		{name: "a refusal", reply: "-LOADING Redis is loading the dataset in memory\r\n", want: "0"},
		{name: "no connection", err: errors.New("connection refused"), want: "0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := &metrictest.ScriptDoer{Err: tt.err, Replies: map[string]string{"PING": tt.reply}}
			got, err := metrictest.Collect(t, Ping, d)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}
