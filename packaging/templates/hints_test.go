package templates

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRootsLeadToTheCause: the problem that nothing is reached shows which server was asked, and the problem that there
// are no values the item that has the error, with the command that shows it.
func TestRootsLeadToTheCause(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, d := range loadAll(t) {
		for _, tr := range d.triggers {
			if !slices.Contains(roots[d.base()], tr.Name) {
				continue
			}
			seen++
			must := func(well bool, format string, args ...any) { d.must(t, well, tr.Name, format, args...) }
			asks := d.byKey[calls(t, tr.Expression)[0].key]
			for asks.Type == "DEPENDENT" {
				asks = d.byKey[asks.MasterItem.Key]
			}
			if strings.HasPrefix(tr.Expression, "nodata(") {
				must(strings.Contains(tr.OpData, `"`+asks.Name+`"`), "its data must name the item with the error, %q, not say %q", asks.Name, tr.OpData)
				must(strings.Contains(tr.Description, "-t '"+asks.Key+"'"), "its description must have the command that polls %s", asks.Key)
				continue
			}
			conn := userMacro.FindString(asks.Key)
			must(strings.Contains(tr.OpData, conn), "its data must show what was asked, %s, not only %q", conn, tr.OpData)
			must(strings.Contains(tr.Description, d.macroValue(conn)), "its description must have the default of %s", conn)
		}
	}
	require.Greater(t, seen, 30)
}
