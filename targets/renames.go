package targets

import (
	"slices"
	"strings"

	"redisjobs/conf"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// renamed are the commands by their names on the target's server.
func renamed(t *conf.Target, cmds []redisclient.Command) []redisclient.Command {
	if !t.Renames() {
		return cmds
	}
	out := slices.Clone(cmds)
	for i, cmd := range out {
		if name, ok := t.Renamed(strings.ToUpper(cmd[0])); ok {
			out[i] = slices.Clone(cmd)
			out[i][0] = name
		}
	}
	return out
}

// hideNames takes the names that commands have on the target's server out of its
// refusals and its slow log: who renames a command keeps its name a secret.
func hideNames(t *conf.Target, asked, sent []redisclient.Command, replies []resp.Value) {
	if !t.Renames() {
		return
	}
	for i, reply := range replies[:min(len(replies), len(asked))] {
		switch name := commandName(asked[i]); {
		case reply.Kind == resp.Error || reply.Kind == resp.BulkError:
			if sent[i][0] != asked[i][0] {
				replies[i].Str = []byte(replaceFold(string(reply.Str), sent[i][0], strings.ToLower(asked[i][0])))
			}
		case name == "SLOWLOG GET" || name == "COMMANDLOG GET":
			hideInLog(t, reply)
		}
	}
}

// hideInLog does so in the entries of a slow log: id, time, duration, and the words
// of the command.
// Source: https://redis.io/docs/latest/commands/slowlog-get/
func hideInLog(t *conf.Target, log resp.Value) {
	const words = 3
	for _, entry := range log.Elems {
		if len(entry.Elems) <= words || len(entry.Elems[words].Elems) == 0 {
			continue
		}
		first := &entry.Elems[words].Elems[0]
		if command, ok := t.OwnName(string(first.Str)); ok {
			first.Str = []byte(command)
		}
	}
}

// replaceFold replaces each occurrence of a word, in upper or lower case.
func replaceFold(text, word, by string) string {
	var out strings.Builder
	low, sought := strings.ToLower(text), strings.ToLower(word)
	if len(low) != len(text) || sought == "" { // letters whose cases differ in length
		return strings.ReplaceAll(text, word, by)
	}
	for {
		i := strings.Index(low, sought)
		if i < 0 {
			return out.String() + text
		}
		out.WriteString(text[:i] + by)
		text, low = text[i+len(sought):], low[i+len(sought):]
	}
}
