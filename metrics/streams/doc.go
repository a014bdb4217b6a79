// Package streams has redis.stream.get: one stream, its groups and consumers.
package streams
