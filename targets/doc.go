// Package targets is how a configured server is reached: it makes of an item's
// connection parameters a target that metrics can ask.
//
//   - One pool of connections serves all targets (Runtime). Requests that wait
//     for one target share its few connections in pipelines (batch.go).
//   - A target may be a server, whichever server sentinels call the master of a
//     name (sentinel.go, inquiry.go), a node that another one named, or a Storm
//     UI (web.go).
//   - Host names are looked up again while they are in use (names.go).
//   - Work between requests is bounded and ends with its configuration
//     (background.go).
//
// It knows nothing of Zabbix. Client serves the commands of the program in the
// same way.
package targets
