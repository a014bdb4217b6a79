package search

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"redisjobs/metrics/ask"
	"redisjobs/redisclient"
)

const (
	// scanBudget is how many keys a search for indexes looks at.
	scanBudget = 100_000
	// oldIndexKey and oldIndexType are the key and the type of an index of
	// RediSearch 1. Its successors keep indexes outside of the keyspace.
	// Source: RediSearch 1.2 src/spec.h, INDEX_SPEC_KEY_FMT, and src/spec.c
	oldIndexKey  = "idx:"
	oldIndexType = "ft_index0"
	// oldMemory is where a target's Memory has that it is RediSearch 1,
	// and until when that holds.
	oldMemory = "search without list"
)

// scan looks for the indexes of a server that has no FT._LIST. The error is the
// conversation's, or the server's state.
func (s *reading) scan(ctx context.Context) (names []string, err error) {
	if old, err := s.oldSearch(ctx); !old || err != nil {
		return nil, err
	}
	s.byScan = true
	s.list.Err = nil // from here on it is SCAN that may be refused
	scan := ask.NewScan(ctx, scanBudget)
	cursor := "0"
	typed := &ask.Part{As: "SCAN TYPE"} // Redis 6; before, FT.INFO tells what is no index
	withType := !syntaxError(typed.RefusedBefore(s.target))
	for !scan.Complete && (scan.Steps == 0 || scan.MayGoOn()) {
		began := time.Now()
		p := &ask.Part{Name: "indexes", As: "SCAN", Cmd: redisclient.Command{
			"SCAN", cursor, "MATCH", oldIndexKey + "*", "COUNT", strconv.Itoa(ask.ScanCount),
		}}
		if withType {
			p.As, p.Cmd = typed.As, append(p.Cmd, "TYPE", oldIndexType)
		}
		if err := ask.Do(ctx, s.target, p); err != nil {
			return nil, err
		}
		if err := ask.StateProblem(p); err != nil {
			return nil, err
		}
		if withType && syntaxError(p.Err) {
			withType = false
			continue
		}
		if p.Err == nil {
			if cursor, p.Err = scan.Take(p.Value); p.Err != nil {
				p.Err = fmt.Errorf("SCAN: %w", p.Err)
			}
		}
		if p.Err != nil {
			s.known = false
			s.parts = append(s.parts, p)
			return nil, nil
		}
		for _, key := range p.Value.Elems[1].Elems {
			if name, ok := strings.CutPrefix(string(key.Str), oldIndexKey); ok && ask.GlobMatch(s.pattern, name) {
				names = append(names, name)
			}
		}
		s.known = true
		scan.Slowest = max(scan.Slowest, time.Since(began))
	}
	s.complete = scan.Complete
	return names, nil
}

// oldSearch reports whether a server without FT._LIST has search commands all
// the same, which an FT.INFO of no index tells; it is asked once in ask.RefusalMemory.
func (s *reading) oldSearch(ctx context.Context) (bool, error) {
	now := time.Now()
	if v, ok := s.target.Memory.Load(oldMemory); ok && now.Before(v.(time.Time)) {
		return true, nil
	}
	probe := &ask.Part{As: "FT.INFO", Cmd: redisclient.Command{"FT.INFO", ""}}
	if probe.Err = probe.RefusedBefore(s.target); probe.Err == nil {
		if err := ask.Do(ctx, s.target, probe); err != nil {
			return false, err
		}
		if err := ask.StateProblem(probe); err != nil {
			return false, err
		}
	}
	if redisclient.UnknownCommand(probe.Err) {
		s.list.Err = fmt.Errorf("there are no search commands here: neither RediSearch, nor Redis 8 with search, nor valkey-search (%w)", s.list.Err)
		return false, nil
	}
	s.target.Memory.Store(oldMemory, now.Add(ask.RefusalMemory))
	return true, nil
}

func syntaxError(err error) bool {
	return err != nil && strings.Contains(err.Error(), "syntax error")
}
