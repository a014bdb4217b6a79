package plugin

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseItemKey(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, key string
		metric    string
		params    []string
		err       string
	}{
		{name: "a name alone has no parameters", key: "agent.ping", metric: "agent.ping"},
		{name: "every letter that a name may have", key: "aZ09._-", metric: "aZ09._-"},
		{name: "empty brackets are one empty parameter", key: "k[]", metric: "k", params: []string{""}},
		{name: "parameters are separated by commas", key: "k[a,b.c,3]", metric: "k", params: []string{"a", "b.c", "3"}},
		{name: "empty ones count", key: "k[,a,,]", metric: "k", params: []string{"", "a", "", ""}},
		{name: "blanks before a parameter do not count", key: "k[ a,  b]", metric: "k", params: []string{"a", "b"}},
		{name: "blanks within and behind it do", key: "k[a b ,c ]", metric: "k", params: []string{"a b ", "c "}},
		{name: "a quoted one may hold everything", key: `k["a, b]","[c]"]`, metric: "k", params: []string{"a, b]", "[c]"}},
		{name: "blanks around a quoted one do not count", key: `k[ "a" , "b" ]`, metric: "k", params: []string{"a", "b"}},
		{name: "a quote within quotes is escaped", key: `k["say \"a\"",b]`, metric: "k", params: []string{`say "a"`, "b"}},
		{name: "a backslash escapes nothing else", key: `k["a\b\\c"]`, metric: "k", params: []string{`a\b\\c`}},
		{name: "quotes within an unquoted one are text", key: `k[a"b",c\"]`, metric: "k", params: []string{`a"b"`, `c\"`}},
		{name: "any characters", key: "k[ü\x00\n\xff]", metric: "k", params: []string{"ü\x00\n\xff"}},

		{name: "nothing", key: "", err: `"" is not a valid item key`},
		{name: "no name", key: "[a]", err: `"" is not a valid item key`},
		{name: "a blank in the name", key: "k [secret]", err: `"k " is not a valid item key`},
		{name: "a letter that names do not take", key: "kü[secret]", err: `"kü" is not a valid item key`},
		{name: "no closing bracket", key: "k[a,secret", err: "item key k: parameter 2: the closing bracket is missing"},
		{name: "none behind quotes", key: `k["secret"`, err: "item key k: parameter 1: the closing bracket is missing"},
		{name: "no closing quote", key: `k["secret]`, err: "item key k: parameter 1: a closing quote is missing"},
		{name: "an escaped quote closes nothing", key: `k["secret\"]`, err: "item key k: parameter 1: a closing quote is missing"},
		{name: "text behind quotes", key: `k[a,"b"secret]`, err: "item key k: parameter 2: text after the closing quote"},
		{name: "text behind the bracket", key: "k[a]secret", err: "item key k: text after the closing bracket"},
		{name: "a second bracket", key: "k[a][secret]", err: "item key k: text after the closing bracket"},
		{name: "an array", key: "k[a,[secret,c]]", err: "item key k: parameter 2: begins with [, which makes an array of it: put it in quotes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			metric, params, err := ParseItemKey(test.key)
			if test.err != "" {
				require.ErrorContains(t, err, test.err)
				require.NotContains(t, err.Error(), "secret")
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.metric, metric)
			require.Equal(t, test.params, params)
		})
	}
}

// quoteKey writes a key with its parameters quoted; ok is false for a
// parameter that cannot be, because a backslash would escape the last quote.
func quoteKey(name string, params []string) (key string, ok bool) {
	if params == nil {
		return name, true
	}
	quoted := make([]string, len(params))
	for i, p := range params {
		if strings.HasSuffix(p, `\`) {
			return "", false
		}
		quoted[i] = `"` + strings.ReplaceAll(p, `"`, `\"`) + `"`
	}
	return name + "[" + strings.Join(quoted, ",") + "]", true
}

func FuzzParseItemKey(f *testing.F) {
	for _, key := range []string{
		"agent.ping", "k[]", "k[a,b]", "k[ a , b ]", `k["a,]",b]`, `k["a\"b"]`, `k["a\\"]`, `k[a\]`, "k[a", `k["a`, `k["a"b]`,
		"k[a]b", "[a]", "", "k[[a,b]]", "redis.server.info[tcp://localhost:6379,,default]",
	} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		name, params, err := ParseItemKey(key)
		if err != nil {
			require.Empty(t, name)
			require.Nil(t, params)
			return
		}
		again, ok := quoteKey(name, params)
		if !ok {
			return
		}
		name2, params2, err := ParseItemKey(again)
		require.NoError(t, err, again)
		require.Equal(t, name, name2)
		require.Equal(t, params, params2)
	})
}
