package jobs

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A binding is a routing key, a pattern and a queue, joined by the separator sep of
// broker_transport_options. No key says which it is, and names may hold it. It is found
// from what kombu writes:
//
//   - A topic exchange has the pattern made of the routing key, ^...$: what stands between
//     both is the separator.
//   - Any other exchange has no pattern, so that the separator stands there twice in a row.
//     That is so of other parts of names, as in a--b. So the separator is the one that parts
//     most of all bindings, then the one that most of them confirm: the routing key is the
//     queue or the exchange, as Celery's own are, or the queue is a configured one.
//
// Where two separators are left, it is not known, and that is said.
// Sources: kombu/transport/redis.py, _queue_bind and get_table, and
// kombu/transport/virtual/exchange.py, key_to_pattern, of 5.2.4 and 5.7.0.

const (
	// maxSeparator bounds a separator, in bytes, and maxSeparators those of one prefix.
	maxSeparator, maxSeparators = 8, 4
	// maxBinding bounds a binding that is looked into, in bytes.
	maxBinding = 4 * maxName
	// maxSuggested bounds the separators that are tried, and the bindings that suggest them.
	maxSuggested = 64
)

// celeryMember is a binding.
type celeryMember struct {
	exchange, text string
	queue          string // "" while not known
	control        bool   // it is a worker's, for remote control
}

// celeryBindings are those that were read under a prefix.
type celeryBindings struct {
	members []celeryMember
	// names are the queues that are configured, or asked for.
	names []string
	// separators are those that were found, by queue, and all of them.
	separators map[string][]string
	all        []string
}

// add notes the bindings of an exchange.
func (b *celeryBindings) add(exchange string, members []string) {
	for _, text := range members {
		b.members = append(b.members, celeryMember{exchange: exchange, text: text})
	}
}

// addPidbox notes the bindings of workers' control exchange, whose queues get no messages
// of tasks.
func (b *celeryBindings) addPidbox(exchange string, members []string) {
	n := len(b.members)
	b.add(exchange, members)
	for i := range b.members[n:] {
		b.members[n+i].control = true
	}
}

// part finds the separators, and with them the queues. It counts the members of sets that
// are no bindings, and the error is about bindings that it could not part.
func (b *celeryBindings) part() (foreign int, err error) {
	b.separators = make(map[string][]string)
	for i := range b.members {
		m := &b.members[i]
		if parts := strings.Split(m.text, celerySeparator); len(parts) == 3 && parts[2] != "" {
			b.found(m, parts[2], celerySeparator)
		}
	}
	for range maxSeparators {
		separator, ok := b.best()
		if !ok {
			break
		}
		for i := range b.members {
			m := &b.members[i]
			if queue, _, ok := m.by(separator, b.names); ok && m.queue == "" {
				b.found(m, queue, separator)
			}
		}
	}
	unknown := 0
	var one celeryMember
	for _, m := range b.members {
		switch {
		case m.queue != "" || m.control:
		case len(m.text) > maxBinding || !slices.ContainsFunc(m.suggest(nil), func(s string) bool { return !strings.ContainsFunc(s, isWordy) }):
			foreign++
		default:
			unknown++
			one = m
		}
	}
	if unknown == 0 {
		return foreign, nil
	}
	return foreign, fmt.Errorf("of %d bindings, as %.64q in %s%.64s, it is not known where the name of the queue begins: "+
		"name their queues in Jobs.Queues=celery:<queue>", unknown, one.text, celeryBinding, one.exchange)
}

// errNoSeparator is why the lists of a queue are not known.
var errNoSeparator = errors.New("no binding was read that shows which separator (sep) is in the names of its lists for priorities: " +
	"job.get[…,celery] looks for the bindings of all exchanges")

func (b *celeryBindings) found(m *celeryMember, queue, separator string) {
	m.queue = queue
	if !m.control && !slices.Contains(b.separators[queue], separator) {
		b.separators[queue] = append(b.separators[queue], separator)
	}
	if !slices.Contains(b.all, separator) {
		b.all = append(b.all, separator)
	}
}

// of are the separators of a queue: where no binding tells, all that there are.
func (b *celeryBindings) of(queue string) []string {
	if own := b.separators[queue]; len(own) > 0 {
		return own
	}
	if len(b.all) > 0 {
		return b.all
	}
	return []string{celerySeparator}
}

// trust is how sure the parts of bindings are: how many a separator parts, how many of
// these confirm it, and in how many it stands nowhere else.
type trust struct{ parted, confirmed, strict int }

func (t trust) compare(o trust) int {
	return cmp.Or(cmp.Compare(t.parted, o.parted), cmp.Compare(t.confirmed, o.confirmed), cmp.Compare(t.strict, o.strict))
}

// best is the separator to be trusted most for the bindings that are left; false where
// there is none, or another one as good. One of letters, or a second one, must be
// confirmed.
func (b *celeryBindings) best() (separator string, ok bool) {
	var most trust
	for _, s := range b.suggested() {
		var sum trust
		for i := range b.members {
			if b.members[i].queue != "" {
				continue
			}
			if _, t, ok := b.members[i].by(s, b.names); ok {
				sum.parted++
				sum.confirmed += t.confirmed
				sum.strict += t.strict
			}
		}
		if sum.parted == 0 || sum.confirmed == 0 && (len(b.all) > 0 || strings.ContainsFunc(s, isWordy)) {
			continue
		}
		switch c := sum.compare(most); {
		case c > 0:
			separator, most, ok = s, sum, true
		case c == 0:
			ok = false
		}
	}
	return separator, ok
}

func isWordy(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsSpace(r) }

// suggested are the separators that may be in the bindings that are left, each once.
func (b *celeryBindings) suggested() []string {
	var out []string
	left := maxSuggested
	for i := range b.members {
		if m := &b.members[i]; m.queue == "" && len(m.text) <= maxBinding && left > 0 {
			left--
			out = m.suggest(out)
		}
	}
	return out
}

// suggest adds to out the separators that may be in a binding: what stands there twice in a
// row, or before a pattern, and before something else.
func (m *celeryMember) suggest(out []string) []string {
	for at := range m.text {
		for n := 1; n <= maxSeparator && at+n < len(m.text) && len(out) < maxSuggested; n++ {
			s, rest := m.text[at:at+n], m.text[at+n:]
			after, twice := strings.CutPrefix(rest, s)
			if (twice && after != "" || rest[0] == '^') && utf8.ValidString(s) && !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	return out
}

// by parts a binding by a separator, if that can be done in just one way.
func (m *celeryMember) by(separator string, names []string) (queue string, t trust, ok bool) {
	if len(m.text) > maxBinding {
		return "", t, false
	}
	if queue, ok := m.byPattern(separator); ok {
		return queue, trust{confirmed: 1, strict: 1}, true
	}
	ways := 0
	for at := 0; at < len(m.text); at++ {
		rest, found := strings.CutPrefix(m.text[at:], separator+separator)
		if !found || rest == "" {
			continue
		}
		key := m.text[:at]
		sure := key == rest || key == m.exchange || key == "" && strings.HasSuffix(rest, "."+m.exchange) || slices.Contains(names, rest)
		switch {
		case sure && t.confirmed > 0:
			return "", t, false
		case sure:
			queue, t.confirmed, ways = rest, 1, 1
		case t.confirmed == 0:
			queue = rest
			ways++
		}
		if !strings.Contains(key, separator) && !strings.Contains(rest, separator) {
			t.strict = 1
		}
	}
	return queue, t, ways == 1
}

// byPattern parts a binding of a topic exchange.
func (m *celeryMember) byPattern(separator string) (queue string, ok bool) {
	for at := range m.text {
		key, found := strings.CutSuffix(m.text[:at], separator)
		if m.text[at] != '^' || !found {
			continue
		}
		for _, star := range celeryStars {
			queue, ok = strings.CutPrefix(m.text[at:], celeryPattern(key, star)+separator)
			if ok && queue != "" {
				return queue, true
			}
		}
	}
	return "", false
}

// celeryStars are what kombu makes of a star in a routing key: that of 5.2.4 and that of 5.7.0.
var celeryStars = []string{`.*?[^\.]`, `[^\.]+`}

// celeryPattern is the pattern that kombu makes of a topic exchange's routing key.
func celeryPattern(key, star string) string {
	words := strings.Split(key, ".")
	for i, word := range words {
		switch word {
		case "*":
			words[i] = star
		case "#":
			words[i] = ".*?"
		default:
			words[i] = celeryEscape(word)
		}
	}
	return "^" + strings.Join(words, `\.`) + "$"
}

// celeryEscape is kombu's escape_regex.
func celeryEscape(word string) string {
	var out strings.Builder
	for _, r := range word {
		switch {
		case r == 0:
			out.WriteString(`\000`)
			continue
		case !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '#' && r != '*':
			out.WriteByte('\\')
		}
		out.WriteRune(r)
	}
	return out.String()
}
