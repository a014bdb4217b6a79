package ask

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnErrorIsOneLineOf255Characters(t *testing.T) {
	t.Parallel()
	line := ErrorLine("Prod", errors.New(strings.Repeat("ž\n", 500)+"\xff"))
	require.Len(t, []rune(line), MaxErrorLine)
	require.NotContains(t, line, "\n")
	require.True(t, strings.HasPrefix(line, "Cannot query Prod: ž ž"))
	require.True(t, strings.HasSuffix(line, "…"))
	require.Equal(t, "Cannot query Prod: a?", ErrorLine("Prod", errors.New("a\xff")))
}
