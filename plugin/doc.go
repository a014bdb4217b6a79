// Package plugin is the only room that speaks Zabbix: it answers an agent 2
// over the loadable plugin protocol and turns a request into a metric's
// answer.
//
// # What it guarantees
//
//   - One binary serves agents of any protocol version: the version that the
//     agent states is accepted, an unknown request is logged and ignored.
//   - While serving, the process ends only when the agent says so or is gone;
//     a panic in a check becomes that item's error. (Agent 2 dies with a
//     loadable plugin that dies.)
//   - While registering the opposite holds: when the agent does not go on, the
//     process ends with 1, because an agent 7 would wait for it forever.
//   - Every check is answered before the agent's own deadline, and at most
//     maxRunning of them run at once.
//   - The goroutine that reads the agent's socket never waits for a check or a
//     server.
//   - Values are strings, at most Options.MaxAnswer long; error texts are one
//     line of fewer than 2,000 bytes; log lines are few and go over the socket.
//   - stdout and stderr stay silent.
package plugin
