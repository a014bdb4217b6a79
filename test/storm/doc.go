// Package storm runs Apache Storm - ZooKeeper, Nimbus, a supervisor and the UI, each a process of its own - with a
// topology that keeps its record in Redis, and asks the built plugin for both sources through the topology's life. Run
// it with `make test-storm`.
package storm
