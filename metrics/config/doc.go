// Package config has redis.config.get: what of a server's configuration changed
// since the last poll, and where it differs from that of the servers which should
// have the same one.
//
// The settings of a server (settings) are its parameters or, of a sentinel, those
// of its masters. Changes (seen) are told from what the last poll remembered, and
// drift from what the others answer.
package config
