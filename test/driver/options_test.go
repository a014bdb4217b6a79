//go:build linux

package driver

import (
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOptionsBecomeTheTreeThatAgentsSend(t *testing.T) {
	t.Parallel()
	text := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	got, err := json.Marshal(tree([]string{"Timeout=5", "Sessions.A.Uri=tcp://a?b=c", "Sessions.A.User="}))
	require.NoError(t, err)
	require.JSONEq(t, `{"Name":"RedisJobs","Line":1,"Nodes":[
		{"Name":"Timeout","Line":2,"Nodes":[{"Value":"`+text("5")+`","Line":2}]},
		{"Name":"Sessions","Line":3,"Nodes":[
			{"Name":"A","Line":3,"Nodes":[
				{"Name":"Uri","Line":3,"Nodes":[{"Value":"`+text("tcp://a?b=c")+`","Line":3}]},
				{"Name":"User","Line":4,"Nodes":[{"Value":"","Line":4}]}]}]}]}`, string(got))
}
