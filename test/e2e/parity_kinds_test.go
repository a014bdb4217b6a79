//go:build e2e && linux

package e2e

import (
	"testing"

	"redisjobs/internal/redistest"
	"redisjobs/test/agent"
)

// TestParityOnServersOfOtherKinds compares our four keys with those of the built-in plugin of the newest agent, on every
// kind and version of server there is to run.
func TestParityOnServersOfOtherKinds(t *testing.T) {
	agents := agent.List(t)
	r := builtin(t, agents[len(agents)-1])
	for _, f := range redistest.Flavours(t) {
		t.Run(f.Name, func(t *testing.T) {
			f.Need(t)
			s := redistest.Start(t, redistest.Config{Bin: f.Bin})
			fill(t, s)
			_, _ = s.TryDo("NOSUCHCOMMAND")
			var missing []string
			for _, section := range infoSections[1:] {
				if s.Do(t, "INFO", section) == "" {
					missing = append(missing, section)
				}
			}
			serverParity(t, r, "tcp://"+s.Addr, "", missing...)
		})
	}
	r.Stop(t)
}
