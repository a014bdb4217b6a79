package metrics

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"redisjobs/redisclient"
)

const (
	// searchScanBudget is how many keys a search for indexes looks at.
	searchScanBudget = 100_000
	// oldIndexKey and oldIndexType are the key and the type of an index of
	// RediSearch 1. Its successors keep indexes outside of the keyspace.
	// Source: RediSearch 1.2 src/spec.h, INDEX_SPEC_KEY_FMT, and src/spec.c
	oldIndexKey  = "idx:"
	oldIndexType = "ft_index0"
	// oldSearchMemory is where a target's Memory has that it is RediSearch 1,
	// and until when that holds.
	oldSearchMemory = "search without list"
)

// scan looks for the indexes of a server that has no FT._LIST. The error is the
// conversation's, or the server's state.
func (s *searchReading) scan(ctx context.Context) (names []string, err error) {
	if old, err := s.oldSearch(ctx); !old || err != nil {
		return nil, err
	}
	s.byScan = true
	s.list.err = nil // from here on it is SCAN that may be refused
	scan := newKeyScan(ctx, searchScanBudget)
	cursor := "0"
	typed := &part{as: "SCAN TYPE"} // Redis 6; before, FT.INFO tells what is no index
	withType := !syntaxError(typed.refusedBefore(s.target, time.Now()))
	for !scan.complete && (scan.steps == 0 || scan.mayGoOn()) {
		began := time.Now()
		p := &part{name: "indexes", as: "SCAN", cmd: redisclient.Command{
			"SCAN", cursor, "MATCH", oldIndexKey + s.pattern, "COUNT", strconv.Itoa(scanCount),
		}}
		if withType {
			p.as, p.cmd = typed.as, append(p.cmd, "TYPE", oldIndexType)
		}
		if err := askParts(ctx, s.target, p); err != nil {
			return nil, err
		}
		if err := stateProblem(p); err != nil {
			return nil, err
		}
		if withType && syntaxError(p.err) {
			withType = false
			continue
		}
		if p.err == nil {
			if cursor, p.err = scan.take(p.value); p.err != nil {
				p.err = fmt.Errorf("SCAN: %w", p.err)
			}
		}
		if p.err != nil {
			s.known = false
			s.parts = append(s.parts, p)
			return nil, nil
		}
		for _, key := range p.value.Elems[1].Elems {
			if name, ok := strings.CutPrefix(string(key.Str), oldIndexKey); ok {
				names = append(names, name)
			}
		}
		s.known = true
		scan.slowest = max(scan.slowest, time.Since(began))
	}
	s.complete = scan.complete
	return names, nil
}

// oldSearch reports whether a server without FT._LIST has search commands all
// the same, which an FT.INFO of no index tells; it is asked once in refusalMemory.
func (s *searchReading) oldSearch(ctx context.Context) (bool, error) {
	now := time.Now()
	if v, ok := s.target.Memory.Load(oldSearchMemory); ok && now.Before(v.(time.Time)) {
		return true, nil
	}
	probe := &part{as: "FT.INFO", cmd: redisclient.Command{"FT.INFO", ""}}
	if probe.err = probe.refusedBefore(s.target, now); probe.err == nil {
		if err := askParts(ctx, s.target, probe); err != nil {
			return false, err
		}
		if err := stateProblem(probe); err != nil {
			return false, err
		}
	}
	if unknownCommand(probe.err) {
		s.list.err = fmt.Errorf("there are no search commands here: neither RediSearch, nor Redis 8 with search, nor valkey-search (%w)", s.list.err)
		return false, nil
	}
	s.target.Memory.Store(oldSearchMemory, now.Add(refusalMemory))
	return true, nil
}

func unknownCommand(err error) bool {
	return err != nil && strings.Contains(err.Error(), "unknown command")
}

func syntaxError(err error) bool {
	return err != nil && strings.Contains(err.Error(), "syntax error")
}
