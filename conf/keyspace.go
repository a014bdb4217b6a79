package conf

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"time"
)

// Keyspace says how redis.keyspace.sample looks at keys.
type Keyspace struct {
	KeysPerSecond int              // of one pass
	SliceTime     time.Duration    // of the server, at once
	Interval      time.Duration    // from the beginning of a pass to the next
	Samples       int              // members that MEMORY USAGE looks at
	Top           int              // rows in each list of big keys
	Groups        []*regexp.Regexp // the first that matches a key counts
}

func keyspaceOptions() []Option {
	return []Option{
		number("Keyspace.KeysPerSecond", "2000", bounds{min: 1, max: 1_000_000, text: "1-1000000"},
			"Maximum number of keys of one server that one pass of redis.keyspace.sample, redis.keys.discovery or redis.streams.get reads per second.",
			func(o *Options) *int { return &o.Keyspace.KeysPerSecond }),
		parsed("Keyspace.SliceTime", "1", "1-100",
			"Maximum time of a server, in milliseconds, that one slice of keys of a pass may take. Slices that take "+
				"longer are made smaller.",
			func(text string) (time.Duration, error) {
				n, err := bounds{min: 1, max: 100, text: "1-100"}.parse(text, nil)
				return time.Duration(n) * time.Millisecond, err
			},
			func(o *Options) *time.Duration { return &o.Keyspace.SliceTime }),
		seconds("Keyspace.Interval", "1h", bounds{min: 60, max: 30 * 86400, text: "60-2592000"},
			"The time between the beginnings of two passes over the keys of a server, in seconds. A pass that looks for keys of a "+
				"pattern (redis.keys.discovery, redis.streams.get) is made every ten minutes or sooner.",
			func(o *Options) *time.Duration { return &o.Keyspace.Interval }),
		number("Keyspace.MaxPasses", "4", bounds{min: 1, max: 64, text: "1-64"},
			"Maximum number of servers whose keys are read at the same time. The others wait.",
			func(o *Options) *int { return &o.KeyspacePasses }),
		number("Keyspace.Samples", "5", bounds{min: 1, max: 1000, text: "1-1000"},
			"Number of members of a key that the server reads to estimate its memory.",
			func(o *Options) *int { return &o.Keyspace.Samples }),
		number("Keyspace.Top", "10", bounds{min: 1, max: 100, text: "1-100"},
			"Number of the largest keys that redis.keyspace.sample lists.",
			func(o *Options) *int { return &o.Keyspace.Top }),
		parsed("Keyspace.Groups", "^([^:]+):", "at most 20 regular expressions separated by blanks",
			"Which keys are counted together: the first expression that matches a key decides. The name of the group is "+
				"what the first pair of parentheses matched, or otherwise the expression. Write a blank as \\x20.",
			parseExpressions, func(o *Options) *[]*regexp.Regexp { return &o.Keyspace.Groups }).
			example(`^(cart|session): ^cache:([a-z]+):`),
	}
}

// syntaxCode is what is wrong with an expression, without the expression.
func syntaxCode(err error) string {
	if se := (*syntax.Error)(nil); errors.As(err, &se) {
		return se.Code.String()
	}
	return "it cannot be compiled"
}

// maxExpressions bounds what each key is compared with.
const maxExpressions = 20

// parseExpressions reads regular expressions in Go's syntax (RE2), whose time
// grows with the length of the text alone.
func parseExpressions(text string) ([]*regexp.Regexp, error) {
	words := strings.Fields(text)
	if len(words) > maxExpressions {
		return nil, fmt.Errorf("has %d expressions, more than %d", len(words), maxExpressions)
	}
	out := make([]*regexp.Regexp, len(words))
	for i, word := range words {
		var err error
		if out[i], err = regexp.Compile(word); err != nil {
			return nil, fmt.Errorf("expression %d is not a valid regular expression: %s", i+1, syntaxCode(err))
		}
	}
	return out, nil
}
