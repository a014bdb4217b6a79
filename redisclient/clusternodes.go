package redisclient

import "fmt"

// MaxClusterNodes bounds a reply to CLUSTER NODES, in bytes. Clusters have at most some
// 1,000 nodes, of which a line is 150 bytes, and 16,384 slots.
// Source: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
const MaxClusterNodes = 2 << 20

// ErrClusterNodes is what a larger one is refused with.
var ErrClusterNodes = fmt.Errorf("the reply to CLUSTER NODES is longer than %d bytes, which that of no cluster is", MaxClusterNodes)
