package jobs

import (
	"bytes"
	"slices"

	"redisjobs/redisclient/resp"
)

// maxClientName is the longest name of a client that is looked at, in bytes.
const maxClientName = 1024

// clients gives then the names of the connected clients, once for all who ask
// in the same round. It is for systems whose workers show nowhere else.
func (p *poll) clients(then func(names []string, err error)) {
	p.wantClients = append(p.wantClients, then)
	if len(p.wantClients) > 1 {
		return
	}
	p.Ask(func(v resp.Value, err error) {
		var names []string
		if err == nil {
			_, err = v.Text()
		}
		if err == nil {
			names = clientNames(v.Str)
		}
		all := p.wantClients
		p.wantClients = nil
		for _, then := range all {
			then(slices.Clone(names), err)
		}
	}, "CLIENT", "LIST")
}

// clientNames reads the names in a reply to CLIENT LIST: a line for each client,
// with pairs that are separated by blanks. Names have no blanks in them.
// Source: https://redis.io/docs/latest/commands/client-list/
func clientNames(list []byte) []string {
	var names []string
	for line := range bytes.Lines(list) {
		_, rest, ok := bytes.Cut(line, []byte(" name="))
		if !ok {
			continue
		}
		name, _, _ := bytes.Cut(bytes.TrimRight(rest, "\r\n"), []byte(" "))
		if len(name) > 0 && len(name) <= maxClientName {
			names = append(names, string(name))
		}
	}
	return names
}
