package server

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient/resp"
)

// getDocument is what redis.get answers for a server with that INFO, which has
// none of the other commands.
func getDocument(text []byte) string { return getDocumentOf(metrictest.NewTarget(nil), text) }

// getDocumentOf is getDocument for one of several polls of a target.
func getDocumentOf(target *item.Target, text []byte) string {
	p := newGetParts(target)
	p.ping.Value = resp.Value{Kind: resp.SimpleString, Str: []byte("PONG")}
	for _, part := range []*ask.Part{&p.length, &p.newest, &p.config, &p.events} {
		part.Err = resp.NewServerError([]byte("ERR unknown command"))
	}
	now := time.Now()
	p.clock.Value = resp.Value{Kind: resp.Array, Elems: []resp.Value{{Kind: resp.Integer, Int: now.Unix()}, {Kind: resp.Integer}}}
	w := jsondoc.New(0)
	p.write(w, info.Condition{Target: target}, text)
	return w.Document()
}

// FuzzGet makes a document of any INFO.
func FuzzGet(f *testing.F) {
	for _, c := range fieldCases {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		answer := getDocument([]byte(text))
		require.Less(t, len(answer), 1<<20)
		metrictest.RequireUniqueJSON(t, answer)
	})
}
