package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestShorten(t *testing.T) {
	t.Parallel()
	require.Equal(t, "a\nb", shorten("a\nb", 0))
	require.Equal(t, "a b", shorten("a\r\n  b\n", 3))
	require.Equal(t, "ab…", shorten("abcd", 3))
	require.Equal(t, "äö…", shorten("äöüß", 3))
}
