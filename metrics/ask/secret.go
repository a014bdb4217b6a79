package ask

import (
	"strings"
	"unicode"
)

// Masked stands for a secret that is set. An empty one stays empty: that
// no password is set is worth knowing.
const Masked = "***"

// Names of secrets, as words of a parameter's name and as parts of its words.
var (
	secretWords = setOf("pass passwd pwd passphrase passphrases token tokens auth credential credentials jwt bearer hmac")
	secretParts = []string{"password", "passwd", "passphrase", "secret", "apikey", "privatekey"}
	// secretEnds: requirepass, userpass; masterauth, primaryauth.
	secretEnds = []string{"pass", "auth"}
	// shownEnds end like those, and are no secrets.
	shownEnds = []string{"bypass", "nopass", "compass", "oauth", "noauth"}
	// shownLast as the last word of a name say that its value is a path, a limit or
	// a switch, whatever it is of: password-file, token-ttl, auth-timeout.
	shownLast = setOf("file files path paths dir dirs directory size len length count limit max min " +
		"timeout ttl age interval period expiry enabled disabled required enable disable mode policy type format " +
		"algorithm port ports host url uri user users username name names id clients iterations")
)

func setOf(words string) map[string]bool {
	out := make(map[string]bool)
	for word := range strings.FieldsSeq(words) {
		out[word] = true
	}
	return out
}

// IsSecret reports whether the value of a configuration parameter is a secret, by
// the words of its name: a password, a pass phrase, a token or a key, as in
// requirepass, ldap.search_bind_passwd, api-key. Modules and forks name theirs as
// they like. Paths (tls-key-file), limits and user names (masteruser) are shown.
// Sources: the SENSITIVE_CONFIG flags in redis src/config.c (requirepass,
// masterauth, tls-*-pass), valkey src/config.c (primaryauth), sentinel.conf
// (sentinel-pass), the namespace tokens in kvrocks.conf (namespace.NAME).
func IsSecret(name string) bool {
	words := wordsOf(name)
	if len(words) == 0 {
		return false
	}
	last := words[len(words)-1]
	if strings.Contains(strings.Join(words, ""), "passphrase") && !shownLast[last] { // pass-phrase
		return true
	}
	if strings.HasPrefix(strings.ToLower(name), "namespace.") {
		return true
	}
	if shownLast[last] {
		return false
	}
	if last == "key" && len(words) > 1 {
		return true // api-key; a lone "key" is a word of many commands
	}
	for _, word := range words {
		if secretWords[word] && (word != "auth" && word != "pass" || word == last) || isSecretWord(word) {
			return true
		}
	}
	return false
}

func isSecretWord(word string) bool {
	for _, part := range secretParts {
		if strings.Contains(word, part) {
			return true
		}
	}
	for _, end := range shownEnds {
		if strings.HasSuffix(word, end) {
			return false
		}
	}
	word = strings.TrimRight(word, "0123456789") // masterauth2
	for _, end := range secretEnds {
		if strings.HasSuffix(word, end) && word != end {
			return true
		}
	}
	return false
}

// wordsOf splits a name at what is neither letter nor digit, and before capitals
// (apiKey); in lower case.
func wordsOf(name string) []string {
	var b strings.Builder
	var before rune
	for _, r := range name {
		if unicode.IsUpper(r) && unicode.IsLower(before) {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToLower(r))
		before = r
	}
	return strings.FieldsFunc(b.String(), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}
