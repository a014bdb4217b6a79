// Package group has redis.group.get: several sessions that should be one primary
// and its replicas, watched without Sentinel.
//
// Each member answers for itself (member). What they are together, and what is wrong
// with that, is found by comparing them (verdict).
package group
