// Package sentinel has redis.sentinel.get: what sentinels know of their masters,
// and whether they agree.
package sentinel
