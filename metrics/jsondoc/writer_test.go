package jsondoc

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCommasStandBetweenMembersOnly(t *testing.T) {
	t.Parallel()
	w := New(0)
	w.BeginObject()
	w.Key("empty").BeginObject()
	w.EndObject()
	w.Key("list").BeginArray()
	w.Int(-1)
	w.Uint(math.MaxUint64)
	w.BeginArray()
	w.EndArray()
	w.BeginObject()
	w.Key("x").Bool(true)
	w.KeyBytes([]byte("y")).StringBytes([]byte("z"))
	w.EndObject()
	w.String("a")
	w.EndArray()
	w.Key("last").Bool(false)
	w.EndObject()
	require.Equal(t,
		`{"empty":{},"list":[-1,18446744073709551615,[],{"x":true,"y":"z"},"a"],"last":false}`,
		w.Document())
	require.Equal(t, w.Document(), string(w.Bytes()))
}

func TestANumberThatIsNoneIsLeftOutWithItsKey(t *testing.T) {
	t.Parallel()
	w := New(0)
	w.BeginObject()
	w.Key("first").Float(math.NaN())
	w.Key("a").Float(1.5)
	w.Key("inf").Float(math.Inf(1))
	w.Key("b").BeginArray()
	w.Float(math.Inf(-1))
	w.Float(2)
	w.Float(math.NaN())
	w.Float(3)
	w.EndArray()
	w.Key("last").Float(math.NaN())
	w.EndObject()
	require.Equal(t, `{"a":1.5,"b":[2,3]}`, w.Document())
}

func TestFloatsReadBackAndAvoidExponents(t *testing.T) {
	t.Parallel()
	for f, want := range map[float64]string{
		0:           "0",
		-0.25:       "-0.25",
		0.000001003: "0.000001003",
		1e20:        "100000000000000000000",
		1e21:        "1e+21",
		1e-10:       "1e-10",
	} {
		w := New(0)
		w.Float(f)
		require.Equal(t, want, w.Document())
		back, err := strconv.ParseFloat(w.Document(), 64)
		require.NoError(t, err)
		require.Equal(t, f, back)
	}
}

func TestIsNumberFollowsTheGrammar(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"0", "-0", "7", "-1", "10.50", "0.00", "1e5", "1E-5", "12.5e+3", "18446744073709551615"} {
		require.True(t, IsNumber([]byte(s)), s)
	}
	for _, s := range []string{
		"", "-", "+1", "007", "00000000", ".5", "1.", "1e", "1e+", "0x10", "nan", "-nan", "inf",
		"1e999", "1 ", " 1", "1_000", "99%", "1.2.3", "١",
	} {
		require.False(t, IsNumber([]byte(s)), s)
	}
	w := New(0)
	w.BeginArray()
	w.Number([]byte("1.50"))
	w.Number([]byte("007"))
	w.EndArray()
	require.Equal(t, `[1.50,"007"]`, w.Document())
}

func FuzzStringEqualsEncodingJSON(f *testing.F) {
	for _, s := range []string{
		"", "plain", `"\/`, "<a href='x'>&</a>", "\x00\x01\x1f\x7f\b\f\n\r\t", "\u2028\u2029", "žluť 日本 😀",
		"\xff", "a\xc3", "\xed\xa0\x80", "\xf0\x9f\x98", "\ufffd", "\xe2\x80",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := json.Marshal(s)
		require.NoError(t, err)
		w := New(0)
		w.String(s)
		require.Equal(t, string(want), w.Document())
		w = New(0)
		w.StringBytes([]byte(s))
		require.Equal(t, string(want), w.Document())
	})
}

func FuzzIsNumberEqualsEncodingJSON(f *testing.F) {
	for _, s := range []string{"0", "-1.5e3", "007", "1e999", "nan", "true", "\"1\"", " 1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var n float64
		want := json.Unmarshal([]byte(s), &n) == nil && s != "" && s != "null" &&
			(s[0] == '-' || s[0] >= '0' && s[0] <= '9') && s[len(s)-1] > ' '
		require.Equal(t, want, IsNumber([]byte(s)))
	})
}

func BenchmarkString(b *testing.B) {
	w := New(128)
	text := []byte("replica-announced-hostname.example.org:6379")
	b.ReportAllocs()
	for b.Loop() {
		w.buf = w.buf[:0]
		w.StringBytes(text)
	}
}

// FuzzQuotedIsTheDocumentInAString builds one document both ways.
func FuzzQuotedIsTheDocumentInAString(f *testing.F) {
	f.Add("key", "value", 1.5)
	f.Add(`quote"`, "back\\slash <&> \u2028 \xff \n", math.NaN())
	f.Fuzz(func(t *testing.T, key, value string, number float64) {
		write := func(w *Writer) {
			w.BeginObject()
			w.Key(key).String(value)
			w.KeyBytes([]byte(value)).Float(number)
			if IsPlain([]byte(key)) {
				w.KeyPlain([]byte(key)).BeginArray()
				w.StringPlain([]byte(key))
				w.StringBytes([]byte(value))
				w.EndArray()
			}
			w.Key("n").Int(-1)
			w.EndObject()
		}
		plain, quoted := New(0), NewQuoted([]byte("before"))
		write(plain)
		write(quoted)
		want := AppendString([]byte("before"), plain.Bytes())
		want = slices.Delete(want[:len(want)-1], len("before"), len("before")+1)
		require.Equal(t, string(want), string(quoted.Bytes()))
		require.Equal(t, len(plain.Bytes()), quoted.Len())
	})
}

// TestADocumentOverTheLimitIsCountedAndNotKept, and Restart begins anew.
func TestADocumentOverTheLimitIsCountedAndNotKept(t *testing.T) {
	t.Parallel()
	for _, w := range []*Writer{New(0), NewQuoted([]byte("before"))} {
		write := func(rows int) {
			w.BeginArray()
			for i := range rows {
				w.BeginObject()
				w.Key("name").String(strings.Repeat("x", 90))
				w.Key("none").Float(math.NaN())
				w.Key("n").Int(int64(i % 10))
				w.EndObject()
			}
			w.EndArray()
		}
		const row = len(`{"name":"","n":1},`) + 90
		w.Limit(1000)
		write(100)
		require.Equal(t, 100*row+1, w.Len())
		require.Less(t, cap(w.Bytes()), 4000)
		w.Restart()
		write(2)
		require.Equal(t, 2*row+1, w.Len())
		require.Contains(t, string(w.Bytes()), "xxx")
	}
}

// FuzzFloat: the short way writes what the long one does.
func FuzzFloat(f *testing.F) {
	for _, n := range []float64{0, math.Copysign(0, -1), 1, -1, 0.5, 0.1, 0.000001, -0.000001, 0.0000001, 1.000001, 999999999.999999, -999999999.999999, 1e9,
		1e15, 123456.789, 845123.412345, 0.1 + 0.2, 1.0 / 3, math.MaxInt64, 5e-324} {
		f.Add(n, int64(n))
	}
	f.Fuzz(func(t *testing.T, n float64, millionths int64) {
		for _, n := range []float64{n, float64(millionths) / 1e6} {
			if got, ok := appendMillionths(nil, n); ok {
				require.Equal(t, strconv.FormatFloat(n, 'f', -1, 64), string(got))
			}
		}
	})
}
