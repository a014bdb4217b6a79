package info

import (
	"bytes"
	"strings"

	"redisjobs/metrics/jsondoc"
)

// WriteField writes one field with the type that it has.
func WriteField(w *jsondoc.Writer, key, value []byte) {
	switch {
	case bytes.HasSuffix(key, []byte("_human")):
	case isTextField(key):
		w.KeyBytes(key).StringBytes(value)
	case jsondoc.IsNumber(value):
		w.KeyBytes(key).NumberPlain(value)
	case IsNoReading(bytes.TrimSuffix(value, []byte("%"))):
	case bytes.HasSuffix(value, []byte("%")) && jsondoc.IsNumber(value[:len(value)-1]):
		w.KeyBytes(key).NumberPlain(value[:len(value)-1])
	case isNumberField(key): // Redis for Windows has been seen to print "jd"
	default:
		w.KeyBytes(key).StringBytes(value)
	}
}

// IsNoReading knows the words that servers print in place of a number they do
// not have: C's nan and inf, as nan(ind) or nan(0x8) too, those of Microsoft's C
// (1.#INF, 1.#QNAN, 1.#IND, and 1.#J when it rounds one of these), .NET's ∞,
// Garnet's N/A, KeyDB's unavailable.
func IsNoReading(value []byte) bool {
	if len(value) == 0 || len(value) > 20 {
		return false
	}
	word := strings.ToLower(strings.TrimLeft(string(value), "+-"))
	switch word {
	case "nan", "inf", "infinity", "∞", "n/a", "unavailable":
		return true
	}
	return strings.HasPrefix(word, "1.#") || strings.HasPrefix(word, "nan(") && strings.HasSuffix(word, ")")
}

// isNumberField knows quantities by the unit or the things that their names end with:
// what is no number there is no reading.
func isNumberField(key []byte) bool {
	for _, end := range []string{"_seconds", "_seconds_ago", "_sec", "_ms", "_usec", "_bytes", "_clients", "_keys", "_offset"} {
		if endsIn(key, end) {
			return true
		}
	}
	return false
}

// isTextField knows names, ids and words: strings even when they are made of
// digits, because an item of a template has one type.
func isTextField(key []byte) bool {
	switch string(key) {
	case "availability_zone", "config_file", "executable", "gcc_version", "git_sha1", "ip", "last_saved_file",
		"maxmemory_policy", "mem_allocator", "monotonic_clock", "multiplexing_api", "name", "os", "process_supervised",
		"role", "run_id", "server_name", "state", "type", "version":
		return true
	}
	// The endings of more such names: redis_version, redis_build_id,
	// redis_git_sha1, master_replid2, master_host, tls_server_cert_serial,
	// redis_mode, rdb_last_bgsave_status.
	if len(key) == 0 {
		return false
	}
	switch key[len(key)-1] {
	case 'n':
		return endsIn(key, "_version")
	case 'd':
		return endsIn(key, "_build_id") || endsIn(key, "replid")
	case '1':
		return endsIn(key, "_sha1")
	case '2':
		return endsIn(key, "replid2")
	case 't':
		return endsIn(key, "_host")
	case 'l':
		return endsIn(key, "_serial")
	case 'e':
		return endsIn(key, "_mode")
	case 's':
		return endsIn(key, "_status")
	}
	return false
}

// endsIn reports whether key is more than suffix and ends in it.
func endsIn(key []byte, suffix string) bool {
	return len(key) > len(suffix) && string(key[len(key)-len(suffix):]) == suffix
}
