// Package advice has redis.advice.get: what is wrong with the setup of a server,
// a cluster or a group of sentinels, by rules.
//
// A rule (Rule) judges facts: what INFO, CONFIG GET and a few other commands have
// told in one poll. A rule of which a fact is missing is not judged, and the
// answer says so. docs/advice.md is made from the rules.
package advice
