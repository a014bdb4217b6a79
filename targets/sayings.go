package targets

import (
	"fmt"
	"strings"
)

// maxSaid bounds the groups of sayings in an error, and the sentinels of one group: a
// document has room for 255 characters of error.
const maxSaid = 3

// sayings are what sentinels answered, for errors: those that say the same together.
type sayings []saying

type saying struct {
	word      string
	sentinels []string
}

// add notes what a sentinel answered: an address, or an error.
func (s *sayings) add(sentinel, addr string, err error) {
	word := " says " + addr
	if err != nil {
		word = ": " + err.Error()
	}
	for i := range *s {
		if (*s)[i].word == word {
			(*s)[i].sentinels = append((*s)[i].sentinels, sentinel)
			return
		}
	}
	*s = append(*s, saying{word, []string{sentinel}})
}

func (s sayings) String() string {
	texts := make([]string, len(s))
	for i, one := range s {
		word := one.word
		texts[i] = "sentinel " + one.sentinels[0]
		if len(one.sentinels) > 1 {
			word = strings.Replace(word, " says ", " say ", 1)
			texts[i] = "sentinels " + few(one.sentinels, ", ")
		}
		texts[i] += word
	}
	return few(texts, "; ")
}

// few lists the first ones whole, and how many there are beside them.
func few(list []string, separator string) string {
	if len(list) <= maxSaid {
		return strings.Join(list, separator)
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:maxSaid], separator), len(list)-maxSaid)
}
