package templates

import (
	"encoding/json"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.zabbix.com/sdk/plugin/comms"

	"redisjobs/conf"
	"redisjobs/plugin"
)

// agent asks one plugin, as the agent that started it does.
type agent struct {
	conn    net.Conn
	answers chan comms.ExportResponse // closed when the plugin has ended
	asked   uint32
}

// startAgent starts a plugin with the default options, which ends with the test.
func startAgent(t *testing.T) *agent {
	t.Helper()
	ours, theirs := net.Pipe()
	a := &agent{conn: ours, answers: make(chan comms.ExportResponse, 1)}
	ended := make(chan int, 1)
	go func() { ended <- plugin.Server{Version: "1.0.0"}.Serve(theirs) }()
	// What the plugin logs comes by the same way and is read at any time.
	go func() {
		defer close(a.answers)
		for {
			_, body, err := comms.Read(ours)
			if err != nil {
				return
			}
			var answer comms.ExportResponse
			if json.Unmarshal(body, &answer) == nil && answer.Type == comms.ExportResponseType {
				a.answers <- answer
			}
		}
	}()
	t.Cleanup(func() {
		_ = ours.Close()
		<-ended
	})
	require.NoError(t, comms.Write(ours, comms.ConfigureRequest{
		Common:         comms.Common{Id: 1, Type: comms.ConfigureRequestType},
		PrivateOptions: map[string]any{"Name": conf.PluginName, "Nodes": []any{}, "Line": 1},
	}))
	require.NoError(t, comms.Write(ours, comms.StartRequest{Common: comms.Common{Id: 2, Type: comms.StartRequestType}}))
	return a
}

// ask returns the value of an item key.
func (a *agent) ask(t *testing.T, key string) string {
	t.Helper()
	name, params, err := plugin.ParseItemKey(key)
	require.NoError(t, err)
	a.asked++
	require.NoError(t, comms.Write(a.conn, comms.ExportRequest{
		Common: comms.Common{Id: 2 + a.asked, Type: comms.ExportRequestType},
		Key:    name, Params: params, Timeout: 3,
	}))
	answer, ok := <-a.answers
	require.True(t, ok, "the plugin has ended")
	require.Empty(t, answer.Error, key)
	value, ok := answer.Value.(string)
	require.True(t, ok, key)
	return value
}
