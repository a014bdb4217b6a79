package search

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
)

// Get reports the search indexes of RediSearch 1 and 2, of Redis 8 and of
// valkey-search: two round trips, however many there are. RediSearch 1 has no
// FT._LIST, so its indexes are found by SCAN within a budget. A server without search
// commands is up, and indexes is named under unavailable.
//
// The members in addition to the head:
//
//	pattern   the pattern
//	view      whose figures these are: server; or entry_node, of a cluster. Then
//	          valkey-search tells what that node holds, and Redis 8 and
//	          RediSearch with their coordinator have asked all shards.
//	found_by  list, or scan for RediSearch 1
//	complete  false: the budget or the time ended the SCAN, there may be more
//	count     indexes that match the pattern
//	cursors_total, cursors_idle
//	          cursors of the whole server, and those of them that nobody reads
//	          now
//	indexes   at most maxIndexes, by name:
//	  name, num_docs, num_records, num_terms
//	  memory             bytes of the whole index; and of its parts
//	                     inverted_index_memory, doc_table_memory,
//	                     sortables_memory, vector_index_memory
//	  indexing_failures  documents that could not be indexed
//	  indexing           1 while the index is being filled from keys that were
//	                     there before it, else 0; indexed_percent is how far
//	  indexing_time      seconds spent on indexing
//	  uses               commands that used it ever, FT.INFO among them
//	  gc_runs, gc_time, gc_last_run_time
//	                     of the garbage collector; seconds
//	  gc_bytes_collected, gc_blocks_denied
//	                     what it freed, and what had changed meanwhile, so that
//	                     it could not
//	  cursors, cursors_limit
//	  mutation_queue, mutation_queue_delay
//	                     valkey-search: keys that wait to be indexed, and how
//	                     many seconds the last one did
//	  fields             in the schema
//	  key_type, prefixes HASH or JSON, and how the keys begin; at most
//	                     maxPrefixes
//	  state              valkey-search: ready, backfill_in_progress or
//	                     backfill_paused_by_oom; RediSearch: OK, or what ended
//	                     the filling
//	  last_error         why a document could not be indexed, without its key and
//	                     its values; "" when that did not happen
//	truncated         {"indexes":1,"prefixes":7}: rows left out
//	unavailable       what the server refused, and figures that its version does
//	                  not tell, or as impossible numbers. Not among these are those of
//	                  valkey-search, and state.
//
// An index that was dropped between the two round trips is left out.
//
// Sources: https://redis.io/docs/latest/commands/ft.info/,
// https://redis.io/docs/latest/commands/ft._list/, https://valkey.io/commands/ft.info/
var Get = &item.Metric{
	Key:         "redis.search.get",
	Description: "Returns the search indexes, their size, how far they are filled and what failed, as JSON.",
	Params:      item.ConnParams(item.Param{Name: "Pattern", Default: "*", Description: "glob pattern of index names, as products:*"}),
	Commands:    []string{"ft._list", "ft.info", "info", "scan"},
	Collect:     collectGet,
}

const (
	maxIndexes = 500
	// maxMemory bounds what the replies to one pipeline may take: an
	// index of a thousand fields tells a few megabytes.
	maxMemory = 32 << 20
	// sizeMemory is where a target's Memory has what the largest reply of
	// the last poll took.
	sizeMemory = "search reply size"
)

func collectGet(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	s := &reading{target: r.Target, pattern: r.Arg("Pattern")}
	if err := s.ask(ctx); err != nil {
		return ask.Down(w, r.Target.Name, err)
	}
	s.write(w)
	return nil
}

// reading is one poll of a server's indexes.
type reading struct {
	target  *item.Target
	pattern string
	parts   []*ask.Part // what may be unavailable

	list, cluster *ask.Part
	byScan        bool
	complete      bool
	known         bool // which indexes there are
	count         int
	rows          []row
	cut           ask.Truncations
}

// row is one index; its figures are nil when it could not be asked.
type row struct {
	name string
	*index
}

func (s *reading) ask(ctx context.Context) error {
	s.list = &ask.Part{Name: "indexes", Cmd: redisclient.Command{"FT._LIST"}}
	s.cluster = &ask.Part{Name: "view", Cmd: redisclient.Command{"INFO", "cluster"}}
	if err := s.send(ctx, s.cluster, s.list); err != nil {
		return err
	}
	var names []string
	switch {
	case s.list.Err == nil:
		if names, s.list.Err = s.list.Value.Strings(); s.list.Err != nil {
			s.list.Err = fmt.Errorf("FT._LIST: %w", s.list.Err)
			break
		}
		s.known, s.complete = true, true
		names = slices.DeleteFunc(names, func(name string) bool { return !ask.GlobMatch(s.pattern, name) })
	case redisclient.UnknownCommand(s.list.Err):
		var err error
		if names, err = s.scan(ctx); err != nil {
			return err
		}
	}
	if !s.known {
		return nil
	}
	slices.Sort(names)
	names = slices.Compact(names)
	s.count = len(names)
	return s.askInfo(ctx, names[:s.cut.LimitTo("indexes", len(names), maxIndexes)])
}

// send asks for parts that are unavailable when they are refused.
func (s *reading) send(ctx context.Context, parts ...*ask.Part) error {
	s.parts = append(s.parts, parts...)
	if err := ask.Do(ctx, s.target, parts...); err != nil {
		return err
	}
	return ask.StateProblem(parts...)
}

// askInfo asks for all indexes in one pipeline, unless the replies of the last
// poll were so large that this would take more than maxMemory.
func (s *reading) askInfo(ctx context.Context, names []string) error {
	v, _ := s.target.Memory.Load(sizeMemory)
	known, _ := v.(int)
	largest := 0
	for some := range slices.Chunk(names, max(1, min(maxIndexes, maxMemory/max(known, 1)))) {
		parts := make([]*ask.Part, len(some))
		for i, name := range some {
			parts[i] = &ask.Part{Name: "figures", Cmd: redisclient.Command{"FT.INFO", name}}
		}
		if err := ask.Do(ctx, s.target, parts...); err != nil {
			return err
		}
		if err := ask.StateProblem(parts...); err != nil {
			return err
		}
		for i, p := range parts {
			if ask.NoSuchIndex(p.Err) {
				s.count--
				continue
			}
			s.parts = append(s.parts, p)
			row := row{name: some[i]}
			if p.Err == nil {
				var index index
				if index, p.Err = parseIndex(p.Value); p.Err == nil {
					row.index = &index
				} else {
					p.Err = fmt.Errorf("FT.INFO: %w", p.Err)
				}
				largest = max(largest, ask.Size(p.Value))
				p.Value.Elems = nil // or all of them would be kept to the end
			}
			s.rows = append(s.rows, row)
		}
	}
	s.target.Memory.Store(sizeMemory, largest)
	return nil
}

func (s *reading) write(w *jsondoc.Writer) {
	w.Grow(512 + 1024*len(s.rows))
	w.BeginObject()
	ask.Head(w, s.target.Name, nil)
	w.Key("pattern").String(s.pattern)
	if s.cluster.Err == nil {
		view := "server"
		if bytes.Contains(s.cluster.Value.Str, []byte("cluster_enabled:1")) {
			view = "entry_node"
		}
		w.Key("view").String(view)
	}
	var missing missingFigures
	if s.known {
		s.writeFound(w)
		missing = s.writeIndexes(w)
	}
	w.Key("unavailable").BeginObject()
	ask.Missing(w, s.parts...)
	missing.write(w)
	w.EndObject()
	s.cut.Write(w)
	w.EndObject()
}

func (s *reading) writeFound(w *jsondoc.Writer) {
	by := "list"
	if s.byScan {
		by = "scan"
	}
	w.Key("found_by").String(by)
	w.Key("complete").Bool(s.complete)
	w.Key("count").Int(int64(s.count))
	for i, f := range cursors {
		for _, row := range s.rows {
			if row.index != nil && isKnown(row.cursors[i]) {
				writeNumber(w, f, row.cursors[i])
				break
			}
		}
	}
}

func (s *reading) writeIndexes(w *jsondoc.Writer) (missing missingFigures) {
	w.Key("indexes").BeginArray()
	for _, row := range s.rows {
		w.BeginObject()
		w.Key("name").String(row.name)
		if row.index != nil {
			missing.of++
			for i, f := range figures {
				writeNumber(w, f, row.figures[i])
				missing.note(f.name, !f.some && math.IsNaN(row.figures[i]))
				missing.noteImpossible(f.name, row.figures[i] == impossibleFigure)
			}
			for _, text := range row.texts {
				if text.known {
					text.write(w, &s.cut)
				}
				missing.note(text.name, !text.some && !text.known)
			}
		}
		w.EndObject()
	}
	w.EndArray()
	return missing
}

// missingFigures counts the indexes of which a figure is not told.
type missingFigures struct {
	of         int // indexes
	names      []string
	times      map[string]int
	impossible map[string]int // the indexes of which it is an impossible number
}

func (m *missingFigures) noteImpossible(name string, impossible bool) {
	if !impossible {
		return
	}
	if m.impossible == nil {
		m.impossible = map[string]int{}
	}
	if m.impossible[name]++; !slices.Contains(m.names, name) {
		m.names = append(m.names, name)
	}
}

func (m *missingFigures) note(name string, missing bool) {
	if !missing {
		return
	}
	if m.times[name] == 0 && !slices.Contains(m.names, name) {
		m.names = append(m.names, name)
	}
	if m.times == nil {
		m.times = map[string]int{}
	}
	m.times[name]++
}

func (m *missingFigures) write(w *jsondoc.Writer) {
	for _, name := range m.names {
		if n := m.impossible[name]; n > 0 {
			w.Key(name).String(fmt.Sprintf("FT.INFO tells an impossible number of %d of %d indexes: below zero, or too large", n, m.of))
		} else if n := m.times[name]; n == m.of {
			w.Key(name).String("FT.INFO of this server does not tell it")
		} else {
			w.Key(name).String(fmt.Sprintf("FT.INFO does not tell it of %d of %d indexes", n, m.of))
		}
	}
}
