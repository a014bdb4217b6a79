package jobs

import (
	"fmt"
	"slices"
	"strings"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// SCAN lists keys that the user may not read. A system whose keys are all of that kind is
// not found, and that is said: it would be missing without a word.

const (
	// maxDenied bounds the systems that are remembered for that, and shownDenied those
	// that are named.
	maxDenied   = 100
	shownDenied = 5
)

// isDenied reports whether the user may read none of the keys, though it may send the
// commands.
func isDenied(replies []resp.Value) bool {
	return !slices.ContainsFunc(replies, func(v resp.Value) bool {
		err := v.Err()
		return err == nil || redisclient.ReasonOf(err) != redisclient.ReasonACL || strings.Contains(err.Error(), "permissions to run the")
	})
}

// deny notes that there may be a system whose keys the user may not read.
func (s *search) deny(i instance) {
	if len(s.denied) < maxDenied && !slices.Contains(s.denied, i) {
		s.denied = append(slices.Clone(s.denied), i) // readers have the old one
	}
}

// deniedText says what may be there, "" for nothing. What is named has the rights that it
// needs in the rule that -acl prints when its prefix is configured.
func deniedText(denied []instance, found []*reading) string {
	var names []string
	more := 0
	for _, i := range slices.SortedFunc(slices.Values(denied), instance.Compare) {
		switch {
		case slices.ContainsFunc(found, func(r *reading) bool { return r.instance == i }):
		case len(names) == shownDenied:
			more++
		default:
			names = append(names, fmt.Sprintf("%s under the prefix %q", i.System, i.Prefix))
		}
	}
	if len(names) == 0 {
		return ""
	}
	text := strings.Join(names, ", ")
	if more > 0 {
		text += fmt.Sprintf(" and %d others", more)
	}
	return "this user may not read (NOPERM) keys that look like those of " + text +
		": if they are yours, name the prefix in Jobs.Prefixes, and allow what -acl jobs prints then"
}
