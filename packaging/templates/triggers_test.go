package templates

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestConditions: what all triggers have in common is made, not written.
func TestConditions(t *testing.T) {
	t.Parallel()
	g := &generator{source: &source{Interval: "{$P.INTERVAL}", Roots: []string{"Down"}}}
	rule := &sourceRule{Tags: ordered{{"queue", "{#QUEUE}"}}}
	for _, tt := range []struct {
		name, problem, recovery string
		trigger                 sourceTrigger
		rule                    *sourceRule
	}{
		{name: "a root cannot be switched off", trigger: sourceTrigger{Name: "Down", If: "max(//up,{$P.DOWN.POLLS})=0"},
			problem: "max(//up,{$P.DOWN.POLLS})=0"},
		{name: "a problem is switched off by its name", trigger: sourceTrigger{Name: "Full", If: "last(//a)=1 or last(//b)=1", Until: "last(//a)=0"},
			problem: `{$P.CHECK:"Full"}=1 and (last(//a)=1 or last(//b)=1)`, recovery: `{$P.CHECK:"Full"}<>1 or last(//a)=0`},
		{name: "one of what was discovered by its row", rule: rule, trigger: sourceTrigger{Name: "Queue {#QUEUE} is slow", If: `last(//a["{#QUEUE}"])>1`},
			problem: `{$P.CHECK:"{#QUEUE}"}=1 and last(//a["{#QUEUE}"])>1`},
		{name: "a period that is said must have passed", rule: rule,
			trigger: sourceTrigger{Name: "Slow", If: `min(//a["{#QUEUE}"],{$P.PERIOD:"slow"})>1`, Event: `(over 1 for {$P.PERIOD:"slow"})`},
			problem: `{$P.CHECK:"{#QUEUE}"}=1 and min(//a["{#QUEUE}"],{$P.PERIOD:"slow"})>1 and ` +
				`count(//a["{#QUEUE}"],{$P.PERIOD:"slow"}:now-{$P.PERIOD:"slow"})>0`,
			recovery: `({$P.CHECK:"{#QUEUE}"}=1 and min(//a["{#QUEUE}"],{$P.PERIOD:"slow"})>1)=0`},
		{name: "one that is not said need not", trigger: sourceTrigger{Name: "Fork", If: "max(//a,{$P.PERIOD})<>min(//a,{$P.PERIOD})", Event: "within {$P.PERIOD}"},
			problem: `{$P.CHECK:"Fork"}=1 and max(//a,{$P.PERIOD})<>min(//a,{$P.PERIOD})`},
	} {
		problem, recovery := g.conditions(tt.trigger, tt.rule)
		require.Equal(t, tt.problem, problem, tt.name)
		require.Equal(t, tt.recovery, recovery, tt.name)
	}
}

// TestPeriodsMustPass: every trigger whose event says for how long something has lasted stays quiet while there are no
// values of that age, as just after its host or its row was discovered, and does not end because there are none.
func TestPeriodsMustPass(t *testing.T) {
	t.Parallel()
	waits := 0
	for _, d := range load(t) {
		for _, tr := range d.triggers {
			claimed := false
			for _, m := range window.FindAllStringSubmatch(strings.ReplaceAll(tr.Expression, "(/"+d.Name+"/", "(//"), -1) {
				claimed = claimed || strings.Contains(tr.EventName, "for "+m[2]) || strings.Contains(tr.EventName, "over "+m[2])
			}
			if !claimed {
				continue
			}
			waits++
			young := func(text string) float64 {
				result, _ := evaluate(t, text, func(name string) string { return d.macroValue(name) }, func(c call) any {
					if c.fn == "count" && len(c.args) > 0 && strings.Contains(c.args[0], ":now-") {
						return 0.0
					}
					return math.NaN() // whatever else there is
				})
				return result
			}
			d.must(t, young(tr.Expression) == 0, tr.Name, "it must be quiet while no value is as old as its event says")
			d.must(t, tr.Recovery != "" && !strings.Contains(tr.Recovery, ":now-"), tr.Name, "it must not end because values were missing")
		}
	}
	require.Greater(t, waits, 50)
}
