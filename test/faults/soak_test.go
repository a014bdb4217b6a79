//go:build e2e && linux

package faults

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/test/driver"
)

// soakTime is how long faults are injected: REDISJOBS_SOAKTIME, else 2 minutes.
func soakTime(t testing.TB) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(cmp.Or(os.Getenv("REDISJOBS_SOAKTIME"), "2m"))
	require.NoError(t, err)
	return d
}

// soakSeed is REDISJOBS_SOAKSEED, to repeat a run, else another one each time. The plan of the faults follows from it,
// the machine's own timing does not.
func soakSeed(t testing.TB) uint64 {
	t.Helper()
	text := os.Getenv("REDISJOBS_SOAKSEED")
	if text == "" {
		return uint64(time.Now().UnixNano())
	}
	n, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err)
	return n
}

const firstPassword = "initial password"

// lodger is a server of the soak, as the plugin's session of that name reaches it.
type lodger struct {
	session string
	*redistest.Server
	holder  *redistest.Server // whose data it has
	between *proxy            // nil: none
	file    string            // of the password; "": none
	initial string            // the default user's password after a start
	user    string
	faults  []fault
	causes  *regexp.Regexp // what an error may say
	busy    bool           // a fault is under way
}

// fault does something to a lodger and returns what ends it, and after how long; nil when it is over.
type fault struct {
	name string
	do   func(t *testing.T, l *lodger, random *rand.Rand) (end func(), after time.Duration)
}

func between(random *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(random.Int64N(int64(most-least)))
}

// startAgain starts the server, which then has the password of its configuration file.
func (l *lodger) startAgain(t *testing.T) {
	l.Password = l.initial
	l.Restart(t)
	l.writePassword(t, firstPassword) // any is good for a user with nopass
}

func (l *lodger) writePassword(t *testing.T, password string) {
	if l.file != "" {
		// In one step, as those who rotate passwords do it: half a file is half a password.
		require.NoError(t, os.WriteFile(l.file+".new", []byte(password+"\n"), 0o600))
		require.NoError(t, os.Rename(l.file+".new", l.file))
	}
}

var (
	restart = fault{"restart", func(t *testing.T, l *lodger, _ *rand.Rand) (func(), time.Duration) {
		l.startAgain(t)
		return nil, 0
	}}
	crash = fault{"SIGKILL and restart", func(t *testing.T, l *lodger, random *rand.Rand) (func(), time.Duration) {
		l.Kill(t)
		return func() { l.startAgain(t) }, between(random, 100*time.Millisecond, 3*time.Second)
	}}
	hang = fault{"SIGSTOP", func(t *testing.T, l *lodger, random *rand.Rand) (func(), time.Duration) {
		l.Pause(t)
		return func() { l.Resume(t) }, between(random, time.Second, 5*time.Second)
	}}
	killClients = fault{"CLIENT KILL", func(t *testing.T, l *lodger, _ *rand.Rand) (func(), time.Duration) {
		l.Do(t, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
		return nil, 0
	}}
	squeeze = fault{"maxclients", func(t *testing.T, l *lodger, random *rand.Rand) (func(), time.Duration) {
		l.Do(t, "CONFIG", "SET", "maxclients", "1")
		if random.IntN(2) == 0 {
			l.Do(t, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
		}
		return func() { l.Do(t, "CONFIG", "SET", "maxclients", "1000") }, between(random, time.Second, 4*time.Second)
	}}
	rotate = fault{"password", func(t *testing.T, l *lodger, random *rand.Rand) (func(), time.Duration) {
		password := fmt.Sprintf("password %d", random.Uint64())
		if l.user != "" {
			l.Do(t, "ACL", "SETUSER", l.user, "resetpass", ">"+password)
		} else {
			l.Do(t, "CONFIG", "SET", "requirepass", password)
			l.Password = password
		}
		if random.IntN(2) == 0 {
			l.Do(t, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
		}
		return func() { l.writePassword(t, password) }, between(random, 0, 3*time.Second)
	}}
	masterDown = fault{"the master's crash", func(t *testing.T, l *lodger, random *rand.Rand) (func(), time.Duration) {
		l.holder.Kill(t)
		return func() { l.holder.Restart(t) }, between(random, time.Second, 4*time.Second)
	}}
	cutFlows = fault{"cut flows", func(_ *testing.T, l *lodger, _ *rand.Rand) (func(), time.Duration) {
		l.between.cut()
		return nil, 0
	}}
	forgetFlows = fault{"forgotten flows", func(_ *testing.T, l *lodger, _ *rand.Rand) (func(), time.Duration) {
		l.between.forget()
		return nil, 0
	}}
	loseFlows = fault{"black hole", func(_ *testing.T, l *lodger, random *rand.Rand) (func(), time.Duration) {
		l.between.lose()
		return l.between.restore, between(random, time.Second, 4*time.Second)
	}}
	holdReplies = fault{"late replies", func(_ *testing.T, l *lodger, random *rand.Rand) (func(), time.Duration) {
		l.between.hold()
		return l.between.release, between(random, 500*time.Millisecond, 3*time.Second)
	}}
)

// What errors may say: of a server that is stopped, killed or full, of one whose password changes, and of a replica.
const (
	endCauses    = `connection refused|no such file or directory|timeout|no answer|not answered|were busy|closed the connection|connection reset|broken pipe|LOADING|max number of clients|being dialed`
	authCauses   = `|WRONGPASS|NOAUTH|invalid username-password`
	masterCauses = `|MASTERDOWN`
)

// newLodgers starts the servers, each with data of its own that survives a restart, and gives the options for them.
func newLodgers(t *testing.T) (lodgers []*lodger, options []string) {
	t.Helper()
	dir := t.TempDir()
	add := func(session string, cfg redistest.Config, faults []fault, causes string, lines ...string) *lodger {
		s := redis(t, cfg)
		l := &lodger{session: session, Server: s, holder: s, initial: cfg.Password, faults: faults,
			causes: regexp.MustCompile(causes)}
		s.Do(t, "HSET", "storm:job:soak", "status", "FAILED", "message", value(s, "soak"), "updated_at", "1700000000")
		s.Do(t, "SAVE")
		options = append(options, "Sessions."+session+".Uri=tcp://"+s.Addr)
		for _, line := range lines {
			options = append(options, "Sessions."+session+"."+line)
		}
		lodgers = append(lodgers, l)
		return l
	}
	file := func(name string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(firstPassword), 0o600))
		return path
	}
	ends := []fault{restart, crash, hang, killClients, squeeze}
	secured := redistest.Config{Password: firstPassword, TLS: true, UnixSocket: true}

	add("Calm", redistest.Config{}, nil, `^$`)
	add("Plain", redistest.Config{}, ends, endCauses)
	path := file("default")
	add("Secured", secured, append(ends, rotate, rotate), endCauses+authCauses, "PasswordFile="+path).file = path

	l := add("Tls", secured, append(ends, rotate), endCauses+authCauses)
	l.file = file("tls")
	options = append(options, "Sessions.Tls.Uri=rediss://"+l.TLSAddr, "Sessions.Tls.PasswordFile="+l.file,
		"Sessions.Tls.TLSCAFile="+l.CAFile, "Sessions.Tls.TLSServerName=localhost")
	l = add("Unix", secured, ends, endCauses)
	options = append(options, "Sessions.Unix.Uri=unix:"+l.Socket, "Sessions.Unix.Password="+firstPassword)

	path = file("acl")
	l = add("Acl", redistest.Config{Users: []string{`reader on nopass ~* +@all`}}, append(ends, rotate), endCauses+authCauses,
		"User=reader", "PasswordFile="+path)
	l.file, l.user = path, "reader"

	far := func(session string) {
		l := add(session, redistest.Config{}, []fault{cutFlows, forgetFlows, loseFlows, holdReplies}, endCauses)
		l.between = newProxy(t, l.Addr)
		options = append(options, "Sessions."+session+".Uri=tcp://"+l.between.addr)
	}
	far("Far")
	far("Farther")

	master := redis(t, redistest.Config{})
	master.Do(t, "HSET", "storm:job:soak", "status", "FAILED", "message", value(master, "soak"), "updated_at", "1700000000")
	master.Do(t, "SAVE")
	host, port, _ := strings.Cut(master.Addr, ":")
	replica := redistest.Start(t, redistest.Config{Args: []string{"--replicaof", host, port, "--replica-serve-stale-data", "no"}})
	await(t, patience, "the replica", func() bool { return replica.InfoField(t, "replication", "master_link_status") == "up" })
	lodgers = append(lodgers, &lodger{session: "Replica", Server: replica, holder: master,
		faults: []fault{masterDown, killClients, squeeze}, causes: regexp.MustCompile(endCauses + masterCauses)})
	options = append(options, "Sessions.Replica.Uri=tcp://"+replica.Addr)
	return lodgers, options
}

// probe is one kind of check, and whether its value is the lodger's.
type probe struct {
	key    string
	params func(l *lodger, random *rand.Rand) []string
	// judge returns what the value says is wrong with the server, "" when it is well, and an error when the value cannot
	// be that of the server.
	judge func(l *lodger, params []string, value string) (down string, err error)
}

func onlyConn(l *lodger, _ *rand.Rand) []string { return []string{l.session} }

func exactly(want func(l *lodger, params []string) string) func(*lodger, []string, string) (string, error) {
	return func(l *lodger, params []string, value string) (string, error) {
		if value != want(l, params) {
			return "", fmt.Errorf("%.200q instead of %q", value, want(l, params))
		}
		return "", nil
	}
}

// document judges a JSON document that may say that the server is down.
func document(judge func(l *lodger, up map[string]any) error) func(*lodger, []string, string) (string, error) {
	return func(l *lodger, _ []string, value string) (string, error) {
		var d map[string]any
		if err := json.Unmarshal([]byte(value), &d); err != nil {
			return "", fmt.Errorf("%w: %.200s", err, value)
		}
		if d["up"] == 0.0 {
			return fmt.Sprint(d["error"]), nil
		}
		if d["up"] != 1.0 {
			return "", fmt.Errorf("no up: %.200s", value)
		}
		return "", judge(l, d)
	}
}

func ownPort(l *lodger, d map[string]any) error {
	_, port, _ := strings.Cut(l.Addr, ":")
	server, _ := d["server"].(map[string]any)
	if got := fmt.Sprint(server["tcp_port"]); got != port {
		return fmt.Errorf("port %s instead of %s", got, port)
	}
	return nil
}

var probes = []probe{
	{"redis.command", func(l *lodger, random *rand.Rand) []string {
		return append([]string{l.session, "", ""}, reading(key(random.IntN(keys)))...)
	}, exactly(func(l *lodger, params []string) string { return value(l.holder, params[4]) })},
	{"redis.server.config", func(l *lodger, _ *rand.Rand) []string { return []string{l.session, "", "port"} },
		exactly(func(l *lodger, _ []string) string { _, port, _ := strings.Cut(l.Addr, ":"); return port })},
	{"storm.job.status", func(l *lodger, _ *rand.Rand) []string { return []string{l.session, "", "", "soak"} },
		exactly(func(*lodger, []string) string { return "5" })}, // failed
	{"storm.job.get", func(l *lodger, _ *rand.Rand) []string { return []string{l.session, "", "", "soak"} },
		document(func(l *lodger, d map[string]any) error {
			if d["message"] != value(l.holder, "soak") {
				return fmt.Errorf("the record says %q", d["message"])
			}
			return nil
		})},
	{"redis.server.info", func(l *lodger, _ *rand.Rand) []string { return []string{l.session, "", "server"} },
		func(l *lodger, _ []string, value string) (string, error) {
			_, port, _ := strings.Cut(l.Addr, ":")
			if !strings.Contains(value, `"tcp_port":"`+port+`"`) {
				return "", fmt.Errorf("%.300s is not of port %s", value, port)
			}
			return "", nil
		}},
	{"redis.get", onlyConn, document(ownPort)},
	{"redis.status", onlyConn, document(func(*lodger, map[string]any) error { return nil })},
	{"redis.server.ping", onlyConn, func(_ *lodger, _ []string, value string) (string, error) {
		switch value {
		case "1":
			return "", nil
		case "0":
			return "timeout", nil // it says no more
		}
		return "", fmt.Errorf("%q", value)
	}},
}

// tallies count what the pollers have seen.
type tallies struct {
	mu       sync.Mutex
	values   int
	errors   map[string]int // by session
	failures []string
}

// poll makes one check and judges it.
func (c *tallies) poll(p *driver.Plugin, l *lodger, random *rand.Rand) {
	probe := probes[random.IntN(len(probes))]
	params := probe.params(l, random)
	timeout := 1 + random.IntN(3)
	check := p.Ask(timeout, probe.key, params...)
	got, err := check.Answer()
	down := ""
	var failure string
	if refused, ok := err.(*driver.Refused); ok {
		down, err = refused.Text, nil
	} else if err == nil {
		down, err = probe.judge(l, params, got)
	}
	switch {
	case err != nil:
		failure = err.Error()
	case down != "" && !l.causes.MatchString(down):
		failure = "no plausible cause: " + down
	case check.TookAwake() > time.Duration(timeout)*time.Second+2*time.Second:
		failure = fmt.Sprintf("came after %v, the timeout is %d s", check.Took(), timeout)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case failure != "":
		c.failures = append(c.failures, fmt.Sprintf("%s%q: %s", probe.key, params, failure))
	case down != "":
		c.errors[l.session]++
	default:
		c.values++
	}
}

func TestSoak(t *testing.T) {
	t.Parallel()
	const pollers, pause = 16, 5 * time.Millisecond
	duration, seed := soakTime(t), soakSeed(t)
	t.Logf("seed %d", seed)
	lodgers, options := newLodgers(t)
	p := start(t, options...)
	before := p.Resources(t)
	rss := p.RSS(t)

	counts := tallies{errors: map[string]int{}}
	done := make(chan struct{})
	var group sync.WaitGroup
	for i := range pollers {
		group.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(i)))
			pace := time.NewTicker(pause)
			defer pace.Stop()
			for {
				select {
				case <-done:
					return
				case <-pace.C:
					counts.poll(p, lodgers[random.IntN(len(lodgers))], random)
				}
			}
		})
	}
	injected := inject(t, lodgers, rand.New(rand.NewPCG(seed, 1<<32)), duration)
	close(done)
	group.Wait()
	t.Logf("%d values, errors %v, faults %v", counts.values, counts.errors, injected)
	require.Empty(t, counts.failures)
	require.True(t, p.Alive())
	require.False(t, p.Logged("panic"), "%q", p.Logs())
	require.Greater(t, counts.values, int(duration/time.Second)*50)

	// All is well again, and nothing is left of it.
	for _, l := range lodgers {
		awaitValue(t, p, l.session, l.holder, key(1))
		wantAll(t, p, l.session, l.holder, 20)
	}
	pool := awaitCalm(t, p, before)
	require.LessOrEqual(t, pool.Open, 2*len(lodgers))
	for _, l := range lodgers {
		row := pool.Target(t, l.session+" (")
		require.LessOrEqual(t, row.Open, 2)
		require.GreaterOrEqual(t, row.Open, 1)
	}
	calm := pool.Target(t, "Calm (")
	require.LessOrEqual(t, calm.Counters.Dials, 2, "the others' faults cost it nothing")
	require.Zero(t, calm.Counters.Closed.Broken+calm.Counters.Closed.Stale)
	t.Logf("RSS %.1f MB at the start, %.1f MB at the end", float64(rss)/(1<<20), float64(p.RSS(t))/(1<<20))
	require.Less(t, p.RSS(t), int64(40<<20))
}

// inject does one fault after the other, on a lodger that is well, and returns how many of each there were. A fault that
// lasts goes on beside the next ones; at the end all are over.
func inject(t *testing.T, lodgers []*lodger, random *rand.Rand, duration time.Duration) map[string]int {
	t.Helper()
	type ending struct {
		at time.Time
		do func()
	}
	var endings []ending
	injected := map[string]int{}
	for late := time.Now().Add(duration); time.Now().Before(late); {
		endings = slices.DeleteFunc(endings, func(e ending) bool {
			over := time.Now().After(e.at)
			if over {
				e.do()
			}
			return over
		})
		l := lodgers[random.IntN(len(lodgers))]
		if len(l.faults) > 0 && !l.busy {
			f := l.faults[random.IntN(len(l.faults))]
			injected[f.name]++
			if end, after := f.do(t, l, random); end != nil {
				l.busy = true
				endings = append(endings, ending{time.Now().Add(after), func() { end(); l.busy = false }})
			}
		}
		<-time.After(between(random, 50*time.Millisecond, 500*time.Millisecond))
	}
	for _, e := range endings {
		e.do()
	}
	require.NotEmpty(t, slices.Collect(maps.Keys(injected)))
	return injected
}
