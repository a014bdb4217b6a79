// Package clients has redis.clients.get: who is connected to a server, summed up
// in lists of bounded length.
package clients
