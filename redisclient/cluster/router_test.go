package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// node answers as a table says, else with its name and the command.
type node struct {
	name    string
	mu      sync.Mutex
	replies map[string]string // an error reply without its "-"
	err     error
	sent    []string
	before  func()
	listing string // the answer to CLUSTER NODES, which is not noted in sent
}

func (n *node) DoAll(_ context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listing != "" && strings.Join(cmds[0], " ") == "CLUSTER NODES" {
		return []resp.Value{{Kind: resp.BulkString, Str: []byte(n.listing)}}, nil
	}
	if n.before != nil {
		n.before()
	}
	var texts []string
	var out []resp.Value
	for _, cmd := range cmds {
		text := strings.Join(cmd, " ")
		texts = append(texts, text)
		v := resp.Value{Kind: resp.BulkString, Str: []byte(n.name + ": " + text)}
		if reply, ok := n.replies[text]; ok {
			v = resp.Value{Kind: resp.Error, Str: []byte(reply)}
		}
		out = append(out, v)
	}
	n.sent = append(n.sent, strings.Join(texts, "; "))
	if n.err != nil {
		return nil, n.err
	}
	return out, nil
}

// world is an entry node and the others by address.
type world map[string]*node

func newWorld(addrs ...string) (world, *Router) {
	w := world{"": {name: "entry", replies: map[string]string{}}}
	for i, addr := range addrs {
		w[""].listing += fmt.Sprintf("%040d %s@1 master - 0 0 1 connected\n", i, addr)
		w[addr] = &node{name: addr, replies: map[string]string{}}
	}
	return w, New(w[""], func(addr string) (redisclient.Doer, error) {
		if n := w[addr]; n != nil {
			return n, nil
		}
		return nil, errors.New("no such address: " + addr)
	})
}

// sent returns what a node was sent since the last call.
func (w world) sent(addr string) []string {
	sent := w[addr].sent
	w[addr].sent = nil
	return sent
}

func moved(key, addr string) string { return fmt.Sprintf("MOVED %d %s", Slot(key), addr) }

func do(t *testing.T, r *Router, cmds ...redisclient.Command) []string {
	t.Helper()
	values, err := r.DoAll(t.Context(), cmds...)
	require.NoError(t, err)
	var out []string
	for _, v := range values {
		out = append(out, string(v.Str))
	}
	return out
}

var (
	get  = redisclient.Command{"GET", "a"}
	ping = redisclient.Command{"PING"}
)

func TestAServerThatIsNoClusterNoticesNothing(t *testing.T) {
	t.Parallel()
	w, r := newWorld()
	w[""].replies["GET b"] = "ERR MOVED is no redirect here"
	require.Equal(t, []string{"entry: PING", "entry: GET a", "ERR MOVED is no redirect here"}, do(t, r, ping, get, redisclient.Command{"GET", "b"}))
	require.Equal(t, []string{"PING; GET a; GET b"}, w.sent(""))
}

func TestAMovedKeyCostsOneHopAndIsAskedForDirectlyTheNextTime(t *testing.T) {
	t.Parallel()
	w, r := newWorld("h:1")
	w[""].replies["GET a"] = moved("a", "h:1")
	require.Equal(t, []string{"entry: PING", "h:1: GET a"}, do(t, r, ping, get))
	require.Equal(t, []string{"PING; GET a"}, w.sent(""))
	require.Equal(t, []string{"GET a"}, w.sent("h:1"))

	require.Equal(t, []string{"h:1: GET a"}, do(t, r, get))
	require.Empty(t, w.sent(""))
	require.Equal(t, []string{"h:1: get a", "entry: PING"}, do(t, r, redisclient.Command{"get", "a"}, ping))
	require.Equal(t, []string{"PING"}, w.sent(""), "what has no key stays on the entry node")
	require.Equal(t, []string{"h:1: XINFO STREAM a"}, do(t, r, redisclient.Command{"XINFO", "STREAM", "a"}), "another command with a key of the slot")
	require.Equal(t, []string{"entry: SPECIAL a"}, do(t, r, redisclient.Command{"SPECIAL", "a"}), "of one that is not known the server has to say it")
	require.Equal(t, []string{"entry: ECHO a"}, do(t, r, redisclient.Command{"ECHO", "a"}), "and a word that looks like the key is none")
}

func TestTheKeyMayBeAnyWord(t *testing.T) {
	t.Parallel()
	w, r := newWorld("h:1")
	cmd := redisclient.Command{"SPECIAL", "b", "a"}
	w[""].replies["SPECIAL b a"] = moved("a", "h:1")
	do(t, r, cmd)
	w.sent("")
	do(t, r, cmd)
	require.Empty(t, w.sent(""))
	require.Equal(t, []string{"entry: MEMORY DOCTOR"}, do(t, r, redisclient.Command{"MEMORY", "DOCTOR"}))
}

func TestASlotThatMovesOnIsFollowed(t *testing.T) {
	t.Parallel()
	w, r := newWorld("h:1", "h:2", "h:3")
	w[""].replies["GET a"] = moved("a", "h:1")
	do(t, r, get)
	w["h:1"].replies["GET a"] = moved("a", "h:2")
	require.Equal(t, []string{"h:2: GET a"}, do(t, r, get))
	w["h:2"].replies["GET a"] = moved("a", "h:3")
	w["h:3"].replies["GET a"] = moved("a", "h:1")
	w["h:1"].sent, w["h:2"].sent = nil, nil
	require.Equal(t, []string{moved("a", "h:1")}, do(t, r, get), "a second redirect is the answer")
	require.Empty(t, w.sent("h:1"), "one extra hop and no more")
	delete(w["h:1"].replies, "GET a")
	require.Equal(t, []string{"h:1: GET a"}, do(t, r, get), "but it is remembered")
}

func TestAnAskIsFollowedOnceAndNotRemembered(t *testing.T) {
	t.Parallel()
	w, r := newWorld("h:1", "h:2")
	ask := fmt.Sprintf("ASK %d h:2", Slot("a"))
	w[""].replies["GET a"] = ask
	require.Equal(t, []string{"entry: PING", "h:2: GET a", "h:2: GET a"}, do(t, r, ping, get, get))
	require.Equal(t, []string{"ASKING; GET a; ASKING; GET a"}, w.sent("h:2"))
	do(t, r, get)
	require.Equal(t, []string{"PING; GET a; GET a", "GET a"}, w.sent(""))
}

func TestKeysOfSeveralNodesAreAskedSideBySide(t *testing.T) {
	t.Parallel()
	w, r := newWorld("h:1", "h:2")
	b := redisclient.Command{"GET", "b"}
	w[""].replies["GET a"], w[""].replies["GET b"] = moved("a", "h:1"), moved("b", "h:2")
	do(t, r, get, b)
	var both sync.WaitGroup // each waits until the other was asked too
	both.Add(2)
	meet := func() { both.Done(); both.Wait() }
	w["h:1"].before, w["h:2"].before = meet, meet
	require.Equal(t, []string{"h:2: GET b", "entry: PING", "h:1: GET a"}, do(t, r, b, ping, get))

	w["h:1"].before, w["h:2"].before = nil, func() { panic("of the test") }
	_, err := r.DoAll(t.Context(), get, b)
	require.ErrorContains(t, err, "of the test")
}

func TestARememberedNodeThatIsGoneIsForgotten(t *testing.T) {
	t.Parallel()
	w, r := newWorld("h:1", "h:2")
	w[""].replies["GET a"] = moved("a", "h:1")
	do(t, r, get)
	w["h:1"].err = &redisclient.Error{Op: "dial", Reason: redisclient.ReasonTCP, Err: errors.New("refused")}
	_, err := r.DoAll(t.Context(), get)
	require.ErrorContains(t, err, "node h:1: connect: refused", "the entry node knows no other yet")
	require.Equal(t, redisclient.ReasonTCP, redisclient.ReasonOf(err))

	w[""].replies["GET a"] = moved("a", "h:2")
	require.Equal(t, []string{"h:2: GET a"}, do(t, r, get))
	w.sent("")
	w["h:2"].err = w["h:1"].err
	w["h:1"].err = nil
	w[""].replies["GET a"] = moved("a", "h:1")
	require.Equal(t, []string{"h:1: GET a"}, do(t, r, get), "a failover within one call")

	ended, cancel := context.WithCancel(t.Context())
	w["h:1"].err, w["h:1"].before = context.Canceled, cancel
	_, err = r.DoAll(ended, get)
	require.ErrorIs(t, err, context.Canceled, "without time left nobody else is asked")
	w[""].replies = nil
	require.Equal(t, []string{"entry: GET a"}, do(t, r, get), "it is forgotten all the same")
}

// What is behind a dead node is asked of the entry node from then on, and not of
// the dead one first: that would cost every check a dial's time. What other nodes
// have is still asked of them.
func TestADeadNodeIsNotAskedAgainForItsOtherKeys(t *testing.T) {
	t.Parallel()
	b, c := redisclient.Command{"GET", "b"}, redisclient.Command{"GET", "c"}
	for name, fail := range map[string]func(w world, r *Router){
		"found dead by a command": func(w world, r *Router) {
			w["h:1"].err = errors.New("refused")
			w[""].replies["GET a"] = moved("a", "h:2")
			require.Equal(t, []string{"h:2: GET a"}, do(t, r, get))
		},
		"found dead by a redirect": func(w world, r *Router) {
			w["h:1"].err = errors.New("refused")
			w[""].replies["GET d"] = moved("d", "h:1")
			_, err := r.DoAll(t.Context(), redisclient.Command{"GET", "d"})
			require.ErrorContains(t, err, "node h:1: refused")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, r := newWorld("h:1", "h:2", "h:3")
			w[""].replies["GET a"], w[""].replies["GET b"] = moved("a", "h:1"), moved("b", "h:1")
			w[""].replies["GET c"] = moved("c", "h:3")
			do(t, r, get, b, c)
			fail(w, r)
			w.sent("h:1")
			w.sent("")

			w[""].replies["GET b"] = moved("b", "h:2")
			require.Equal(t, []string{"h:2: GET b"}, do(t, r, b))
			require.Empty(t, w.sent("h:1"), "it is dead")
			require.Equal(t, []string{"GET b"}, w.sent(""))
			require.Equal(t, []string{"h:3: GET c"}, do(t, r, c))
			require.Empty(t, w.sent(""), "a node that lives is remembered")
		})
	}
}

// A node that is left no time to answer would be taken for a dead one.
func TestAnotherNodeIsAskedOnlyWhenItHasTimeToAnswer(t *testing.T) {
	t.Parallel()
	for left, asked := range map[time.Duration]bool{
		time.Millisecond: false, 20 * time.Millisecond: false, 21 * time.Millisecond: true, time.Minute: true,
	} {
		t.Run(left.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, r := newWorld("h:1")
				w[""].replies["GET a"] = moved("a", "h:1")
				do(t, r, get)
				w.sent("")
				delete(w[""].replies, "GET a")
				w["h:1"].err = errors.New("cut")
				ctx, cancel := context.WithTimeout(t.Context(), left)
				defer cancel()
				values, err := r.DoAll(ctx, get)
				if !asked {
					require.ErrorContains(t, err, "node h:1: cut")
					require.Empty(t, w.sent(""))
					return
				}
				require.NoError(t, err)
				require.Equal(t, "entry: GET a", string(values[0].Str))
			})
		})
	}
}

func TestSeveralCommandsToOneNodeAreAnsweredInTheirOrder(t *testing.T) {
	t.Parallel()
	w, r := newWorld("h:1")
	other := redisclient.Command{"GET", "{a}2"}
	w[""].replies["GET a"] = moved("a", "h:1")
	do(t, r, get)
	require.Equal(t, []string{"h:1: GET a", "h:1: GET {a}2", "h:1: GET a"}, do(t, r, get, other, get))
}

func TestAMovedOfASlotThatTheCommandHasNoKeyOfIsFollowedAndNotRemembered(t *testing.T) {
	t.Parallel()
	w, r := newWorld("h:1")
	w[""].replies["GET a"] = moved("another", "h:1")
	require.Equal(t, []string{"h:1: GET a"}, do(t, r, get))
	delete(w[""].replies, "GET a")
	require.Equal(t, []string{"entry: GET a"}, do(t, r, get))
}

func TestAnAskThatAnswersARedirectIsNotRemembered(t *testing.T) {
	t.Parallel()
	w, r := newWorld("h:1", "h:2")
	ask := fmt.Sprintf("ASK %d h:2", Slot("a"))
	w[""].replies["GET a"], w["h:1"].replies["GET a"] = moved("a", "h:1"), ask
	require.Equal(t, []string{ask}, do(t, r, get))
	delete(w["h:1"].replies, "GET a")
	require.Equal(t, []string{"h:1: GET a"}, do(t, r, get))
}

// Names of commands may come from item keys, so what is remembered of them is
// bounded: when it is full it starts anew.
func TestTheWordsThatAreRememberedAreBounded(t *testing.T) {
	t.Parallel()
	w, r := newWorld("h:1")
	own := func(i int) redisclient.Command { return redisclient.Command{fmt.Sprint("MODULE.CMD", i), "x", "a"} }
	direct := func(i int) bool {
		w.sent("")
		do(t, r, own(i))
		return len(w.sent("")) == 0
	}
	for i := range maxWords + 1 {
		w[""].replies[strings.Join(own(i), " ")] = moved("a", "h:1")
	}
	for i := range maxWords {
		require.False(t, direct(i), "the server has to say it first")
	}
	for i := range maxWords {
		require.True(t, direct(i), "%d is remembered", i)
	}
	require.False(t, direct(maxWords))
	require.True(t, direct(maxWords))
	require.False(t, direct(0), "the others were dropped for it")
}

func TestRepliesThatOthersMayShareStayAsTheyAre(t *testing.T) {
	t.Parallel()
	shared := []resp.Value{{Kind: resp.Error, Str: []byte(moved("a", "h:1"))}}
	r := New(fixed(shared), func(string) (redisclient.Doer, error) { return &node{name: "h:1"}, nil })
	require.Equal(t, []string{"h:1: GET a"}, do(t, r, get))
	require.Equal(t, moved("a", "h:1"), string(shared[0].Str))
}

// fixed answers the same to everything but CLUSTER NODES, in which it lists h:1.
type fixed []resp.Value

func (f fixed) DoAll(_ context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	if cmds[0][0] == "CLUSTER" {
		return []resp.Value{{Kind: resp.BulkString, Str: []byte("id h:1@1 master - 0 0 1 connected\n")}}, nil
	}
	return f, nil
}

func TestAnAddressThatMustNotBeAsked(t *testing.T) {
	t.Parallel()
	w, r := newWorld()
	w[""].listing = "id ?:7000@1 master - 0 0 1 connected\n"
	w[""].replies["GET a"] = moved("a", "?:7000")
	_, err := r.DoAll(t.Context(), get)
	require.ErrorContains(t, err, "no such address: ?:7000")
}

// TestAnAddressWithoutANameWhereNamesArePreferred is "?" and a port: redis.conf,
// cluster-preferred-endpoint-type.
func TestAnAddressWithoutANameWhereNamesArePreferred(t *testing.T) {
	t.Parallel()
	w, r := newWorld("10.0.0.2:7000")
	w[""].listing = "id1 10.0.0.1:7000@1,name myself,master - 0 0 1 connected\nid2 10.0.0.2:7000@1 master - 0 0 1 connected\n"
	w[""].replies["GET a"] = moved("a", "?:7000")
	require.Equal(t, []string{"10.0.0.2:7000: GET a"}, do(t, r, get))
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]redirect{
		"MOVED 3999 127.0.0.1:6381":      {slot: 3999, addr: "127.0.0.1:6381"},
		"ASK 0 node.example.com:1":       {addr: "node.example.com:1", ask: true},
		"MOVED 16383 2001:db8::1:6381":   {slot: 16383, addr: "[2001:db8::1]:6381"},
		"MOVED 16383 [2001:db8::1]:6381": {slot: 16383, addr: "[2001:db8::1]:6381"},
		"MOVED 1 :6381":                  {slot: 1, addr: ":6381"},
	} {
		to, ok := readRedirect(resp.Value{Kind: resp.Error, Str: []byte(text)})
		require.True(t, ok, text)
		require.Equal(t, want, to, text)
	}
	for _, text := range []string{"MOVED", "MOVED 1", "MOVED 16384 h:1", "MOVED x h:1", "MOVED -1 h:1", "MOVED 1 h", "MOVED 1 h:1 x", "MOVEDX 1 h:1", "ERR"} {
		_, ok := readRedirect(resp.Value{Kind: resp.Error, Str: []byte(text)})
		require.False(t, ok, text)
	}
	_, ok := readRedirect(resp.Value{Kind: resp.BulkString, Str: []byte("MOVED 1 h:1")})
	require.False(t, ok, "a value that looks like one")
	require.Equal(t, "[::1]:6381", from(":6381", "[::1]:7000"))
	require.Equal(t, ":6381", from(":6381", ""))
}

func TestARedirectIsFollowedOnlyToANodeThatTheClusterLists(t *testing.T) {
	t.Parallel()
	w, r := newWorld("h:1", "evil:1")
	w[""].listing = "id1 10.0.0.1:1@11,H master - 0 0 1 connected\nid2 h:1@1 master - 0 0 1 connected\n"
	w[""].replies["GET a"] = moved("a", "evil:1")
	notFollowed := moved("a", "evil:1") + " (not followed: CLUSTER NODES does not list it)"
	require.Equal(t, []string{notFollowed, "entry: PING"}, do(t, r, get, ping))
	require.Equal(t, []string{notFollowed}, do(t, r, get))
	w[""].replies["GET a"] = strings.Replace(moved("a", "evil:1"), "MOVED", "ASK", 1)
	require.Equal(t, []string{strings.Replace(notFollowed, "MOVED", "ASK", 1)}, do(t, r, get))
	require.Empty(t, w.sent("evil:1"))
	w[""].replies["GET a"] = moved("a", "h:1")
	require.Equal(t, []string{"h:1: GET a"}, do(t, r, get), "the others are")

	// A node that joins is listed, and asked, a little later.
	w[""].replies["GET b"] = moved("b", "evil:1")
	w[""].listing += "id3 evil:1@1 master - 0 0 1 connected\n"
	b := redisclient.Command{"GET", "b"}
	require.Contains(t, do(t, r, b)[0], "not followed")
	r.listing.at = r.listing.at.Add(-listingPause)
	require.Equal(t, []string{"evil:1: GET b"}, do(t, r, b))
}

// TestARedirectToANodeWithoutAnAddress is not followed: with the flag noaddr a node has
// the port 0, and at most a name.
func TestARedirectToANodeWithoutAnAddress(t *testing.T) {
	t.Parallel()
	for _, at := range []string{":0", "?:0", "n2.example:0"} {
		w, r := newWorld("b:1")
		w[""].listing += fmt.Sprintf("%040d :0@0,n2.example master,noaddr - 0 0 1 disconnected\n", 9)
		w[""].replies["GET a"] = moved("a", at)
		got := do(t, r, get)[0]
		require.Contains(t, got, moved("a", at)+" (not followed: the cluster has no address of the node with this slot")
	}
}

func TestARedirectOfAServerThatIsNoClusterIsNotFollowed(t *testing.T) {
	t.Parallel()
	w, r := newWorld("evil:1")
	w[""].listing = ""
	w[""].replies["CLUSTER NODES"] = "ERR This instance has cluster support disabled"
	w[""].replies["GET a"] = moved("a", "evil:1")
	require.Equal(t, []string{moved("a", "evil:1") + " (not followed: CLUSTER NODES: ERR This instance has cluster support disabled)"}, do(t, r, get))
	require.Empty(t, w.sent("evil:1"))
	w.sent("")
	do(t, r, get)
	require.Equal(t, []string{"GET a"}, w.sent(""), "it is not asked each time")
}

func TestListings(t *testing.T) {
	t.Parallel()
	text := "id1 10.0.0.1:7000@17000,Node.example.com,shard-id=x myself,master - 0 0 1 connected 0-16383\n" +
		"id2 fd00::1:7001@17001,,tls-port=0 slave id1 0 0 1 connected\n" +
		"id3 :7002@17002 master,fail - 0 0 1 connected\n" +
		"id4 :0@0 master,noaddr - 0 0 1 connected\n" +
		"id5 10.0.0.5:7005 master - 0 0 1 connected\n" + "short\n" + "id6 nocolon master\n"
	require.Equal(t, map[string]string{
		"10.0.0.1:7000": "10.0.0.1:7000,Node.example.com", "node.example.com:7000": "10.0.0.1:7000,Node.example.com", ":7000": ":7000",
		"[fd00::1]:7001": "[fd00::1]:7001", ":7001": ":7001", "?:7001": "[fd00::1]:7001",
		":7002":         ":7002",
		"10.0.0.5:7005": "10.0.0.5:7005", ":7005": ":7005", "?:7005": "10.0.0.5:7005",
	}, readListing(text))
	require.NotContains(t, readListing(text+"id7 10.0.0.7:7005@1 master\n"+"id8 10.0.0.8:7005@1 master\n"), "?:7005", "which one is not known")
	require.LessOrEqual(t, len(readListing(strings.Repeat(text, 10))), 9)
	var many strings.Builder
	for i := range 2 * maxListed {
		fmt.Fprintf(&many, "id h%d:%d@1 master\n", i, i)
	}
	require.LessOrEqual(t, len(readListing(many.String())), 3*maxListed+3)
}

func FuzzListing(f *testing.F) {
	f.Add("id1 10.0.0.1:7000@17000,node.example.com myself,master - 0 0 1 connected 0-16383\n")
	f.Add("id2 fd00::1:7001@17001,,tls-port=0 slave\n")
	f.Fuzz(func(t *testing.T, text string) {
		for addr, asked := range readListing(text) {
			require.Contains(t, addr, ":")
			require.Contains(t, asked, ":")
		}
	})
}

func TestSlotsAreThoseOfARealServer(t *testing.T) {
	t.Parallel()
	require.Equal(t, 0x31C3%Slots, Slot("123456789"), "the check value of the specification")
	s := redistest.Start(t, redistest.Config{Args: []string{"--cluster-enabled", "yes"}})
	keys := []string{"", "{", "}", "{}", "{}{a}", "foo{bar}", "foo{{bar}}zap", "foo{}{bar}", "{user1000}.following", "a{b", "a}b{c}d", "\x00\xff\n", "Ünïcödé"}
	for i := range 200 {
		keys = append(keys, fmt.Sprintf("storm:job:%d", i*i*i), strings.Repeat("x", i))
	}
	for _, key := range keys {
		require.Equal(t, s.Do(t, "CLUSTER", "KEYSLOT", key), strconv.Itoa(Slot(key)), "%q", key)
	}
}

func FuzzRedirect(f *testing.F) {
	f.Add("MOVED 3999 127.0.0.1:6381")
	f.Add("ASK 1 2001:db8::1:6381")
	f.Add("MOVED 1 :6381")
	f.Fuzz(func(t *testing.T, text string) {
		to, ok := readRedirect(resp.Value{Kind: resp.Error, Str: []byte(text)})
		if !ok {
			return
		}
		require.Less(t, to.slot, Slots)
		_, _, err := net.SplitHostPort(to.addr)
		if err != nil { // who dials refuses it
			require.Contains(t, err.Error(), "address")
		}
	})
}

func TestAServerThatIsNoClusterCostsNoMemory(t *testing.T) {
	r := New(fixed{{Kind: resp.SimpleString, Str: []byte("PONG")}}, nil)
	cmds := []redisclient.Command{ping}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if _, err := r.DoAll(context.Background(), cmds...); err != nil {
			panic(err)
		}
	}))
}

// BenchmarkNoCluster is what a server that is none pays: nothing worth
// speaking of.
func BenchmarkNoCluster(b *testing.B) {
	r := New(fixed{{Kind: resp.SimpleString, Str: []byte("PONG")}}, nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.DoAll(context.Background(), ping); err != nil {
			b.Fatal(err)
		}
	}
}
