package resp

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestScalarsAreReadWithoutInventingAValue(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name              string
		in                Value
		text, integer, fl any // the value, or nil for an error
	}{
		{"simple string", str(SimpleString, "OK"), "OK", nil, nil},
		{"number as bulk", str(BulkString, "12"), "12", int64(12), 12.0},
		{"negative number as bulk", str(BulkString, "-12"), "-12", int64(-12), -12.0},
		{"fraction as bulk", str(BulkString, "1.5"), "1.5", nil, 1.5},
		{"empty bulk", str(BulkString, ""), "", nil, nil},
		{"number with a tail", str(BulkString, "12x"), "12x", nil, nil},
		{"number above 64 bits", str(BigNumber, "99999999999999999999"), "99999999999999999999", nil, 1e20},
		{"integer", num(5), "5", int64(5), 5.0},
		{"true", Value{Kind: Boolean, Int: 1}, "1", int64(1), 1.0},
		{"double", str(Double, "2.5"), "2.5", nil, 2.5},
		{"infinite double", str(Double, "inf"), "inf", nil, nil},
		{"nan", str(Double, "nan"), "nan", nil, nil},
		{"verbatim string", str(VerbatimString, "a"), "a", nil, nil},
		{"null", Value{Kind: Null}, nil, nil, nil},
		{"error", str(Error, "ERR no"), nil, nil, nil},
		{"array", list(Array, num(1)), nil, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			check(t, tt.text, first(tt.in.Text()))
			check(t, tt.integer, first(tt.in.Int64()))
			check(t, tt.fl, first(tt.in.Float64()))
		})
	}
}

// first is the value, or the error if there is one.
func first[T any](v T, err error) any {
	if err != nil {
		return err
	}
	return v
}

func check(t *testing.T, want, got any) {
	t.Helper()
	if want == nil {
		require.Error(t, got.(error))
		return
	}
	require.Equal(t, want, got)
}

func TestNullIsAskedForByName(t *testing.T) {
	t.Parallel()
	null := Value{Kind: Null}
	require.True(t, null.IsNull())
	for _, err := range []any{
		first(null.Text()), first(null.Int64()), first(null.Float64()), first(null.Array()), first(null.Pairs()), first(null.Strings()),
	} {
		require.ErrorIs(t, err.(error), ErrNull)
	}
}

func TestAggregatesAreReadWhole(t *testing.T) {
	t.Parallel()
	words := list(Array, str(BulkString, "a"), num(2))
	got, err := words.Strings()
	require.NoError(t, err)
	require.Equal(t, []string{"a", "2"}, got)

	_, err = list(Array, str(BulkString, "a"), Value{Kind: Null}).Strings()
	require.ErrorIs(t, err, ErrNull)
	require.ErrorContains(t, err, "member 1")

	pairs, err := list(Map, str(BulkString, "a"), num(2)).Pairs()
	require.NoError(t, err)
	require.Len(t, pairs, 2)
	_, err = list(Array, num(1)).Pairs()
	require.ErrorContains(t, err, "expected pairs, got 1")
	_, err = num(1).Array()
	require.ErrorContains(t, err, "expected an array, got a reply of kind integer")
}

func TestAnErrorReplyIsAServerErrorWhateverIsAskedOfIt(t *testing.T) {
	t.Parallel()
	v := str(Error, "NOPERM this user has no permissions")
	for _, err := range []any{v.Err(), first(v.Text()), first(v.Int64()), first(v.Array())} {
		var se *ServerError
		require.True(t, errors.As(err.(error), &se))
		require.Equal(t, "NOPERM", se.Code)
	}
	require.NoError(t, num(1).Err())
	require.Error(t, str(BulkError, "ERR x").Err())
}

func TestServerErrorsAreOnePrintableLine(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, in, code, message string }{
		{"with a code", "WRONGTYPE Operation against a key", "WRONGTYPE", "WRONGTYPE Operation against a key"},
		{"without a code", "max number of clients reached", "", "max number of clients reached"},
		{"a code alone", "LOADING", "LOADING", "LOADING"},
		{"with control bytes", "ERR a\r\n\x1b[31mb\x00", "ERR", "ERR a   [31mb"},
		{"with bytes that are no UTF-8", "ERR \xff\xfe", "ERR", "ERR ?"},
		{"too long", "ERR " + repeat(300, "x"), "ERR", "ERR " + repeat(251, "x")},
		{"cut within a rune", "ERR " + repeat(300, "ü"), "ERR", "ERR " + repeat(125, "ü") + "?"},
		{"as long as it may be", repeat(255, "x"), "", repeat(255, "x")},
		{"a code of every kind of letter", "AZ_09 a", "AZ_09", "AZ_09 a"},
		{"a first word below the letters", "A@B a", "", "A@B a"},
		{"a first word above the letters", "A[B a", "", "A[B a"},
		{"a first word below the digits", "A/B a", "", "A/B a"},
		{"a first word above the digits", "A:B a", "", "A:B a"},
		{"empty", "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := NewServerError([]byte(tt.in))
			require.Equal(t, tt.code, e.Code)
			require.Equal(t, tt.message, e.Error())
		})
	}
}

func TestErrorsQuoteNoMoreThanTheBeginningOfAReply(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		repeat(32, "x"): `"` + repeat(32, "x") + `" is no integer`,
		repeat(33, "x"): `"` + repeat(32, "x") + `"… is no integer`,
	} {
		_, err := str(BulkString, text).Int64()
		require.EqualError(t, err, want)
	}
}

func TestALimitThatIsNotSetHasItsDefaultWhateverElseIsSet(t *testing.T) {
	t.Parallel()
	all := Limits{}.orDefault()
	require.Equal(t, Limits{64 << 20, 1 << 20, 16, 64 << 20, 256 << 20, 512 << 20, 512 << 20}, *all)
	for name, set := range map[string]func(l *Limits, n int){
		"MaxBulk":     func(l *Limits, n int) { l.MaxBulk = n },
		"MaxElements": func(l *Limits, n int) { l.MaxElements = n },
		"MaxDepth":    func(l *Limits, n int) { l.MaxDepth = n },
		"MaxReply":    func(l *Limits, n int) { l.MaxReply = n },
		"MaxTogether": func(l *Limits, n int) { l.MaxTogether = n },
		"MaxLines":    func(l *Limits, n int) { l.MaxLines = n },
		"MaxPass":     func(l *Limits, n int) { l.MaxPass = n },
	} {
		one, want, negative := Limits{}, *all, Limits{}
		set(&one, 1)
		set(&want, 1)
		require.Equal(t, want, *one.orDefault(), name)
		set(&negative, -1)
		require.Equal(t, *all, *negative.orDefault(), name)
	}
}

func TestKindsHaveTheSpecificationsNames(t *testing.T) {
	t.Parallel()
	for _, tt := range valid {
		require.NotContains(t, tt.want.Kind.String(), "unknown")
	}
	require.Equal(t, "push", Push.String())
	require.Equal(t, `unknown kind 'H'`, Kind('H').String())
}
