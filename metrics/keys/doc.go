// Package keys has the keys about single keys of a database (redis.key.*), about
// how many match a pattern (redis.keys.count), and redis.command.
package keys
