package doctor

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAPanicIsAProblemOfItsSession(t *testing.T) {
	t.Parallel()
	d := &doctor{}
	found := d.safely("Prod", func() []finding { panic("boom") })
	require.Equal(t, []finding{ofSession(problem, "Prod: internal error: boom", "please report it, with the version of the server")}, found)
	d.config = nil // what examine cannot do without
	d.examineSafely()
	require.Len(t, d.findings, 1)
	require.Equal(t, problem, d.findings[0].level)
	require.Contains(t, d.findings[0].text, "internal error")
}
