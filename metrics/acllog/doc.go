// Package acllog has redis.acl.log.get: who was refused, and whom the server
// turned away or disconnected, since the last poll.
package acllog
