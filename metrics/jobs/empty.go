package jobs

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient/resp"
)

// maxDatabases bounds the databases that are shown.
const maxDatabases = 64

// database is one that has keys.
type database struct {
	number, keys int64
}

// askDatabases asks which databases have keys: where no job system is found, the
// number of the database is often the wrong one.
func (p *poll) askDatabases(out *result) {
	p.Ask(func(v resp.Value, err error) {
		if err == nil {
			_, err = v.Text()
		}
		p.state.mu.Lock()
		masters := p.state.search.masters
		p.state.mu.Unlock()
		if masters > 1 {
			err = errOfOneNode
		}
		if out.DatabasesErr = err; err == nil {
			out.Databases = parseKeyspace(v.Str)
		}
	}, "INFO", "keyspace")
}

var errOfOneNode = errors.New("a node of a cluster tells of its own keys alone")

// parseKeyspace reads the lines "db0:keys=12,expires=3,avg_ttl=0" of INFO.
func parseKeyspace(text []byte) []database {
	var out []database
	for line := range bytes.Lines(text) {
		name, rest, ok := strings.Cut(strings.TrimSpace(string(line)), ":keys=")
		digits, ok2 := strings.CutPrefix(name, "db")
		keys, _, _ := strings.Cut(rest, ",")
		number, err := strconv.ParseInt(digits, 10, 32)
		count, err2 := strconv.ParseInt(keys, 10, 64)
		if ok && ok2 && err == nil && err2 == nil && number >= 0 && count >= 0 && len(out) < maxDatabases {
			out = append(out, database{number, count})
		}
	}
	return out
}

// writeDatabases writes them as rows, and why there is no system.
func writeDatabases(w *jsondoc.Writer, all []database) {
	w.Key("databases").BeginArray()
	for _, d := range all {
		w.BeginObject()
		w.Key("db").Int(d.number)
		w.Key("keys").Int(d.keys)
		w.EndObject()
	}
	w.EndArray()
}

// nothingFound says that there is no job system, and where there may be one.
func nothingFound(system string, complete bool, all []database, err error) string {
	text := "no " + cmp.Or(system, "job system") + " was found in this database"
	if !complete {
		text += " so far: not all keys were searched"
	}
	if err != nil {
		return text + " (which databases have keys is not known: " + err.Error() + ")"
	}
	var names []string
	for _, d := range all {
		names = append(names, fmt.Sprintf("db%d (%d)", d.number, d.keys))
	}
	if len(names) == 0 {
		return text + "; no database of this server has keys"
	}
	return text + "; databases with keys: " + strings.Join(names, ", ")
}
