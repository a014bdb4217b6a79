package ask

// GlobMatch reports whether text matches a glob pattern as the server's own
// MATCH and KEYS take it: * any characters, ? one, [a-c] and [^a-c] one of some,
// \ the next one as it is. It takes at most len(pattern)*len(text) steps.
// Source: redis src/util.c, stringmatchlen
func GlobMatch(pattern, text string) bool {
	star, from := -1, 0 // the last *, and where what it stands for ends
	p, t := 0, 0
	for t < len(text) {
		if p < len(pattern) && pattern[p] == '*' {
			star, from = p, t
			p++
			continue
		}
		if p < len(pattern) {
			if end, ok := globOne(pattern, p, text[t]); ok {
				p = end
				t++
				continue
			}
		}
		if star < 0 {
			return false
		}
		from++
		p, t = star+1, from
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// globOne matches one character and returns where the pattern goes on.
func globOne(pattern string, p int, c byte) (end int, ok bool) {
	switch {
	case pattern[p] == '?':
		return p + 1, true
	case pattern[p] == '[':
		return globClass(pattern, p+1, c)
	case pattern[p] == '\\' && p+1 < len(pattern):
		p++
	}
	return p + 1, pattern[p] == c
}

// globClass matches one of some, from behind the bracket on. One that is not
// closed goes to the end of the pattern.
func globClass(pattern string, p int, c byte) (end int, ok bool) {
	not := p < len(pattern) && pattern[p] == '^'
	if not {
		p++
	}
	match := false
	for ; p < len(pattern) && pattern[p] != ']'; p++ {
		switch {
		case pattern[p] == '\\' && p+1 < len(pattern):
			p++
			match = match || pattern[p] == c
		case p+2 < len(pattern) && pattern[p+1] == '-':
			low, high := min(pattern[p], pattern[p+2]), max(pattern[p], pattern[p+2])
			match = match || low <= c && c <= high
			p += 2
		default:
			match = match || pattern[p] == c
		}
	}
	return min(p+1, len(pattern)), match != not
}

// MaxStars is how many stars a pattern may have for a server of which it is not
// known that it matches in bounded time. Before Redis 6.0.18, 6.2.11 and 7.0.9
// every star multiplies the time by the length of the key, so that one SCAN with
// a few stars more blocks the server for seconds (CVE-2022-36021).
const MaxStars = 2

// CostlyStars counts the stars of a pattern that a server may have to try at
// every place of a key. Stars side by side are one, one at the end matches at
// once, and neither a class nor an escaped star is one.
func CostlyStars(pattern string) (n int) {
	for p := 0; p < len(pattern); p++ {
		switch pattern[p] {
		case '\\':
			p++
		case '[':
			p = classEnd(pattern, p+1)
		case '*':
			for p+1 < len(pattern) && pattern[p+1] == '*' {
				p++
			}
			if p+1 < len(pattern) {
				n++
			}
		}
	}
	return n
}

// classEnd returns where the class is closed whose first member is at p.
func classEnd(pattern string, p int) int {
	if p < len(pattern) && pattern[p] == '^' {
		p++
	}
	for ; p < len(pattern) && pattern[p] != ']'; p++ {
		switch {
		case pattern[p] == '\\' && p+1 < len(pattern):
			p++
		case p+2 < len(pattern) && pattern[p+1] == '-':
			p += 2
		}
	}
	return p
}
