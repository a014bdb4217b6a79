// Package instances has redis.instances.discovery and redis.instances.get: the
// servers that listen on this machine, found by Linux' /proc.
package instances
