package item

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhatWasNotUsedForTheLongestTimeIsForgotten(t *testing.T) {
	t.Parallel()
	var m Memory
	m.Store("polled", 1)
	for i := range 10 * memoryEntries {
		m.Store(fmt.Sprint("once ", i), i)
		v, ok := m.Load("polled")
		require.True(t, ok)
		require.Equal(t, 1, v)
		require.LessOrEqual(t, len(m.vals), memoryEntries)
	}
	_, ok := m.Load("once 0")
	require.False(t, ok)
	v, ok := m.Load(fmt.Sprint("once ", 10*memoryEntries-1))
	require.True(t, ok, "the newest")
	require.Equal(t, 10*memoryEntries-1, v)
}

func TestAMemoryIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	type refusal struct {
		Err   error
		Until time.Time
	}
	long := strings.Repeat("x", 2048)
	for name, store := range map[string]func(m *Memory, i int){
		"names":  func(m *Memory, i int) { m.Store(fmt.Sprint(i, long), true) },
		"texts":  func(m *Memory, i int) { m.Store(fmt.Sprint(i), long) },
		"slices": func(m *Memory, i int) { m.Store(fmt.Sprint(i), make([]int64, 256)) },
		"errors": func(m *Memory, i int) { m.Store(fmt.Sprint(i), refusal{Err: errors.New(long)}) },
		"updates": func(m *Memory, i int) {
			m.Update(fmt.Sprint(i), func(any) any {
				return struct {
					inner struct{ s string }
					err   error
				}{struct{ s string }{long}, errors.New("unseen")}
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var m Memory
			for i := range 4000 {
				store(&m, i)
				require.LessOrEqual(t, m.bytes, memoryBytes)
			}
			require.Less(t, len(m.vals), 600)
			require.Greater(t, len(m.vals), 300)
			sum := 0
			for _, r := range m.vals {
				sum += r.bytes
			}
			require.Equal(t, sum, m.bytes)
		})
	}
	var m Memory
	m.Store("one", strings.Repeat("x", 2*memoryBytes))
	require.Len(t, m.vals, 1, "a single one is kept: it is bounded by who stores it")
}
