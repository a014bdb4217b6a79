package redistest

import (
	"strconv"
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
			require.Equal(t, "0", s.InfoField(t, "memory", "number_of_cached_scripts"))
			use(s)
		})
		return addr
	}
	first := lend(func(s *Server) {
		s.Do(t, "SET", "a", "b")
		s.Do(t, "SELECT", "3")
		s.Do(t, "SET", "a", "b")
		s.Do(t, "CONFIG", "GET", "maxclients")
		s.Do(t, "EVAL", "return 1", "0")
	})
	require.Equal(t, first, lend(func(s *Server) { s.Do(t, "CONFIG", "SET", "maxclients", "9") }))
	second := lend(func(*Server) {})
	require.NotEqual(t, first, second, "its settings were changed")
	require.Equal(t, second, lend(func(s *Server) { s.Kill(t) }))
	require.NotEqual(t, second, lend(func(*Server) {}), "it ended")
}

func TestManyCommandsInFewRoundTrips(t *testing.T) {
	s := Borrow(t)
	var commands [][]string
	for i := range 2*pipelined + 1 {
		commands = append(commands, []string{"INCRBY", "n", strconv.Itoa(i)})
	}
	replies := s.DoAll(t, commands...)
	require.Len(t, replies, len(commands))
	require.Equal(t, []string{"0", "1", "3"}, replies[:3])
	require.Equal(t, strconv.Itoa(pipelined*(2*pipelined+1)), replies[2*pipelined])
	got, err := s.pipeline([][]string{{"SET", "a", "b"}, {"LPUSH", "a", "x"}, {"GET", "a"}})
	require.ErrorContains(t, err, "WRONGTYPE")
	require.Equal(t, []string{"OK"}, got)
	require.Equal(t, "b", s.Do(t, "GET", "a"), "no reply is left over")
}
