package redisclient

import (
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/redisclient/resp"
)

// one is a server's only reply, read as it came.
func one(t *testing.T, text string) resp.Value {
	t.Helper()
	f := redistest.NewFake(t, redistest.Script{redistest.Answer(text)})
	values, err := dial(t, Config{Address: f.Addr}).DoAll(soon(t), ping)
	require.NoError(t, err)
	return values[0]
}

func TestTIMEIsReadAsSecondsWithAFraction(t *testing.T) {
	t.Parallel()
	at, err := ParseTime(one(t, "*2\r\n$10\r\n1700000000\r\n$6\r\n250000\r\n"))
	require.NoError(t, err)
	require.Equal(t, 1700000000.25, at)
	for text, want := range map[string]string{
		"-NOPERM no TIME\r\n":           "NOPERM no TIME",
		"+OK\r\n":                       "expected an array",
		"*1\r\n:1\r\n":                  "expected seconds and microseconds, got 1 members",
		"*3\r\n:1\r\n:2\r\n:3\r\n":      "expected seconds and microseconds, got 3 members",
		"*2\r\n+x\r\n:1\r\n":            `"x" is no integer`,
		"*2\r\n:1\r\n+y\r\n":            `"y" is no integer`,
		"*2\r\n$-1\r\n$6\r\n250000\r\n": "null",
	} {
		at, err := ParseTime(one(t, text))
		require.ErrorContains(t, err, want, "%q", text)
		require.Zero(t, at)
	}
}

func TestSCANIsReadAsACursorAndKeys(t *testing.T) {
	t.Parallel()
	cursor, keys, err := ParseScan(one(t, "*2\r\n$2\r\n17\r\n*2\r\n$1\r\na\r\n$0\r\n\r\n"))
	require.NoError(t, err)
	require.Equal(t, "17", cursor)
	require.Equal(t, []string{"a", ""}, keys)
	cursor, keys, err = ParseScan(one(t, "*2\r\n$1\r\n0\r\n*0\r\n"))
	require.NoError(t, err)
	require.Equal(t, "0", cursor)
	require.Empty(t, keys)
	for text, want := range map[string]string{
		"-NOPERM no SCAN\r\n":            "NOPERM no SCAN",
		"+0\r\n":                         "expected an array",
		"*1\r\n+0\r\n":                   "expected a cursor and keys, got 1 members",
		"*3\r\n+0\r\n*0\r\n*0\r\n":       "expected a cursor and keys, got 3 members",
		"*2\r\n$-1\r\n*0\r\n":            "null",
		"*2\r\n+0\r\n+a\r\n":             "expected an array",
		"*2\r\n+0\r\n*2\r\n+a\r\n*0\r\n": "member 1",
	} {
		_, _, err := ParseScan(one(t, text))
		require.ErrorContains(t, err, want, "%q", text)
	}
}

func TestAnEscapedTextMatchesItselfAlone(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	odd := `a*b?c[d]e\f`
	s.Do(t, "MSET", odd, "1", "axbxcde"+"f", "2", `axbxcde\f`, "3")
	c := dial(t, Config{Address: s.Addr})
	values, err := c.DoAll(soon(t), Command{"SCAN", "0", "MATCH", EscapeGlob(odd), "COUNT", "1000"})
	require.NoError(t, err)
	_, keys, err := ParseScan(values[0])
	require.NoError(t, err)
	require.Equal(t, []string{odd}, keys)
}
