// Package self has the keys about the plugin itself: redis.pool.get, and the
// sessions that the agent's configuration names.
package self
