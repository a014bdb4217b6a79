package targets

import (
	"fmt"
	"strings"
)

// What is said of the sentinels in an error is bounded: a document has room for 255
// characters of it, the target included. maxSaid bounds the sentinels that say the same,
// maxSaidBytes all of it, but for the first who says something.
const (
	maxSaid      = 3
	maxSaidBytes = 160
)

// sayings are what sentinels answered, for errors: those that say the same together.
type sayings []saying

type saying struct {
	word      string
	sentinels []string
}

// add notes what a sentinel answered: an address, or an error.
func (s *sayings) add(sentinel, addr string, err error) {
	word := " says " + addr
	if err != nil { // which has the address once more, so that no two would be the same
		word = ": " + strings.Replace(err.Error(), sentinel+": ", "", 1)
	}
	for i := range *s {
		if (*s)[i].word == word {
			(*s)[i].sentinels = append((*s)[i].sentinels, sentinel)
			return
		}
	}
	*s = append(*s, saying{word, []string{sentinel}})
}

// String has whole entries only: half of an address would be another one.
func (s sayings) String() string {
	var b strings.Builder
	for i, one := range s {
		word, who := one.word, "sentinel "+one.sentinels[0]
		if n := len(one.sentinels); n > 1 {
			word = strings.Replace(word, " says ", " say ", 1)
			who = "sentinels " + strings.Join(one.sentinels[:min(n, maxSaid)], ", ")
			if n > maxSaid {
				who += fmt.Sprintf(" and %d more", n-maxSaid)
			}
		}
		if i > 0 && b.Len()+len(who)+len(word) > maxSaidBytes {
			fmt.Fprintf(&b, "; and %d more", s.count(i))
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(who + word)
	}
	return b.String()
}

// count is how many sentinels there are from an entry on.
func (s sayings) count(from int) (n int) {
	for _, one := range s[from:] {
		n += len(one.sentinels)
	}
	return n
}
