package jobs

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// Redis sends a member of a list, or a field of a hash, as a whole, and does not
// tell its size before. So what a poll costs is learned from the polls before:
//
//   - A job of more than maxPayload bytes is not looked into, and not asked for
//     again for heavyMemory. When all jobs of a round trip together had more than
//     maxPayloads, that holds for all above smallPayload.
//   - The same holds for members of a key that together have more than
//     maxMemberBytes: few members of many bytes keep a server as busy as many
//     members.
//   - When a poll that asked for jobs fails, because a reply was too large even to
//     be read past or the time was over, the next one asks for none: so it
//     tells whether it was because of them. If it succeeds, no jobs are asked for
//     for heavyMemory, or a minute when only the time was over.

const (
	heavyMemory  = 10 * time.Minute
	slowMemory   = time.Minute
	maxPayloads  = 32 << 20
	smallPayload = 64 << 10

	maxMemberBytes = 4 << 20
	maxHeavy       = 4096
)

// heavy is what is remembered of payloads.
type heavy struct {
	mu   sync.Mutex
	keys map[string]heavyKey
	// doubt is why the last poll failed, when it asked for jobs.
	doubt error
	// reason is why no jobs are asked for before until.
	reason error
	until  time.Time
}

// heavyError says that a reply was too large not long ago.
type heavyError struct{ size int }

func (e *heavyError) Error() string {
	return fmt.Sprintf("it had %d bytes, and is not read again for %d minutes", e.size, heavyMemory/time.Minute)
}

type heavyKey struct {
	size  int
	until time.Time
}

// tooHeavy returns why a command is not sent, nil if it should be.
func (h *heavy) tooHeavy(a *question) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if a.payload && h.doubt != nil {
		return fmt.Errorf("not asked for, after a poll with it failed: %w", h.doubt)
	}
	if len(h.keys) == 0 && h.until.IsZero() { // nearly always, and there are thousands of commands
		return nil
	}
	now := time.Now()
	if a.payload && now.Before(h.until) {
		return fmt.Errorf("not asked for, after polls with it failed: %w", h.reason)
	}
	if k, ok := h.keys[strings.Join(a.cmd, " ")]; ok && now.Before(k.until) {
		return &heavyError{k.size}
	}
	return nil
}

// isHeavy reports whether the reply to a command was too large not long ago.
func (h *heavy) isHeavy(cmd redisclient.Command) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	k, ok := h.keys[strings.Join(cmd, " ")]
	return ok && time.Now().Before(k.until)
}

// weigh remembers which replies were too large.
func (h *heavy) weigh(asks []question) {
	sum, tooMany := 0, false
	for _, a := range asks {
		if a.payload {
			sum += size(a.reply)
		} else {
			tooMany = tooMany || a.ofMembers() && size(a.reply) > maxMemberBytes
		}
	}
	if sum <= maxPayload && !tooMany {
		return
	}
	limit := maxPayload
	if sum > maxPayloads {
		limit = smallPayload
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range asks {
		n := size(a.reply)
		if a.payload && n > limit || a.ofMembers() && n > maxMemberBytes {
			if h.keys == nil || len(h.keys) >= maxHeavy {
				h.keys = make(map[string]heavyKey)
			}
			h.keys[strings.Join(a.cmd, " ")] = heavyKey{n, time.Now().Add(heavyMemory)}
		}
	}
}

// ofMembers reports whether a question's reply are members of a key, and not the
// server's own lists.
func (a *question) ofMembers() bool { return a.cmd[0] != "CLIENT" && a.cmd[0] != "INFO" }

func size(v resp.Value) int {
	if v.Kind == resp.TooLarge {
		return int(v.Int)
	}
	n := len(v.Str)
	for _, e := range v.Elems {
		n += size(e)
	}
	return n
}

// judge learns from how a poll ended. payloads: it asked for jobs.
func (h *heavy) judge(payloads bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case err != nil && payloads && (errors.Is(err, resp.ErrTooLarge) || redisclient.ReasonOf(err) == redisclient.ReasonTimeout):
		h.doubt = err
	case h.doubt == nil || payloads:
	case err != nil: // it was not because of them
		h.doubt = nil
	default:
		pause := slowMemory
		if errors.Is(h.doubt, resp.ErrTooLarge) {
			pause = heavyMemory
		}
		h.reason, h.until, h.doubt = h.doubt, time.Now().Add(pause), nil
	}
}
