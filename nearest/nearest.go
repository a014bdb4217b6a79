// Package nearest guesses which of several names a misspelled one was meant to be.
package nearest

import (
	"fmt"
	"strings"
)

// Question suggests the candidate that name was probably meant to be, as the end of an
// error text; "" when none is near.
func Question(name string, candidates []string) string {
	best := Of(name, candidates)
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", best)
}

// Of is the candidate that name was probably meant to be: one in other
// capitals, else one that differs in at most two letters; "" when none is near.
func Of(name string, candidates []string) string {
	best, distance := "", 3
	for _, c := range candidates {
		if strings.EqualFold(name, c) {
			return c
		}
		if d := editDistance(name, c, distance); d < distance && d < len(c)-1 {
			best, distance = c, d
		}
	}
	return best
}

// editDistance counts the bytes to insert, delete, replace or swap with their
// neighbour to make b of a (optimal string alignment). It gives up early and
// returns limit when the lengths alone say that it is not below.
func editDistance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	before, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}
