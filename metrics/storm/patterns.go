package storm

import (
	"cmp"
	"slices"
	"strings"

	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

// KeyPatterns are the keys that job records live in, as patterns of an ACL, sorted.
func KeyPatterns(o item.StormOptions) []string {
	before, after, _ := strings.Cut(cmp.Or(o.KeyPattern, defaultKeyPattern), placeholder)
	out := []string{redisclient.EscapeGlob(before) + "*" + redisclient.EscapeGlob(after)}
	for _, key := range []string{o.IndexKey, o.HeartbeatKey, o.StateKey} {
		if key != "" {
			out = append(out, redisclient.EscapeGlob(key))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
