package conf

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"unique"
)

// masked stands for a secret wherever one would be printed.
const masked = "***"

// Secret is a text that cannot be printed: fmt, slog, json and text encoders
// get "***", or "" when there is none. Two secrets are equal with == when their
// texts are. The zero value is the empty secret.
type Secret struct {
	// fmt calls no method on the unexported fields of a struct but prints what
	// they hold. A handle holds a pointer, which fmt does not follow.
	text unique.Handle[string]
}

// NewSecret makes a Secret of text.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{unique.Make(text)}
}

// Reveal returns the text. It is the only way to get it.
func (s Secret) Reveal() string {
	if s.IsEmpty() {
		return ""
	}
	return s.text.Value()
}

// IsEmpty reports whether there is no secret.
func (s Secret) IsEmpty() bool { return s == Secret{} }

func (s Secret) String() string {
	if s.IsEmpty() {
		return ""
	}
	return masked
}

// GoString is for %#v.
func (s Secret) GoString() string { return s.String() }

// Format prints String, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// LogValue is for log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalJSON is the JSON string of String.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// MarshalText is String; it never fails.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
