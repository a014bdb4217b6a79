// Package server has the keys about one server: redis.server.ping,
// redis.server.info and redis.server.config, which answer as agent 2's built-in
// plugin does; redis.get, the master item of the templates; and redis.status.
//
// redis.get is three things: the commands of one round trip (get.go), the
// sections of INFO as typed JSON (get_sections.go, get_stats.go), and figures
// that need more than one field or more than one poll (derived*.go).
package server
