// Package metrics is the one list of what can be asked (All), and the rights
// that a Redis user needs for it (ACLRule).
//
// Each family of keys is a package below this one, on a common core: item is the
// contract, ask sends commands and begins answers, info reads what a server says
// of itself, jsondoc writes. No family imports another, but cluster, by those
// that read whole clusters.
//
// Every answer keeps these rules. What could not be read is an error or a
// left-out member, never a zero. A document answers for a target that is down
// too, by ask.Down. Lists are bounded, and say what was left out. No answer and
// no error holds a secret.
package metrics
