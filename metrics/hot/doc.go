// Package hot has redis.hot.get: the keys and hash slots that a server works most
// for.
package hot
