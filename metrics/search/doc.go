// Package search has redis.search.get: the search indexes of RediSearch 1 and 2,
// Redis 8, valkey-search, MemoryDB and Dragonfly, which name the same figures in
// their own ways.
package search
