package advice

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/cluster"
	"redisjobs/metrics/info"
	"redisjobs/redisclient/resp"
)

// facts are what a poll knows of a server. Their methods note what they do not
// know, so that a rule need not care.
type facts struct {
	x      *info.Text
	id     info.Identity
	config map[string]string
	// why say for which reason something is not known; nil where it is.
	why struct{ config, commands, users, cluster, slots, sentinel error }

	commands  *info.Text // INFO commandstats
	backlog   time.Duration
	backlogOK bool
	anonymous bool // we are let in without a password
	loginOK   bool // whether that is known
	machine   machine

	users   []user
	nodes   []cluster.Node
	myself  string // the id of the one of them that was asked; "" when not known
	topSlot slotFact
	masters []map[string]string // of a sentinel
	// listed are the rows of each master's replicas, by its name, where there are any.
	listed map[string]*ask.Part

	missing string // what the rule that is being judged lacks
}

// lacks notes what is not known.
func (f *facts) lacks(what string, args ...any) {
	if f.missing == "" {
		f.missing = ask.Line(fmt.Sprintf(what, args...), ask.MaxErrorLine)
	}
}

// text is a field of INFO that is a word.
func (f *facts) text(section, field string) string {
	v, ok := f.x.Field(section, field)
	if !ok || len(v) == 0 {
		f.lacks("INFO has no word in a field %s", field)
	}
	return string(v)
}

// has reports whether INFO has a field.
func (f *facts) has(section, field string) bool {
	_, ok := f.x.Field(section, field)
	return ok
}

// number is a field of INFO that cannot be negative.
func (f *facts) number(section, field string) int64 {
	v, ok := f.x.Field(section, field)
	n := info.ParseCount(v)
	if !ok || !n.Known || f.id.Impossible([]byte(field), v) {
		f.lacks("INFO has no count in a field %s", field)
	}
	return n.Value
}

// share is a field of INFO with a fraction.
func (f *facts) share(section, field string) float64 {
	v, ok := f.x.Field(section, field)
	n, err := strconv.ParseFloat(strings.TrimSuffix(string(v), "%"), 64)
	if !ok || err != nil || !(n >= 0) || n > 1e18 {
		f.lacks("INFO has no number in a field %s", field)
		return 0
	}
	return n
}

// setting is a parameter of the configuration, by its name or an older one.
func (f *facts) setting(names ...string) string {
	if f.why.config != nil {
		f.lacks("CONFIG GET: %v", f.why.config)
		return ""
	}
	for _, name := range names {
		if v, ok := f.config[name]; ok {
			return v
		}
	}
	f.lacks("CONFIG has no parameter %s", names[0])
	return ""
}

// settingNumber is one that is a number.
func (f *facts) settingNumber(names ...string) int64 {
	text := f.setting(names...)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		f.lacks("the parameter %s is no number", names[0])
	}
	return n
}

// ofAmazon knows the servers of ElastiCache and MemoryDB, whose operator does what
// elsewhere is the user's work.
// Source: INFO of ElastiCache, "os:Amazon ElastiCache"
func (f *facts) ofAmazon() bool {
	v, _ := f.x.Field("server", "os")
	return bytes.HasPrefix(v, []byte("Amazon "))
}

func (f *facts) isMaster() bool { return f.role() == "master" }

func (f *facts) role() string {
	if f.id.Role == "" {
		f.lacks("INFO does not say whether it is a master")
	}
	return f.id.Role
}

// replicas is how many replicas a master has.
func (f *facts) replicas() int64 {
	if !f.isMaster() {
		return 0
	}
	return f.number("replication", "connected_slaves")
}

// keys are those of all databases.
func (f *facts) keys() (keys, expires int64) {
	k, e := info.SumKeys(f.x, &f.id, f.x.SectionLines("keyspace"))
	if !k.Known || !e.Known {
		f.lacks("INFO does not tell how many keys there are")
	}
	return k.Value, e.Value
}

// call are figures of a command since the start of the server or CONFIG
// RESETSTAT.
type call struct {
	name        string
	calls, usec int64
}

// mean is microseconds a call.
func (c call) mean() int64 {
	if c.calls == 0 {
		return 0
	}
	return c.usec / c.calls
}

func (c call) String() string {
	return fmt.Sprintf("%s: %s of %.3g ms", strings.ToUpper(c.name), counted(c.calls, "call"), float64(c.mean())/1e3)
}

// called are those of some commands that were called, by their names in the
// order of the server.
func (f *facts) called(wanted map[string]bool) (out []call) {
	if f.commands == nil {
		f.lacks("INFO commandstats: %v", f.why.commands)
		return nil
	}
	for _, l := range f.commands.SectionLines("commandstats") {
		name, ok := bytes.CutPrefix(l.Key(f.commands.Text), []byte("cmdstat_"))
		if !ok || !wanted[strings.ToLower(string(name))] {
			continue
		}
		c := call{name: strings.ToLower(string(name))}
		var buf [8]info.Pair
		for _, p := range info.Pairs(l.Value(f.commands.Text), buf[:0]) {
			n := info.ParseCount(p.Value)
			switch string(p.Key) {
			case "calls":
				c.calls = n.Value
			case "usec":
				c.usec = n.Value
			}
		}
		out = append(out, c)
	}
	return out
}

// setOf is a set of words.
func setOf(words string) map[string]bool {
	out := make(map[string]bool)
	for word := range strings.FieldsSeq(words) {
		out[word] = true
	}
	return out
}

// size writes bytes for people: "1.5 GiB".
func size(n int64) string {
	value, unit := float64(n), 0
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"}
	for value >= 1024 && unit < len(units)-1 {
		value /= 1024
		unit++
	}
	return fmt.Sprintf("%.4g %s", value, units[unit])
}

// counted writes a number of things: "1 replica", "2 replicas".
func counted(n int64, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// percent is a share of whole; 0 of nothing.
func percent(part, whole int64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) * 100 / float64(whole)
}

// list are the first of some names, for a line of evidence.
func list(names []string) string {
	const most = 5
	out := strings.Join(names[:min(len(names), most)], ", ")
	if len(names) > most {
		out += fmt.Sprintf(" and %d more", len(names)-most)
	}
	return out
}

// slotFact is the slot with the most keys of a node's own.
type slotFact struct {
	slot, keys int64
	known      bool
}

// parseTopSlot reads the answer to CLUSTER SLOT-STATS ORDERBY key-count LIMIT 1:
//
//	[[866,{"key-count":2,…}]]
//
// Source: https://redis.io/docs/latest/commands/cluster-slot-stats/
func parseTopSlot(v resp.Value) (s slotFact, err error) {
	rows, err := v.Array()
	if err != nil || len(rows) == 0 {
		return s, err
	}
	row, err := rows[0].Array()
	if err != nil {
		return s, err
	}
	if len(row) < 2 {
		return s, fmt.Errorf("expected a slot and its figures, got %d members", len(row))
	}
	if s.slot, err = row[0].Int64(); err != nil {
		return s, err
	}
	figures, err := row[1].Pairs()
	if err != nil {
		return s, err
	}
	count, _ := ask.FieldOf(figures, "key-count")
	if s.keys, err = count.Int64(); err != nil {
		return s, err
	}
	s.known = true
	return s, nil
}
