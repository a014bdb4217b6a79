// Package pubsub has redis.pubsub.get: channels and who listens to them.
package pubsub
