package jobs

import (
	"regexp"
	"strings"

	"redisjobs/metrics/ask"
)

const (
	// maxMessage bounds the message of an error, in characters, and maxRawMessage
	// what is looked at of it, in bytes.
	maxMessage    = 200
	maxRawMessage = 4096
)

// cleanMessage prepares the first line of an error message: one printable line of at
// most maxMessage characters. Arguments of the job that are recognized in it are
// masked: texts and numbers, and parts of long texts. So is what looks like a secret:
// a password in a URL, the value after a name as password= or token:, the text of an
// Authorization header, keys of well-known forms, and words of 32 letters and digits
// or more.
func cleanMessage(message string, values *argValues) string {
	line := firstLine(message)
	if values.tooMany() {
		return "(not shown: the job has too many arguments to recognize them in it)"
	}
	return ask.Line(maskSecrets(values.mask(line)), maxMessage)
}

// firstLine is the first line with anything in it, at most maxRawMessage bytes.
func firstLine(text string) string {
	text = strings.TrimLeft(text[:min(len(text), 4*maxRawMessage)], " \t\r\n")
	line, _, _ := strings.Cut(text, "\n")
	line = line[:min(len(line), maxRawMessage)]
	return strings.TrimSpace(strings.ToValidUTF8(line, "?"))
}

var (
	// urlSecret is the user and password of a URL, up to its last @.
	urlSecret = regexp.MustCompile(`(://)[^\s"'<>]*@`)
	// namedSecret is a name with a value behind it: a=b, a: b, "a" => "b".
	namedSecret = regexp.MustCompile(`([A-Za-z][\w.-]{0,63})(["']?\s*(?:=>|[=:])\s*)("[^"]*"?|'[^']*'?|[^\s,;&)}\]]+)`)
	// plainSecret is what shows itself: a header, a JSON web token, a key of AWS.
	plainSecret = regexp.MustCompile(`(?i:\b(?:bearer|basic)\s+[\w.~+/=-]{8,})|\beyJ[\w-]+\.[\w-]*\.?[\w-]*|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b`)
	// longWord may be a key or the id of a session.
	longWord = regexp.MustCompile(`\w{32,}`)
)

// maskSecrets masks what looks like a secret in any text.
func maskSecrets(text string) string {
	text = urlSecret.ReplaceAllString(text, "${1}"+ask.Masked+"@")
	text = plainSecret.ReplaceAllString(text, ask.Masked)
	text = maskNamed(text)
	return longWord.ReplaceAllStringFunc(text, func(s string) string {
		if strings.ContainsAny(s, "0123456789") && strings.ContainsFunc(s, isLetter) {
			return ask.Masked
		}
		return s
	})
}

// maskNamed masks the values of names as password and token. A value may be a name
// with a value itself.
func maskNamed(text string) string {
	var b strings.Builder
	for {
		m := namedSecret.FindStringSubmatchIndex(text)
		if m == nil {
			b.WriteString(text)
			return b.String()
		}
		if ask.IsSecret(text[m[2]:m[3]]) {
			b.WriteString(text[:m[5]] + ask.Masked)
			text = text[m[1]:]
			continue
		}
		b.WriteString(text[:m[5]])
		text = text[m[5]:]
	}
}

func isLetter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

// parseTraceback reads the class and the message of an error from a traceback of
// Python. Of several, as of an error that came while another one was handled, the
// last is the one that was raised. A text that is none is the message.
func parseTraceback(text string) (class, message string) {
	const head = "Traceback (most recent call last):"
	i := strings.LastIndex(text, head)
	if i < 0 {
		return "", text
	}
	for line := range strings.Lines(text[i+len(head):]) {
		if strings.TrimSpace(line) == "" || line[0] == ' ' || line[0] == '\t' {
			continue
		}
		return splitError(strings.TrimRight(line, "\r\n"))
	}
	return "", ""
}

// splitError parts "Class: message"; what does not begin with a name of a class is
// all message.
func splitError(line string) (class, message string) {
	name, message, ok := strings.Cut(line, ": ")
	if !ok {
		name, message = strings.TrimSuffix(line, ":"), ""
	}
	if !isClassName(name) || !ok && !strings.ContainsFunc(name, isLetter) {
		return "", line
	}
	return name, message
}

// isClassName reports whether a text can be the name of a class in Python,
// JavaScript or PHP.
func isClassName(name string) bool {
	for i, r := range name {
		if !isWordRune(r) && r != '$' && (r != '.' && r != '\\' || i == 0) {
			return false
		}
	}
	return name != "" && len(name) <= maxClassName
}

// parsePHPError reads an exception of PHP as text: "Class: message in file:line",
// a stack trace, and behind "Next " the exception that had this one for its cause.
// Source: Zend/zend_exceptions.c, __toString
func parsePHPError(text string) (class, message string) {
	const next = "\n\nNext "
	if i := strings.LastIndex(text, next); i >= 0 {
		text = text[i+len(next):]
	}
	text, _, _ = strings.Cut(text, "\nStack trace:\n")
	if i := strings.LastIndex(text, " in "); i >= 0 {
		if file := text[i:]; phpPlace.MatchString(file) {
			text = text[:i]
		}
	}
	return splitError(text)
}

var phpPlace = regexp.MustCompile(`^ in \S.*:\d+$`)

// parseStack reads the class of an error from its stack in JavaScript, which begins
// with "Name: message"; "" when it tells none.
func parseStack(stack, message string) string {
	line, _, _ := strings.Cut(stack, "\n")
	if first, _, _ := strings.Cut(message, "\n"); first != "" {
		name, ok := strings.CutSuffix(line, ": "+first)
		if ok && isClassName(name) {
			return name
		}
	}
	class, _ := splitError(line)
	return class
}
