// Package streams has redis.stream.get, one stream with its groups and consumers,
// and redis.streams.get, all that match a pattern.
package streams
