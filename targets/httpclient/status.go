package httpclient

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"redisjobs/redisclient"
)

// StatusError is an answer with another status than 200.
type StatusError struct {
	Code int
	// Text is the server's own, one line of at most maxText characters; "" when
	// it said nothing that can be shown.
	Text string
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("HTTP status %d (%s)", e.Code, http.StatusText(e.Code))
	if e.Text != "" {
		text += ": " + e.Text
	}
	return text
}

// StatusCode is Code, for those who do not know this package.
func (e *StatusError) StatusCode() int { return e.Code }

// Message is Text, for those who do not know this package.
func (e *StatusError) Message() string { return e.Text }

const (
	maxText    = 200      // characters of a server's own words
	maxRefusal = 64 << 10 // bytes that are looked at for them
)

// refusal reads an answer that has not what was asked for. A server that echoes
// the secret gets it masked.
func refusal(answer *http.Response, secret string) error {
	status := &StatusError{Code: answer.StatusCode, Text: serversWords(answer.Body, secret, encoded(answer.Request))}
	fail := func(reason redisclient.Reason, format string, args ...any) error {
		return &redisclient.Error{
			Op: "get " + answer.Request.URL.Path, Reason: reason,
			Err: fmt.Errorf("%w"+format, append([]any{status}, args...)...),
		}
	}
	switch {
	case answer.StatusCode >= 300 && answer.StatusCode < 400:
		to, err := answer.Location()
		if err != nil {
			return fail(redisclient.ReasonProtocol, "")
		}
		return fail(redisclient.ReasonProtocol, " to %s://%s: redirects are not followed, write the final address into the Uri",
			oneLine(to.Scheme, maxText), oneLine(to.Host, maxText))
	case answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden:
		if scheme, _, _ := strings.Cut(answer.Header.Get("WWW-Authenticate"), " "); strings.EqualFold(scheme, "Negotiate") {
			return fail(redisclient.ReasonAuth, " (the server wants Kerberos, which is not supported: let a proxy ask for a password or a token)")
		}
		return fail(redisclient.ReasonAuth, "")
	case answer.StatusCode == http.StatusNotFound:
		return fail(redisclient.ReasonProtocol, " (is this a Storm UI, and is the path in the Uri right?)")
	}
	return fail(redisclient.ReasonCommand, "")
}

// serversWords is what Storm's UI says of an error: the first line of a stack
// trace and, when the exception wraps others, the innermost of them, which is the
// cause. Other servers' pages are not repeated.
// Source: apache/storm, UIHelpers.exceptionToJson.
func serversWords(body io.Reader, secrets ...string) string {
	raw, err := io.ReadAll(io.LimitReader(body, maxRefusal))
	if err != nil {
		return ""
	}
	var said struct {
		Error   any `json:"error"`
		Message any `json:"errorMessage"`
	}
	if json.Unmarshal(raw, &said) != nil {
		return ""
	}
	text, ok := said.Message.(string)
	if !ok || text == "" {
		text, _ = said.Error.(string)
	}
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	const causedBy = "\nCaused by: "
	first, rest, _ := strings.Cut(text, "\n")
	i := strings.LastIndex("\n"+rest, causedBy)
	if i < 0 {
		return oneLine(first, maxText)
	}
	cause, _, _ := strings.Cut(("\n" + rest)[i+len(causedBy):], "\n")
	return oneLine(oneLine(first, maxText/2)+", caused by "+cause, maxText)
}

// encoded is the secret as it was sent.
func encoded(request *http.Request) string {
	_, secret, _ := strings.Cut(request.Header.Get("Authorization"), " ")
	return secret
}

// oneLine makes one line of at most limit characters.
func oneLine(s string, limit int) string {
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?")))
	if utf8.RuneCountInString(s) > limit {
		s = string([]rune(s)[:limit-1]) + "…"
	}
	return s
}
