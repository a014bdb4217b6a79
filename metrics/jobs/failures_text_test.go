package jobs

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/ask"
	"redisjobs/redisclient/resp"
)

// valuesOf are the arguments in a text.
func valuesOf(text string) *argValues {
	a := &argValues{}
	a.any([]byte(text))
	return a
}

func TestAMessageIsOneLineWithoutArgumentsAndSecrets(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, message, args, want string }{
		{"as it is", "undefined method `name' for nil:NilClass", `[1]`, "undefined method `name' for nil:NilClass"},
		{"the first line", "\n  one\r\ntwo", ``, "one"},
		{"not printable", "a\x00b\x1b[31mc\xff", ``, "a b [31mc?"},
		{"a number", "Couldn't find User with 'id'=7", `[7]`, "Couldn't find User with 'id'=***"},
		{"a number is no part of another", "took 700 ms, 7 left", `[7]`, "took 700 ms, *** left"},
		{"a text", "no mailbox for bob@example.com", `[{"to":"bob@example.com"}]`, "no mailbox for ***"},
		{"in capitals", "NO MAILBOX FOR BOB", `["Bob"]`, "NO MAILBOX FOR ***"},
		{"a text inside of a word", "no such file /tmp/report42.pdf", `["report42"]`, "no such file /tmp/***.pdf"},
		{"a short text is no part of a word", "bobsled of bob", `["bob"]`, "bobsled of ***"},
		{"a letter is a word", "a is no number", `["a"]`, "a is no number"},
		{"a name of a field is no argument", "bad user: 12", `{"user":12,"other":[true,null]}`, "bad user: ***"},
		{"what an argument begins with", "cannot parse <html><body>tex", `["<html><body>text of a page that goes on"]`, "cannot parse ***"},
		{"a line of it", "line 2: second line of it", `["first\nsecond line of it\nthird"]`, "line 2: ***"},
		{"arguments in a text", "unknown token s3cr3t-token", `["{\"auth\":\"s3cr3t-token\"}"]`, "unknown token ***"},
		{"what PHP has serialized", "No user alice (42)", `["O:8:\"App\\Mail\":2:{s:4:\"name\";s:5:\"alice\";s:2:\"id\";i:42;}"]`, "No user *** (***)"},
		{"names in it", "The name is bad", `O:8:"App\Mail":2:{s:4:"name";s:5:"alice";s:2:"id";a:1:{i:0;d:0.5;}}`, "The name is bad"},
		{"bytes", "bad key user-0815", "\x00\x01\x0auser-0815\xff\x02", "bad key ***"},
		{"a password in a URL", "cannot connect to redis://app:pa/ss@w@host:6379/0", ``, "cannot connect to redis://***@host:6379/0"},
		{"a named secret", `login failed: password=hunter2, user=bob`, ``, `login failed: password=***, user=bob`},
		{"a quoted one", `{"api_key" => "k 1", "token": 'x'}`, ``, `{"api_key" => ***, "token": ***}`},
		{"a header", "GET /x: Authorization: Bearer abcdef0123456789", ``, "GET /x: Authorization: ***"},
		{"a JSON web token", "bad eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-def", ``, "bad ***"},
		{"a key of AWS", "no access for AKIAIOSFODNN7EXAMPLE", ``, "no access for ***"},
		{"a session", "session 0123456789abcdef0123456789abcdef is over", ``, "session *** is over"},
		{"a long word", "undefined " + strings.Repeat("x", 40), ``, "undefined " + strings.Repeat("x", 40)},
		{"long", strings.Repeat("word ", 60), ``, ask.Clip(strings.TrimSpace(strings.Repeat("word ", 60)), maxMessage)},
	} {
		require.Equal(t, tt.want, cleanMessage(tt.message, valuesOf(tt.args)), tt.name)
	}
	require.Contains(t, cleanMessage("secret", valuesOf(`["`+strings.Repeat("x", maxArgBytes+1)+`"]`)), "not shown")
	require.Contains(t, cleanMessage("secret", valuesOf("["+strings.Repeat("1,", maxArgValues)+"1]")), "not shown")
}

func TestErrorsOfPythonPHPAndJavaScript(t *testing.T) {
	t.Parallel()
	type parse func(string) (class, message string)
	javaScript := func(text string) (string, string) {
		message, stack, _ := strings.Cut(text, "|")
		return parseStack(stack, message), message
	}
	for _, tt := range []struct {
		name           string
		parse          parse
		text           string
		class, message string
	}{
		{"Python", parseTraceback, "Traceback (most recent call last):\n  File \"w.py\", line 1, in f\n    g()\nredis.exceptions.TimeoutError: Timeout reading\nmore\n",
			"redis.exceptions.TimeoutError", "Timeout reading"},
		{"without a message", parseTraceback, "Traceback (most recent call last):\n  File \"w.py\", line 1\nKeyboardInterrupt\n", "KeyboardInterrupt", ""},
		{"of two the last", parseTraceback, "Traceback (most recent call last):\n  File\nKeyError: 'a'\n\nDuring handling of the above exception, another exception occurred:\n\n" +
			"Traceback (most recent call last):\n  File\nValueError: b: c\n", "ValueError", "b: c"},
		{"no traceback", parseTraceback, "Work-horse terminated unexpectedly; waitpid returned 9", "", "Work-horse terminated unexpectedly; waitpid returned 9"},
		{"nothing", parseTraceback, "", "", ""},
		{"a cut one", parseTraceback, "Traceback (most recent call last):\n  File", "", ""},
		{"PHP", parsePHPError, "App\\Errors\\Bad: no mail in box in /srv/app/Mail.php:12\nStack trace:\n#0 {main}", "App\\Errors\\Bad", "no mail in box"},
		{"PHP with a cause", parsePHPError, "PDOException: gone in /a.php:1\nStack trace:\n#0 {main}\n\nNext RuntimeException: failed in /b.php:2\nStack trace:\n#0 {main}",
			"RuntimeException", "failed"},
		{"PHP without a place", parsePHPError, "it is over", "", "it is over"},
		{"JavaScript", javaScript, "x is not a function|TypeError: x is not a function\n    at f (a.js:1)", "TypeError", "x is not a function"},
		{"an error of another message", javaScript, "other|RangeError: too much\n    at f", "RangeError", "other"},
		{"no stack", javaScript, "job stalled more than allowable limit|", "", "job stalled more than allowable limit"},
		{"a text", javaScript, "oops|just a text: of words", "", "oops"},
	} {
		class, message := tt.parse(tt.text)
		require.Equal(t, tt.class, class, tt.name)
		if message != "" || tt.message != "" {
			require.Equal(t, tt.message, firstLine(message), tt.name)
		}
	}
}

func TestNumbersMakeNoOtherGroup(t *testing.T) {
	t.Parallel()
	require.Equal(t, withoutNumbers("timeout after 5003 ms at 10:17"), withoutNumbers("timeout after 12 ms at 9:00"))
	require.Equal(t, withoutNumbers("no job 3f0-a1"), withoutNumbers("no job 77-b2"))
	require.NotEqual(t, withoutNumbers("no job"), withoutNumbers("no user"))
	require.Equal(t, "größer als 0 – ja", withoutNumbers("größer als 12 – ja"))
}

func TestPickledCalls(t *testing.T) {
	t.Parallel()
	// pickle.dumps(("tasks.fail", None, (7, 70000, -3, 300, 12345678901, "bob", b"raw", 1.5), {"who": "eve"}), protocol) of Python 3.11
	for protocol, text := range map[string]string{
		"4": "\x80\x04\x95O\x00\x00\x00\x00\x00\x00\x00(\x8c\ntasks.fail\x94N(K\x07Jp\x11\x01\x00J\xfd\xff\xff\xffM,\x01\x8a\x055\x1c\xdc\xdf\x02\x8c\x03bob\x94C\x03raw\x94G?\xf8\x00\x00\x00\x00\x00\x00t\x94}\x94\x8c\x03who\x94\x8c\x03eve\x94st\x94.",
		"0": "(Vtasks.fail\np0\nN(I7\nI70000\nI-3\nI300\nL12345678901L\nVbob\np1\nV raw\np2\nF1.5\ntp3\n(dp4\nVwho\np5\nVeve\np6\nstp7\n.",
	} {
		var texts, numbers []string
		require.NoError(t, pickled([]byte(text), func(s string) { texts = append(texts, strings.TrimSpace(s)) }, func(s string) { numbers = append(numbers, s) }), protocol)
		require.Equal(t, []string{"tasks.fail", "bob", "raw", "who", "eve"}, texts, protocol)
		require.Subset(t, numbers, []string{"7", "70000", "-3", "300", "12345678901"}, protocol)
	}
}

// requireShown fails for what must not be shown, or has not the form of it.
func requireShown(t *testing.T, text string) {
	t.Helper()
	require.True(t, utf8.ValidString(text), "%q", text)
	require.False(t, strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }), "%q", text)
	require.LessOrEqual(t, utf8.RuneCountInString(text), maxMessage)
}

func FuzzMessage(f *testing.F) {
	f.Add("Couldn't find User 12 with bob@example.com", `[12,{"mail":"bob@example.com"}]`)
	f.Add("cannot connect to redis://app:pass@host", `O:8:"App\Mail":1:{s:4:"name";s:5:"alice";}`)
	f.Add("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", `["xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"]`)
	f.Add("\xff\x00 password=\xfe", "\x80\x04K\x07")
	f.Fuzz(func(t *testing.T, message, args string) {
		a := valuesOf(args)
		require.LessOrEqual(t, len(a.texts)+len(a.numbers), maxArgValues)
		shown := cleanMessage(message, a)
		requireShown(t, shown)
		if a.over {
			return
		}
		masked := a.mask(firstLine(message))
		// What is left of the message between masks has no argument in it.
		for part := range strings.SplitSeq(masked, ask.Masked) {
			for _, s := range a.texts {
				if len(s) >= argWord && !strings.Contains(s, "*") {
					require.NotContains(t, asciiLower(part), s)
				}
			}
		}
	})
}

func FuzzFailedJobs(f *testing.F) {
	f.Add([]byte(`{"class":"FailJob","wrapped":"Mail","args":[{"job_class":"Mail","arguments":[1]}],"jid":"1","error_class":"RuntimeError","error_message":"boom 1","failed_at":1795227510946,"retried_at":1795227552.84}`))
	f.Add([]byte(`{"failed_at":"2026/11/21 03:02:03 UTC","payload":{"class":"FailJob","args":[0]},"exception":"RuntimeError","error":"boom 0","queue":"default"}`))
	f.Add([]byte("\x0a\x04fail\x12\x02{}\x22\x07default\x3a\x04boom\x58\xb2\xda\x88\xd8\x06"))
	f.Add([]byte(`["Error: boom\n    at f","TypeError: bang"]`))
	f.Add([]byte("\x80\x04\x95\x1a\x00\x00\x00\x00\x00\x00\x00(\x8c\ntasks.fail\x94NK\x07\x85\x94}\x94t\x94."))
	f.Add([]byte("x\x9ck`\x8a\x05\x00"))
	f.Add([]byte("Traceback (most recent call last):\n  File\nValueError: boom"))
	f.Add([]byte("A: b in /c.php:1\nStack trace:\n#0"))
	f.Fuzz(func(t *testing.T, text []byte) {
		failed := &failures{reading: &reading{}, seen: &failuresSeen{}}
		for _, dead := range []bool{false, true} {
			if e, err := failed.parseSidekiqFailure(text, dead); err == nil {
				requireFailure(t, e)
			}
		}
		if e, err := failed.parseResqueFailure(text); err == nil {
			requireFailure(t, e)
		}
		if e, err := parseDramatiqFailure(1, text); err == nil {
			requireFailure(t, e)
		}
		if task, err := parseAsynqMessage(text); err == nil && task.failedAt != 0 {
			requireMoment(t, task.failedAt)
		}
		if stack, err := parseBullStack(text); err == nil {
			parseStack(stack, stack)
		}
		parseTraceback(string(text))
		parsePHPError(string(text))
		bulk := resp.Value{Kind: resp.BulkString, Str: text}
		_, args := parseRQData(bulk)
		require.LessOrEqual(t, args.bytes, maxArgBytes+maxDetail)
		requireShown(t, cleanMessage(string(text), horizonArgs(bulk)))
		out, err := inflate(text, 1000)
		require.True(t, err != nil || len(out) <= max(1000, len(text)))
		n := 0
		_ = pickled(text, func(s string) { n += len(s) }, func(string) {})
		require.LessOrEqual(t, n, len(text))
	})
}

func requireFailure(t *testing.T, e failure) {
	t.Helper()
	requireShown(t, e.message)
	requireShown(t, e.class)
	requireShown(t, e.err)
	if e.at != 0 {
		requireMoment(t, e.at)
	}
}
