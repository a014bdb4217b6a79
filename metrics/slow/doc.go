// Package slow has the keys about what took a server long:
// redis.server.slowlog.count, redis.slowlog.get and redis.latency.get, with the
// command log of Valkey.
package slow
