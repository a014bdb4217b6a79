package passes

import (
	"redisjobs/metrics/ask"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// content is what a pass makes of the keys of one server: the figures of all of
// them (sum), or a list of those that are looked for (found).
type content interface {
	// wants reports whether a detail is asked of each key, and matches whether a
	// key that SCAN lists counts at all.
	wants(d detail) bool
	matches(key string) bool
	// scan lists the next keys.
	scan(cursor string, count int) redisclient.Command
	// most is how many keys a slice may pass over or look at, and of how many it may
	// ask the length.
	most() (keys, lengths int)
	// take takes a key, and reports whether its length is to be asked too. lose
	// counts one that had gone.
	take(k keyFigures, refused *refusals) (more bool)
	lose()
	// length asks for a key's length, or what else follows from its type, and
	// readLength reads the answer. measure takes it: -1 for one that is not known.
	length(k longKey) redisclient.Command
	readLength(v resp.Value) (int64, error)
	measure(k longKey, n int64, bytes int)
	// passed notes that SCAN passed over about so many keys, and seen is how many
	// keys were seen; full reports that no more are to be listed.
	passed(count int)
	seen() int64
	full() bool
	// counted is how many keys count in the result.
	counted() int64
	// end takes the size of the database, -1 when it is not known, and whether all of
	// it was listed; merge, the content of the pass's source with that number.
	end(dbsize int64, listed bool)
	merge(other content, source int)
	// refusal is what a refusal of a command is remembered by that concerns a key.
	refusal(cmd redisclient.Command) string
}

func (s *sum) wants(d detail) bool      { return d != detailFrequency || s.frequencies }
func (s *sum) matches(string) bool      { return true }
func (s *sum) lose()                    { s.gone++ }
func (s *sum) passed(int)               {}
func (s *sum) seen() int64              { return s.keys + s.gone }
func (s *sum) full() bool               { return false }
func (s *sum) counted() int64           { return s.keys }
func (s *sum) end(dbsize int64, _ bool) { s.dbsize = dbsize }

func (s *sum) most() (keys, lengths int) { return maxSlice, maxSlice }

func (s *sum) scan(cursor string, count int) redisclient.Command { return scanCommand(cursor, count) }

func (s *sum) refusal(cmd redisclient.Command) string { return refusedAs(cmd) }

// take adds a key, and asks for the length of one that may be among the longest.
func (s *sum) take(f keyFigures, refused *refusals) bool {
	s.add(f)
	_, counts := ask.LengthCommands[f.typ]
	// An element takes a byte at least; twice that, because what MEMORY USAGE
	// says is an estimate.
	small := refused[detailMemory] == nil && 2*f.memory <= s.longest.floor()
	return counts && f.typ != "string" && !small && s.options.Top > 0 && refused[detailLength] == nil
}

func (s *sum) length(k longKey) redisclient.Command {
	return redisclient.Command{ask.LengthCommands[k.typ], k.key}
}

func (s *sum) readLength(v resp.Value) (int64, error) { return v.Int64() }

func (s *sum) measure(k longKey, n int64, _ int) { s.longest.add(bigKey{k.key, k.typ, n}) }
