package instances

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/item"
)

// Lines as Linux prints them on a machine with little-endian words.
const (
	procTCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:18EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000   107        0 11111 1 0000000000000000 100 0 0 10 0
   1: 00000000:18EC 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 22222 1 0000000000000000 100 0 0 10 0
   2: 0100007F:18EB 0100007F:C000 01 00000000:00000000 00:00000000 00000000   107        0 33333 1 0000000000000000 20 4 30 10 -1
`
	procTCP6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:18EB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000   107        0 44444 1 0000000000000000 100 0 0 10 0
`
	procUnix = `Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 55555 /run/my redis/redis.sock
0000000000000000: 00000003 00000000 00000000 0001 03 66666 /run/my redis/redis.sock
0000000000000000: 00000002 00000000 00010000 0005 01 77777 @abstract
0000000000000000: 00000002 00000000 00010000 0001 01 88888 run/relative.sock
0000000000000000: 00000003 00000000 00000000 0001 03 99999
`
)

func littleEndian(t testing.TB) {
	t.Helper()
	switch runtime.GOARCH {
	case "amd64", "arm64", "386", "arm", "riscv64", "loong64":
	default:
		t.Skipf("the recorded lines are those of a little-endian machine, and this is %s", runtime.GOARCH)
	}
}

func TestListeningSocketsAreRead(t *testing.T) {
	t.Parallel()
	littleEndian(t)
	tcp, err := readTCP(strings.NewReader(procTCP))
	require.NoError(t, err)
	require.Equal(t, []socketInfo{
		{at: netip.MustParseAddrPort("127.0.0.1:6379"), uid: 107, inode: 11111},
		{at: netip.MustParseAddrPort("0.0.0.0:6380"), uid: 0, inode: 22222},
	}, tcp)
	tcp, err = readTCP(strings.NewReader(procTCP6))
	require.NoError(t, err)
	require.Equal(t, []socketInfo{{at: netip.MustParseAddrPort("[::1]:6379"), uid: 107, inode: 44444}}, tcp)
	unix, err := readUnix(strings.NewReader(procUnix))
	require.NoError(t, err)
	require.Equal(t, []socketInfo{
		{path: "/run/my redis/redis.sock", uid: -1, inode: 55555},
		{path: "@abstract", uid: -1, inode: 77777},
		{path: "run/relative.sock", uid: -1, inode: 88888},
	}, unix)
	for text, want := range map[string]string{
		"header\n1: 0100007F:18EB": "line 2 has 2 fields",
		"header\n" + strings.Replace(procLine(procTCP, 1), "0100007F:18EB", "0100007:18EB", 1): `"0100007:18EB" is no address`,
		"header\n" + strings.Replace(procLine(procTCP, 1), "0100007F:18EB", "0100007F", 1):     `"0100007F" has no port`,
		"header\n" + strings.Replace(procLine(procTCP, 1), "11111", "x", 1):                    `parsing "x"`,
		"header\n" + strings.Repeat("x", maxProcLine+1):                                        "token too long",
	} {
		_, err := readTCP(strings.NewReader(text))
		require.ErrorContains(t, err, want)
	}
	_, err = readUnix(strings.NewReader("header\n0: 1 2 3"))
	require.ErrorContains(t, err, "line 2 has 4 fields")
}

func procLine(text string, n int) string { return strings.Split(text, "\n")[n] + "\n" }

func TestTitlesAreRead(t *testing.T) {
	t.Parallel()
	for cmdline, want := range map[string]processTitle{
		"redis-server 127.0.0.1:6379\x00\x00\x00":            {port: 6379},
		"/usr/bin/valkey-server *:7000 [cluster]":            {port: 7000},
		"redis-server [::1]:6379":                            {port: 6379},
		"redis-server *:26379 [sentinel]":                    {port: 26379, sentinel: true},
		"redis-server unixsocket:/run/r.sock":                {socket: "/run/r.sock"},
		"dragonfly\x00--logtostderr\x00--bind=10.0.0.1:6380": {},
		"redis-server\x00/etc/redis.conf\x00--sentinel\x00":  {sentinel: true},
		"redis-server /etc/redis:6379.conf":                  {},
		"redis-server *:99999":                               {},
		"keydb-server":                                       {},
		"":                                                   {},
	} {
		require.Equal(t, want, parseTitle(cmdline), "%q", cmdline)
	}
}

// fakeProc is a tree below /proc with the lists above.
func fakeProc(t *testing.T) procfs {
	t.Helper()
	p := procfs{t.TempDir()}
	p.write(t, procTCP, "net", "tcp")
	p.write(t, procTCP6, "net", "tcp6")
	p.write(t, procUnix, "net", "unix")
	p.process(t, "1", "init\n", "/sbin/init", "0", "0")
	return p
}

func (p procfs) write(t *testing.T, text string, parts ...string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(p.path(parts...)), 0o755))
	require.NoError(t, os.WriteFile(p.path(parts...), []byte(text), 0o600))
}

// process writes a process that has these sockets open.
func (p procfs) process(t *testing.T, pid, comm, cmdline, uid, parent string, inodes ...string) {
	t.Helper()
	p.write(t, comm, pid, "comm")
	p.write(t, cmdline, pid, "cmdline")
	p.write(t, "Name:\t"+comm+"PPid:\t"+parent+"\nUid:\t1000\t"+uid+"\t1000\t1000\n", pid, "status")
	require.NoError(t, os.MkdirAll(p.path(pid, "fd"), 0o755))
	require.NoError(t, os.Symlink("/dev/null", p.path(pid, "fd", "0")))
	for i, inode := range inodes {
		require.NoError(t, os.Symlink("socket:["+inode+"]", p.path(pid, "fd", string(rune('3'+i)))))
	}
}

// blind makes a process one whose open files we must not see: what there is
// instead of the folder cannot be read as one.
func (p procfs) blind(t *testing.T, pid string) {
	t.Helper()
	require.NoError(t, os.RemoveAll(p.path(pid, "fd")))
	p.write(t, "", pid, "fd")
}

func TestInstancesByTheirOpenFiles(t *testing.T) {
	t.Parallel()
	littleEndian(t)
	p := fakeProc(t)
	p.process(t, "20", "redis-server\n", "redis-server 127.0.0.1:6379", "107", "1", "11111", "44444", "55555", "33333")
	p.process(t, "21", "redis-server\n", "redis-rdb-bgsave 127.0.0.1:6379", "107", "20", "55555")
	p.process(t, "30", "nginx\n", "nginx", "107", "1", "22222")
	p.process(t, "40", "dragonfly\n", "dragonfly", "0", "1", "22222")
	p.process(t, "50", "valkey-server\n", "valkey-server *:6379", "999", "1", "123456789")
	p.process(t, "60", "keydb-server\n", "keydb-server", "999", "1", "88888")
	all, err := p.find()
	require.NoError(t, err)
	require.Equal(t, []instance{
		{
			typ: "redis", pid: 20, uid: 107, port: 6379, uri: "tcp://127.0.0.1:6379", socket: "/run/my redis/redis.sock",
			listens: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:6379"), netip.MustParseAddrPort("[::1]:6379")},
		},
		{
			typ: "dragonfly", pid: 40, uid: 0, port: 6380, uri: "tcp://127.0.0.1:6380",
			listens: []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:6380")},
		},
	}, all.found)
	require.Equal(t, []hiddenThing{
		{"process 50", "valkey of user 999: it does not listen here: it may be starting, or in a container"},
		{"process 60", "keydb of user 999: it does not listen here: it may be starting, or in a container"},
	}, all.hidden)
}

func TestInstancesOfOtherUsersAreKnownByTheirTitle(t *testing.T) {
	t.Parallel()
	littleEndian(t)
	p := fakeProc(t)
	p.process(t, "20", "redis-server\n", "redis-server 127.0.0.1:6379", "107", "1")
	p.process(t, "21", "redis-server\n", "redis-rdb-bgsave 127.0.0.1:6379", "107", "20")
	p.process(t, "30", "redis-server\n", "redis-server *:6380", "107", "1") // the port is another user's
	p.process(t, "40", "redis-server\n", "redis-server unixsocket:/run/my", "107", "1")
	for _, pid := range []string{"20", "21", "30", "40"} {
		p.blind(t, pid)
	}
	all, err := p.find()
	require.NoError(t, err)
	require.Len(t, all.found, 1)
	require.Equal(t, 20, all.found[0].pid)
	require.Equal(t, "tcp://127.0.0.1:6379", all.found[0].uri)
	require.Len(t, all.found[0].listens, 2)
	why := map[string]string{}
	for _, h := range all.hidden {
		why[h.name] = h.why
	}
	require.Len(t, why, 3)
	require.Contains(t, why["process 20"], "redis of user 107: its port is known by its title, other sockets cannot be seen: ")
	require.Contains(t, why["process 30"], "its sockets cannot be seen: ")
	require.Contains(t, why["process 40"], "its sockets cannot be seen: ")
}

func TestWhatIsHiddenIsSaid(t *testing.T) {
	t.Parallel()
	p := fakeProc(t)
	require.NoError(t, os.Remove(p.path("net", "tcp6")), "a system without IPv6")
	p.write(t, "nonsense\nnonsense\n", "net", "tcp")
	require.NoError(t, os.RemoveAll(p.path("1")))
	all, err := p.find()
	require.NoError(t, err)
	require.Empty(t, all.found)
	require.Len(t, all.hidden, 2)
	require.Equal(t, "processes", all.hidden[0].name)
	require.Contains(t, all.hidden[0].why, "hides the processes of other users")
	require.Equal(t, "tcp", all.hidden[1].name)
	require.Contains(t, all.hidden[1].why, "line 2 has 1 fields")

	_, err = procfs{filepath.Join(t.TempDir(), "none")}.find()
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestTheAddressOfAnInstance(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		listens string
		title   uint16
		want    string
	}{
		{"loopback before others", "10.0.0.1:6379 127.0.0.1:6379 [::1]:6379", 0, "tcp://127.0.0.1:6379"},
		{"any address is this machine", "0.0.0.0:6379", 0, "tcp://127.0.0.1:6379"},
		{"IPv6 alone", "[::]:6379", 0, "tcp://[::1]:6379"},
		{"an address of its own", "10.0.0.1:6379 [2001:db8::1]:6379", 0, "tcp://10.0.0.1:6379"},
		{"a link-local one last", "[fe80::1]:6379 [2001:db8::1]:6379", 0, "tcp://[2001:db8::1]:6379"},
		{"the bus of a cluster", "0.0.0.0:17000 0.0.0.0:7000", 0, "tcp://127.0.0.1:7000"},
		{"the title knows better", "0.0.0.0:6379 0.0.0.0:6380", 6380, "tcp://127.0.0.1:6380"},
		{"a title of old", "0.0.0.0:6379", 6380, "tcp://127.0.0.1:6379"},
	} {
		in := instance{}
		for _, text := range strings.Fields(tt.listens) {
			in.listens = append(in.listens, netip.MustParseAddrPort(text))
		}
		in.locate(tt.title)
		require.Equal(t, tt.want, in.uri, tt.name)
	}
	in := instance{socket: "/run/x"}
	in.locate(0)
	require.Equal(t, "unix:/run/x", in.uri)
}

func FuzzProcNet(f *testing.F) {
	for _, text := range []string{procTCP, procTCP6, procUnix, "", "\n\n", "h\n0: :0 x 0A 1 2 3 4 5 6\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		tcp, err := readTCP(strings.NewReader(string(text)))
		if err == nil {
			for _, s := range tcp {
				require.True(t, s.at.IsValid())
				require.GreaterOrEqual(t, s.uid, 0)
			}
		}
		unix, err := readUnix(strings.NewReader(string(text)))
		if err == nil {
			for _, s := range unix {
				require.NotEmpty(t, s.path)
				require.Contains(t, string(text), s.path)
			}
		}
	})
}

func FuzzProcTitle(f *testing.F) {
	for _, text := range []string{"redis-server *:6379 [cluster]", "a\x00unixsocket:/x\x00", "a :", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		title := parseTitle(text)
		require.Contains(t, text, title.socket)
	})
}

func collect(t testing.TB, m *item.Metric, sessions ...item.Session) string {
	t.Helper()
	var params []string
	if m == Discovery {
		params = []string{"web 1"}
	}
	args, err := m.ParseArgs(params)
	require.NoError(t, err)
	text, err := m.Answer(context.Background(), &item.Request{Args: args, Env: &item.Env{Sessions: sessions}})
	require.NoError(t, err)
	return text
}
