// Package cluster has redis.cluster.get: a whole cluster from any of its nodes.
// Masters gives the masters of a cluster to the families that read all of it.
//
// A member of the document is a node as the entry node lists it (nodes.go), with
// what it said of itself when it was asked side by side with the others
// (figures.go).
package cluster
