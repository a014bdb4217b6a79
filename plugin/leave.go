package plugin

import (
	"io"
	"strings"
	"time"
)

const (
	// agentCloses bounds the wait for the agent's end of the socket, which is
	// closed right after Terminate was sent.
	agentCloses = 100 * time.Millisecond
	// wakeUps and wakePause are how a registering process leaves an agent 6.
	wakeUps   = 3
	wakePause = 10 * time.Millisecond
)

// leave is what happens between the agent's Terminate and the end of the
// process; nobody waits for it.
//
// An agent 6 must be the first to close the socket: otherwise it logs "failed
// to read response" every other microsecond until it does.
//
// An agent 6.0 that has just registered a plugin panics now and then, up to 3
// in 100 starts on a busy machine: two of its goroutines look for a dead child
// when this process ends, and the one that comes second finds none. One of them
// does so only once, at the first SIGCHLD of any origin. It is given that signal
// while we live, when there is nothing to find and nothing happens.
func (s *server) leave() {
	_ = s.conn.SetReadDeadline(time.Now().Add(agentCloses))
	_, _ = io.Copy(io.Discard, s.conn)
	if !s.Registering || !strings.HasPrefix(s.protocol, "6.0.") {
		return
	}
	// More than once: the goroutine may not listen yet.
	for range wakeUps {
		wakeParent()
		time.Sleep(wakePause)
	}
}
