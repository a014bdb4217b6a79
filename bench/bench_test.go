package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/ports"
)

func inScope(t *testing.T, f func(s *scope)) {
	t.Helper()
	require.NoError(t, within(func(s *scope) error { f(s); return nil }))
}

func TestMedianAndRatioAreOfTheTurns(t *testing.T) {
	t.Parallel()
	a := outcome{turns: []values{{cpu: 10}, {cpu: 30}, {cpu: 80}}}
	b := outcome{turns: []values{{cpu: 5}, {cpu: 10}, {cpu: 80}}}
	m, ok := a.median(cpu)
	require.True(t, ok)
	require.Equal(t, 30.0, m)
	r, ok := ratio(a, b, cpu)
	require.True(t, ok)
	require.Equal(t, 2.0, r, "the median of 2, 3 and 1")
	_, ok = a.median(rate)
	require.False(t, ok)
	even, _ := median([]float64{4, 1, 3, 2})
	require.Equal(t, 2.5, even)
}

func TestPercentiles(t *testing.T) {
	t.Parallel()
	var l latencies
	for i := 100; i > 0; i-- {
		l.add(time.Duration(i) * time.Millisecond)
	}
	v := values{}
	l.fill(v)
	require.Equal(t, values{p50: 50, p99: 99}, v)
}

func TestAClaimWithoutAFigureDoesNotHold(t *testing.T) {
	t.Parallel()
	none, _ := median(nil)
	require.False(t, claim{measured: none, bound: 1}.holds())
	require.False(t, claim{measured: none, bound: 1, atLeast: true}.holds())
	require.True(t, claim{measured: 1, bound: 1}.holds())
}

func TestTheTableSaysWhereAPeerIsAhead(t *testing.T) {
	t.Parallel()
	table := table{columns: []column{colRate, colCPU}}
	ours := outcome{turns: []values{{rate: 100, cpu: 10}}}
	require.Equal(t, "per second 2.00x, CPU 1.00x; **ahead of us: per second**",
		table.comparison(ours, outcome{turns: []values{{rate: 200, cpu: 10}}}))
	require.Equal(t, "per second 0.50x, CPU 2.00x",
		table.comparison(ours, outcome{turns: []values{{rate: 50, cpu: 20}}}))
	require.Equal(t, "per second 1.00x, CPU 0.50x",
		table.comparison(ours, outcome{own: true, turns: []values{{rate: 100, cpu: 5}}}))
}

func TestScopesCleanUpAfterAFatalError(t *testing.T) {
	t.Parallel()
	var dir string
	err := within(func(s *scope) error {
		dir = s.TempDir()
		require.DirExists(t, dir)
		s.Fatalf("it broke")
		return errors.New("not reached")
	})
	require.EqualError(t, err, "it broke")
	require.NoDirExists(t, dir)
}

func TestCPUTimeIsThatOfTheProcess(t *testing.T) {
	t.Parallel()
	before, err := cpuTime(os.Getpid())
	require.NoError(t, err)
	for began := time.Now(); time.Since(began) < 50*time.Millisecond; {
	}
	after, err := cpuTime(os.Getpid())
	require.NoError(t, err)
	require.Greater(t, after-before, 10*time.Millisecond)

	_, err = childrenTime(os.Getpid())
	require.NoError(t, err)
	cmd := exec.Command("true")
	require.NoError(t, cmd.Run())
	_, err = cpuTime(cmd.Process.Pid)
	require.Error(t, err, "it has ended")
}

func TestDeadServersAreDeadInTheirWay(t *testing.T) {
	t.Parallel()
	inScope(t, func(s *scope) {
		dial := func(addr string) (net.Conn, error) { return net.DialTimeout("tcp", addr, 300*time.Millisecond) }
		conn, err := dial(stalled(s))
		require.NoError(t, err)
		defer conn.Close()
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(200*time.Millisecond)))
		_, err = conn.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)

		_, err = dial(blackhole(s))
		var late net.Error
		require.ErrorAs(t, err, &late)
		require.True(t, late.Timeout())

		_, err = dial(ports.FreeAddr(s))
		require.ErrorContains(t, err, "refused")
	})
}

func TestADelayedServerIsThatFarAway(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	inScope(t, func(s *scope) {
		const late = 20 * time.Millisecond
		conn, err := net.Dial("tcp", delayed(s, listener.Addr().String(), late))
		require.NoError(t, err)
		defer conn.Close()
		in := bufio.NewReader(conn)
		for _, trips := range []time.Duration{2, 1} { // the first one pays for the connect
			began := time.Now()
			_, err = io.WriteString(conn, "hello\n")
			require.NoError(t, err)
			text, err := in.ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, "hello\n", text)
			require.InDelta(t, trips*2*late, time.Since(began), float64(late))
		}
	})
}

func TestRowsAreChosenByName(t *testing.T) {
	t.Parallel()
	all, err := choose("")
	require.NoError(t, err)
	require.Len(t, all, len(rows))
	two, err := choose("pools,process")
	require.NoError(t, err)
	require.Equal(t, []string{"pools", "process"}, []string{two[0].name, two[1].name})
	_, err = choose("process,poool")
	require.ErrorContains(t, err, `no row "poool"`)
}

func TestManyServersAreSharedOutByTargetsAndByProcessor(t *testing.T) {
	t.Parallel()
	_, ok := costs(nil)
	require.False(t, ok, "nothing was measured")
	u := unitCosts{cpu: 600, rssFew: 43, rssMany: 70, answer: 10_000}
	v := u.scaled(100_000)
	require.InDelta(t, 1666.7, v[checks], 0.1)
	require.InDelta(t, 1.0, v[processors], 1e-9)
	require.Equal(t, 10.0, v[agents], "by targets")
	require.Equal(t, []float64{70, 700}, []float64{v[memoryEach], v[memoryAll]})
	require.InDelta(t, 16.7, v[traffic], 0.1)
	require.Equal(t, 43.0, u.scaled(1000)[memoryAll])
	u.cpu = 6000
	require.Equal(t, 21.0, u.scaled(100_000)[agents], "by processor")
	table, ok := scale([]table{{groups: []group{
		{"get, 16 at once", []outcome{{turns: []values{{totalCPU: 600}}}}},
		{"1000 targets", []outcome{{turns: []values{{rssInfo: 43}}}}}, {"10000 targets", []outcome{{turns: []values{{rssInfo: 70}}}}},
		{"get, 1 at once", []outcome{{turns: []values{{answer: 10_000}, {}}}}},
	}}})
	require.True(t, ok)
	require.Len(t, table.groups, 3)
}
