//go:build e2e && linux

package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/test/driver"
)

// peakRSS is the most memory that the process has had so far, in bytes.
func peakRSS(t testing.TB, p *driver.Plugin) int64 { return highestRSS(t, p.PID()) }

func highestRSS(t testing.TB, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(text)
	require.NotNil(t, found)
	return int64(number(t, string(found[1]))) << 10
}

// watch asks a healthy server all the time until the function is called, which fails the test unless every answer was
// right and came within the given time.
func watch(t testing.TB, p *driver.Plugin, conn string, s *redistest.Server, within time.Duration) (stop func()) {
	t.Helper()
	done := make(chan struct{})
	var group sync.WaitGroup
	var failure error
	n, slowest := 0, time.Duration(0)
	group.Go(func() {
		pace := time.NewTicker(5 * time.Millisecond)
		defer pace.Stop()
		for ; ; n++ {
			select {
			case <-done:
				return
			case <-pace.C:
			}
			c := ask(p, 3, conn, key(n))
			got, err := c.Answer()
			switch {
			case err != nil:
				failure = errors.Join(failure, err)
			case got != value(s, key(n)):
				failure = errors.Join(failure, fmt.Errorf("%s: %q", key(n), got))
			}
			if err == nil {
				slowest = max(slowest, c.TookAwake())
			}
		}
	})
	return func() {
		t.Helper()
		close(done)
		group.Wait()
		require.NoError(t, failure)
		require.Positive(t, n)
		require.Less(t, slowest, within, "the slowest of %d checks", n)
		t.Logf("%d checks of the healthy target, the slowest took %v", n, slowest)
	}
}

// endless writes the same text until the connection ends.
func endless(head, text string) redistest.Step {
	return func(p *redistest.Peer) error {
		if _, err := p.ReadCommand(); err != nil {
			return err
		}
		if _, err := io.WriteString(p, "+OK\r\n"+head); err != nil {
			return err
		}
		for chunk := strings.Repeat(text, 1+(32<<10)/len(text)); ; {
			if _, err := io.WriteString(p, chunk); err != nil {
				return err
			}
		}
	}
}

// says writes a text for the first command, and hangs up if told to.
func says(text string, hangUp bool) redistest.Step {
	return answer(func([]string, string) (string, bool) { return text, hangUp })
}

func TestStory14_HostileReply(t *testing.T) {
	t.Parallel()
	good := reply([]string{"CONFIG", "GET", "name"})
	const ok = "" // the value is right all the same
	rows := map[string]struct {
		step redistest.Step
		want string // regular expression for the error
		kept bool   // the connection is still in step
		cut  bool   // the server hung up: it is asked again, on another connection
	}{
		"a bulk that is cut":                    {step: says("*2\r\n$4\r\nname\r\n$100\r\nabc", true), want: ok, cut: true},
		"an array that is cut":                  {step: says("*2\r\n$4\r\nname\r\n", true), want: ok, cut: true},
		"a header that is cut":                  {step: says("*2\r\n$4", true), want: ok, cut: true},
		"half a reply and silence":              {step: says("*2\r\n$4\r\nname\r\n$100\r\nabc", false), want: "timeout"},
		"a bulk of 2^31 bytes":                  {step: says("$2147483648\r\n", false), want: "protocol error"},
		"a bulk of 2^63 bytes":                  {step: says("$9223372036854775808\r\n", false), want: "protocol error"},
		"a bulk of a negative length":           {step: says("$-2\r\n", false), want: "protocol error"},
		"a bulk of no length":                   {step: says("$\r\n", false), want: "protocol error"},
		"a length that is no number":            {step: says("$1e3\r\n", false), want: "protocol error"},
		"a bulk that is longer than it says":    {step: says("*2\r\n$4\r\nname\r\n$1\r\nlonger\r\n", false), want: "protocol error"},
		"a bulk that never ends":                {step: endless("$16777216\r\n", "x"), want: "protocol error"},
		"a bulk of 64 MB that never ends":       {step: endless("$67108864\r\n", "x"), want: "protocol error|timeout"},
		"a line that never ends":                {step: endless("+", "x"), want: "protocol error"},
		"an error that never ends":              {step: endless("-ERR ", "x"), want: "protocol error"},
		"an array of 2^31 members":              {step: says("*2147483648\r\n", false), want: "protocol error"},
		"an array of too many members":          {step: endless("*1000000000\r\n", ":1\r\n"), want: "protocol error"},
		"an array of a million texts":           {step: endless("*1000000\r\n", "$100\r\n"+strings.Repeat("x", 100)+"\r\n"), want: "more than was asked for|goes on for more than"}, // read past
		"an array of a negative length":         {step: says("*-5\r\n", false), want: "protocol error"},
		"an array in an array in an array":      {step: endless("", "*1\r\n"), want: "protocol error"},
		"a map in a map in a map":               {step: endless("", "%1\r\n+k\r\n"), want: "protocol error"},
		"pushes without end":                    {step: endless("", ">2\r\n+message\r\n$1000\r\n"+strings.Repeat("x", 1000)+"\r\n"), want: "protocol error"},
		"attributes without end":                {step: endless("", "|1\r\n+k\r\n+v\r\n"), want: "protocol error"},
		"an unknown type":                       {step: says("@2\r\n", false), want: "not a Redis reply|protocol error"},
		"an empty line":                         {step: says("\r\n", false), want: "not a Redis reply|protocol error"},
		"zero bytes":                            {step: says("\x00\x00\x00\x00", false), want: "not a Redis reply|protocol error"},
		"HTTP":                                  {step: says("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", true), want: "not a Redis reply|protocol error"},
		"SSH":                                   {step: says("SSH-2.0-OpenSSH_9.2\r\n", false), want: "not a Redis reply|protocol error"},
		"a TLS alert":                           {step: says("\x15\x03\x01\x00\x02\x02\x28", true), want: "not a Redis reply|protocol error"},
		"a second reply":                        {step: says(good+"+late\r\n", false), want: "more than was asked for"},
		"the beginning of a second reply":       {step: says(good+"$", false), want: "more than was asked for"},
		"nothing":                               {step: says("", true), want: ok, cut: true},
		"a null":                                {step: says("$-1\r\n", false), want: "null", kept: true},
		"a null array":                          {step: says("*-1\r\n", false), want: "null|array|map", kept: true},
		"a number":                              {step: says(":5\r\n", false), want: "array|map", kept: true},
		"a status":                              {step: says("+OK\r\n", false), want: "array|map", kept: true},
		"a boolean":                             {step: says("#t\r\n", false), want: "array|map", kept: true},
		"half a pair":                           {step: says("*3\r\n+name\r\n+value\r\n+other\r\n", false), want: "odd|pair|array|map", kept: true},
		"arrays where a text should be":         {step: says("*2\r\n+name\r\n*1\r\n*1\r\n+value\r\n", false), want: "name", kept: true},
		"an error inside of the array":          {step: says("*2\r\n+name\r\n-ERR nasty "+strings.Repeat("words ", 5000)+"\r\n", false), want: "nasty", kept: true},
		"an error with odd bytes":               {step: says("-ERR a\tb\x00c\xff\xfe%s\x1b[31m\r\n", false), want: "ERR a", kept: true},
		"an error of 60 KB":                     {step: says("-ERR "+strings.Repeat("long ", 12000)+"\r\n", false), want: "ERR long", kept: true},
		"the answer to another question":        {step: says(reply([]string{"CONFIG", "GET", "other"}), false), want: "no configuration parameter", kept: true},
		"a push before the reply":               {step: says(">3\r\n+message\r\n+channel\r\n+hello\r\n"+good, false), want: ok, kept: true},
		"an attribute before the reply":         {step: says("|1\r\n+ttl\r\n:5\r\n"+good, false), want: ok, kept: true},
		"a map of RESP3":                        {step: says("%1\r\n$4\r\nname\r\n$13\r\n"+valueOf("name")+"\r\n", false), want: ok, kept: true},
		"a reply in single bytes":               {step: dripping(good), want: ok, kept: true},
		"a reply that drips beyond the timeout": {step: dripping("*2\r\n$4\r\nname\r\n$5000\r\n" + strings.Repeat("x", 5000)), want: "timeout"},
	}
	random := rand.New(rand.NewPCG(14, 1))
	for i := range 40 {
		junk := make([]byte, 1+random.IntN(300))
		for j := range junk {
			junk[j] = byte(random.Uint32())
		}
		if strings.IndexByte("+-:$*_#,(!=%~>|", junk[0]) >= 0 {
			junk[0] = 'x' // what begins like a reply may go on like one
		}
		rows[fmt.Sprintf("random bytes %d", i)] = struct {
			step redistest.Step
			want string
			kept bool
			cut  bool
		}{step: says(string(junk), false), want: "not a Redis reply|protocol error"}
	}

	healthy := redis(t, redistest.Config{})
	p := start(t, "Sessions.Healthy.Uri=tcp://"+healthy.Addr)
	want(t, p, "Healthy", healthy, key(0))
	before := p.Resources(t)
	stop := watch(t, p, "Healthy", healthy, time.Second)
	t.Run("rows", func(t *testing.T) {
		for name, row := range rows {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				// The first connection is hostile, those after it are not.
				fake := redistest.NewFake(t, redistest.Script{row.step}, redistest.Script{answer(nil)})
				c := p.Ask(3, "redis.server.config", fake.Addr, "", "name")
				got, err := c.Answer()
				require.Less(t, c.TookAwake(), 5*time.Second)
				if row.want == ok {
					require.NoError(t, err)
					require.Equal(t, valueOf("name"), got)
				} else {
					var no *driver.Refused
					require.ErrorAs(t, err, &no, got)
					require.Regexp(t, row.want, no.Text)
					require.Contains(t, no.Text, "tcp://"+fake.Addr)
					require.Less(t, len(no.Text), 2000)
					require.True(t, utf8.ValidString(no.Text))
					require.NotRegexp(t, `[\x00-\x1f]`, no.Text)
				}
				target := p.Pool(t).Target(t, fake.Addr)
				if !row.kept {
					require.Equal(t, 1, target.Counters.Closed.Broken)
					require.Equal(t, row.cut, target.Open > 0)
				}
				var second string
				await(t, patience, "a good answer", func() bool {
					second, err = p.Get("redis.server.config", fake.Addr, "", "second")
					return err == nil || row.kept
				})
				if row.kept {
					require.Equal(t, 1, fake.Accepted())
					return
				}
				require.Equal(t, valueOf("second"), second)
				require.Equal(t, 2, fake.Accepted())
			})
		}
	})
	stop()
	awaitCalm(t, p, before)
	require.Less(t, peakRSS(t, p), int64(250<<20))
}

// dripping sends the reply byte by byte.
func dripping(text string) redistest.Step {
	return func(p *redistest.Peer) error {
		if _, err := p.ReadCommand(); err != nil {
			return err
		}
		if _, err := p.ReadCommand(); err != nil {
			return err
		}
		if _, err := io.WriteString(p, "+OK\r\n"); err != nil {
			return err
		}
		if err := redistest.Drip(text, 5*time.Millisecond)(p); err != nil {
			return err
		}
		return answer(nil)(p)
	}
}

// Of many checks at once, on servers that spoil every third reply in some way, each has its own value or an error. What
// nobody could tell from a right reply is left out: a second reply that comes while more are awaited.
func TestNoAnswerGoesToTheWrongRequest(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	const targets, rounds, atOnce = 4, 25, 20
	p := start(t, "MaxConnections=2")
	before := p.Resources(t)
	var fakes []*redistest.Fake
	for i := range targets {
		var mu sync.Mutex
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		last := "none" // what was asked before
		fakes = append(fakes, redistest.NewFake(t, redistest.Script{answer(func(cmd []string, reply string) (string, bool) {
			mu.Lock()
			defer mu.Unlock()
			previous := bulk(valueOf(last))
			last = cmd[len(cmd)-1]
			switch random.IntN(24) {
			case 0:
				return "_\r", true
			case 1:
				return reply[:len(reply)/2], true
			case 2:
				return "", true
			case 3:
				return "+", true
			case 4:
				return ">1\r\n" + previous + reply, false
			case 5:
				return "$-7\r\n" + reply, false
			case 6:
				return "HTTP/1.1 200 OK\r\n\r\n" + reply, true
			case 7:
				return reply, true
			}
			return reply, false
		})}))
	}
	right, wrong := 0, 0
	for round := range rounds {
		var checks []*driver.Check
		name := func(target, i int) string { return fmt.Sprintf("%d-%d-%d", target, round, i) }
		for i := range atOnce {
			for target, fake := range fakes {
				checks = append(checks, ask(p, 3, fake.Addr, name(target, i)))
			}
		}
		for i, c := range checks {
			got, err := c.Answer()
			var no *driver.Refused
			switch {
			case err == nil:
				right++
				require.Equal(t, valueOf(name(i%targets, i/targets)), got)
			default:
				wrong++
				require.ErrorAs(t, err, &no)
			}
		}
	}
	t.Logf("%d values, %d errors", right, wrong)
	require.Positive(t, right)
	require.Positive(t, wrong)
	awaitCalm(t, p, before)
}

func TestOddInfoGivesADocumentOrAClearError(t *testing.T) {
	t.Parallel()
	many := func(n int, line string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, line, i)
		}
		return b.String()
	}
	const head = "# Server\r\nredis_version:7.0.15\r\n"
	infos := map[string]string{
		"empty":                     "",
		"no line ends":              "redis_version:7.0.15",
		"10,000 databases":          head + "# Keyspace\r\n" + many(10_000, "db%d:keys=1,expires=0,avg_ttl=0\r\n"),
		"5,000 commands":            head + "# Commandstats\r\n" + many(5_000, "cmdstat_c%d:calls=1,usec=9,usec_per_call=9.00\r\n"),
		"a line of a megabyte":      head + "# Clients\r\nlong:" + strings.Repeat("x", 1<<20) + "\r\nconnected_clients:1\r\n",
		"a name of a megabyte":      head + "# Clients\r\n" + strings.Repeat("x", 1<<20) + ":1\r\n",
		"100,000 sections":          head + many(100_000, "# S%d\r\n"),
		"NUL bytes":                 head + "# Clients\r\na\x00b:c\x00d\r\nconnected_clients:1\r\n",
		"invalid UTF-8":             head + "# Clients\r\nna\xffme:\xc3\x28\r\nconnected_clients:1\r\n",
		"lines without a colon":     head + "# Clients\r\nnothing here\r\n::\r\n:\r\n=\r\n",
		"section lines of all kind": "#\r\n# \r\n##\r\n#Server\r\n" + head + "# \t \r\n",
		"databases without figures": head + "# Keyspace\r\ndb0\r\ndb1:\r\ndb2:keys\r\ndb3:keys=\r\ndb4:=1\r\ndb5:keys=1,keys=2\r\ndbx:keys=1\r\n",
		"numbers that are none":     head + "# Clients\r\nconnected_clients:-\r\n# Memory\r\nused_memory:1e999\r\nmaxmemory:0x10\r\nmem:nan\r\nx:inf\r\n",
		"the same twice":            head + head + "# Clients\r\nconnected_clients:1\r\nconnected_clients:2\r\n",
		"only line feeds":           "# Server\nredis_version:7.0.15\n# Clients\nconnected_clients:1\n",
		"only carriage returns":     "# Server\rredis_version:7.0.15\r# Clients\rconnected_clients:1\r",
		"quotes and brackets":       head + "# Clients\r\n\"},{\":\"}]\r\n\\:\\\r\n",
	}
	p := start(t)
	for name, info := range infos {
		t.Run(name, func(t *testing.T) {
			fake := redistest.NewFake(t, redistest.Script{func(peer *redistest.Peer) error {
				for {
					cmd, err := peer.ReadCommand()
					if err != nil {
						return err
					}
					text := reply(cmd)
					if cmd[0] == "INFO" {
						text = bulk(info)
					}
					if _, err := io.WriteString(peer, text); err != nil {
						return err
					}
				}
			}})
			for _, key := range []string{"redis.get", "redis.server.info", "redis.status"} {
				got, err := p.Get(key, fake.Addr)
				var no *driver.Refused
				if errors.As(err, &no) {
					require.NotContains(t, no.Text, "internal error", key)
					require.Less(t, len(no.Text), 2000)
					if key != "redis.server.info" {
						require.Contains(t, no.Text, "more than the limit", "a master item does not fail otherwise")
					}
					continue
				}
				require.NoError(t, err)
				require.True(t, json.Valid([]byte(got)), "%s: %.300s", key, got)
				require.True(t, utf8.ValidString(got))
			}
		})
	}
	require.False(t, p.Logged("panic"))
	require.Less(t, peakRSS(t, p), int64(150<<20))
	require.Zero(t, p.Pool(t).Counters.Closed.Broken)
}
