package plugin

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.zabbix.com/sdk/plugin/comms"
)

// TestTheAgentsOwnRequestsAreReadWithoutReflection: in the form that the SDK's type
// gives them.
func TestTheAgentsOwnRequestsAreReadWithoutReflection(t *testing.T) {
	t.Parallel()
	for _, params := range [][]string{nil, {}, {""}, {"tcp://10.0.0.5:6379"}, {"prod", "", "", "default"}} {
		request := comms.ExportRequest{
			Common: comms.Common{Id: 4294967295, Type: comms.ExportRequestType}, Key: "redis.server.info", Params: params, Timeout: 30,
		}
		body, err := json.Marshal(request)
		require.NoError(t, err)
		m, ok := readExport(body)
		require.True(t, ok, "%s", body)
		var want message
		require.NoError(t, json.Unmarshal(body, &want))
		require.Equal(t, want, m)
	}
}

// requestsOfOtherForms are left to encoding/json.
var requestsOfOtherForms = []string{
	``, `{`, `{}`, `null`, `[]`, `{"id":1}`, `{"id":1,"type":4}`, `{"id":1,"type":6,}`, `{"id":1,"type":6}x`, ` {"id":1,"type":6}`,
	`{"id":1, "type":6}`, `{"id":-1,"type":6}`, `{"id":01,"type":6}`, `{"id":1.0,"type":6}`, `{"id":1e1,"type":6}`, `{"id":,"type":6}`,
	`{"id":4294967296,"type":6}`, `{"id":1,"type":6,"id":2}`, `{"ID":1,"type":6}`, `{"id":1,"type":6,"other":1}`,
	`{"id":1,"type":6,"key":"a\u0041"}`, `{"id":1,"type":6,"key":"ä"}`, "{\"id\":1,\"type\":6,\"key\":\"\x7f\"}", `{"id":1,"type":6,"key":"a}`,
	`{"id":1,"type":6,"key":null}`, `{"id":1,"type":6,"parameters":["a",]}`, `{"id":1,"type":6,"parameters":["a"`, `{"id":1,"type":6,"parameters":[1]}`,
	`{"id":1,"type":6,"parameters":"a"}`, `{"id":1,"type":6,"timeout":-1}`, `{"id":1,"type":6,"timeout":2147483648}`,
}

func TestRequestsOfAnotherFormAreLeftToJSON(t *testing.T) {
	t.Parallel()
	for _, body := range requestsOfOtherForms {
		_, ok := readExport([]byte(body))
		require.False(t, ok, "%s", body)
	}
}

// FuzzReadExport: what is read is what encoding/json reads.
func FuzzReadExport(f *testing.F) {
	for _, body := range append(requestsOfOtherForms,
		`{"id":1,"type":6}`, `{"type":6,"id":0}`, `{"id":7,"type":6,"key":"redis.get","parameters":["a","b"],"timeout":3}`,
		`{"id":7,"type":6,"key":"","parameters":[],"timeout":0}`, `{"id":7,"type":6,"parameters":null}`) {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, ok := readExport(body)
		if !ok {
			return
		}
		var want message
		require.NoError(t, json.Unmarshal(body, &want))
		require.Equal(t, want, m)
	})
}
