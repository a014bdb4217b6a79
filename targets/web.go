package targets

import (
	"redisjobs/conf"
	"redisjobs/targets/httpclient"
)

// maxWebAnswer bounds one answer of a Storm UI, in bytes: the summary of a
// thousand topologies has half a megabyte, a large topology's page a few.
const maxWebAnswer = 8 << 20

// newWebClient makes the client of a Storm UI, with the bounds that the options
// set for a target. Its connections are not the pool's and do not count in
// MaxConnectionsTotal.
func (rt *Runtime) newWebClient(t *conf.Target) *httpclient.Client {
	return httpclient.New(httpclient.Config{
		URL:            t.URI(),
		User:           t.User(),
		Password:       markFault(t.Credential),
		Token:          markFault(t.Bearer),
		TLS:            markFault(t.TLS),
		Agent:          clientName,
		MaxConnections: rt.options.MaxConnections,
		IdleTimeout:    rt.options.KeepAlive,
		Timeout:        rt.dialLimit(),
		MaxBody:        maxWebAnswer,
	})
}

// closeWebClients closes idle connections to Storm UIs; rt.mu is held. Those in
// use end with their request.
func (rt *Runtime) closeWebClients() {
	for _, t := range rt.known.byConf {
		if t.web != nil {
			t.web.Close()
		}
	}
}
