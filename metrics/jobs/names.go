package jobs

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// misname is what keeps a name from being shown.
type misname string

const (
	nameEmpty   misname = "empty"
	nameForeign misname = "not names of queues"
	nameLong    misname = "longer than 255 bytes"
	nameNoText  misname = "not UTF-8"
	nameControl misname = "with control characters, such as tabs"
)

// misnames are all of them, in the order of documents.
var misnames = []misname{nameControl, nameLong, nameNoText, nameEmpty, nameForeign}

// misnamed says what is wrong with the name of a queue, "" for nothing. Names are shown, in
// terminals and logs as well, and become parts of item keys, which end with a line.
func misnamed(name string) misname {
	switch {
	case name == "":
		return nameEmpty
	case len(name) > maxName:
		return nameLong
	case !utf8.ValidString(name):
		return nameNoText
	case strings.ContainsFunc(name, unicode.IsControl):
		return nameControl
	}
	return ""
}

// checkQueue says whether a text can be the name of a queue.
func checkQueue(name string) error {
	switch misnamed(name) {
	case "":
		return nil
	case nameEmpty:
		return errors.New("a queue needs a name")
	case nameLong:
		return fmt.Errorf("the name of a queue has at most %d bytes", maxName)
	}
	return errors.New("the name of a queue is UTF-8 without control characters")
}

// skip notes a name that gets no row. What waits in its queue is in the sums all the same,
// unless the name is too long to be read.
func (r *reading) skip(wrong misname, name string) {
	r.skipNames(wrong, 1)
	switch wrong {
	case nameEmpty, nameForeign:
		return
	case nameLong:
		r.Unread++
	default:
		r.Rest = append(r.Rest, &queue{Name: name})
	}
	r.Truncated++
}

// skipNames notes n names.
func (r *reading) skipNames(wrong misname, n int) {
	if n > 0 && r.Skipped == nil {
		r.Skipped = make(map[misname]int)
	}
	if n > 0 {
		r.Skipped[wrong] += n
	}
}

// skipped says which names have no row, and why; "" for none.
func (r *reading) skipped() string {
	var reasons []string
	all := 0
	for _, wrong := range misnames {
		if n := r.Skipped[wrong]; n > 0 {
			all += n
			reasons = append(reasons, fmt.Sprintf("%d %s", n, wrong))
		}
	}
	if all == 0 {
		return ""
	}
	return fmt.Sprintf("%d names have no row among the queues: %s", all, strings.Join(reasons, ", "))
}
