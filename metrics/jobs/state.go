package jobs

import (
	"errors"
	"strings"
	"sync"
	"time"

	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

const memoryName = "jobs"

const (
	// ask.RefusalMemory is how long a command that the server refused for good is not
	// sent again: each refusal counts in the server's error figures and its ACL
	// log. A permission given later shows after at most this time.
	refusalMemory = time.Hour
	maxRefusals   = 4096
)

// state is what is remembered of a target. No I/O is done under mu.
type state struct {
	mu        sync.Mutex
	instances map[instance]*known
	search    search
	refusals  map[string]refusal
	unmarked  map[instance]error // why it is not known whether it is there
	samples   map[sampleKey]*sample
	heavy     heavy
	// rejected are clues that the polls since the last search have examined in vain.
	rejected []string
	// alone: until then it is known that the server is in no cluster.
	alone time.Time
}

type refusal struct {
	err   error
	until time.Time
}

// stateOf returns a target's state, a new one the first time.
func stateOf(memory *item.Memory) *state {
	var s *state
	memory.Update(memoryName, func(v any) any {
		var ok bool
		if s, ok = v.(*state); !ok {
			s = &state{instances: make(map[instance]*known), refusals: make(map[string]refusal), unmarked: make(map[instance]error)}
		}
		return s
	})
	return s
}

// refusal returns why a command need not be sent, nil if it should be.
func (s *state) refusal(cmd redisclient.Command) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.refusals) == 0 {
		return nil
	}
	now := time.Now()
	for _, name := range []string{commandWord(cmd), strings.Join(cmd, " ")} {
		if r, ok := s.refusals[name]; ok && now.Before(r.until) {
			return r.err
		}
	}
	return nil
}

// note remembers a refusal that will be the same the next time: of the command
// by its name, of the right to a key by the whole command.
func (s *state) note(cmd redisclient.Command, err error) {
	var refused *resp.ServerError
	if !errors.As(err, &refused) {
		return
	}
	var name string
	switch {
	case redisclient.ReasonOf(err) == redisclient.ReasonACL && strings.Contains(refused.Message, " key"):
		name = strings.Join(cmd, " ")
	case redisclient.ReasonOf(err) == redisclient.ReasonACL, strings.Contains(refused.Message, "unknown command"):
		name = commandWord(cmd)
	default:
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.refusals) >= maxRefusals {
		clear(s.refusals)
	}
	s.refusals[name] = refusal{err, time.Now().Add(refusalMemory)}
}
