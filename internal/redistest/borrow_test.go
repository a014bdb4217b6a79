package redistest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestALentServerIsEmptyAndLentAgainOnlyAsItWas(t *testing.T) {
	lend := func(use func(s *Server)) (addr string) {
		t.Run("test", func(t *testing.T) {
			s := Borrow(t)
			addr = s.Addr
			require.Equal(t, "0", s.Do(t, "DBSIZE"))
			require.Equal(t, "10000", s.InfoField(t, "clients", "maxclients"))
			use(s)
		})
		return addr
	}
	first := lend(func(s *Server) {
		s.Do(t, "SET", "a", "b")
		s.Do(t, "SELECT", "3")
		s.Do(t, "SET", "a", "b")
		s.Do(t, "CONFIG", "GET", "maxclients")
	})
	require.Equal(t, first, lend(func(s *Server) { s.Do(t, "CONFIG", "SET", "maxclients", "9") }))
	second := lend(func(*Server) {})
	require.NotEqual(t, first, second, "its settings were changed")
	require.Equal(t, second, lend(func(s *Server) { s.Kill(t) }))
	require.NotEqual(t, second, lend(func(*Server) {}), "it ended")
}
