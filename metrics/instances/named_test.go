package instances

import (
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/item"
)

// TestTheSessionOfAnInstance: a server that a session names is known as that
// session's, and no other is.
func TestTheSessionOfAnInstance(t *testing.T) {
	t.Parallel()
	machine, err := os.Hostname()
	require.NoError(t, err)
	own := ""
	all, err := net.InterfaceAddrs()
	require.NoError(t, err)
	for _, a := range all {
		if p := netip.MustParsePrefix(a.String()); p.Addr().Is4() && !p.Addr().IsLoopback() {
			own = p.Addr().String()
		}
	}
	for _, tt := range []struct {
		uri, listens, socket string
		is                   bool
	}{
		{"tcp://127.0.0.1:6379", "127.0.0.1:6379", "", true},
		{"tcp://127.0.0.1:6379/3", "0.0.0.0:6379", "", true},
		{"rediss://localhost:6379", "10.0.0.1:16379 [::1]:6379", "", true},
		{"tcp://[::1]:6379", "[::]:6379", "", true},
		{"tcp://" + strings.ToUpper(machine) + ":6379", "0.0.0.0:6379", "", true},
		{"tcp://10.0.0.1:6379", "10.0.0.1:6379", "", true},
		{"unix:///run/redis.sock", "127.0.0.1:6379", "/run/redis.sock", true},
		{"tcp://127.0.0.1:6380", "127.0.0.1:6379", "", false},
		{"tcp://127.0.0.1:6379", "10.0.0.1:6379", "", false},
		{"tcp://192.0.2.7:6379", "0.0.0.0:6379", "", false},
		{"tcp://redis.example.com:6379", "0.0.0.0:6379", "", false},
		{"sentinel://127.0.0.1:6379,127.0.0.1:6380/main", "127.0.0.1:6379", "", false},
		{"unix:///run/other.sock", "127.0.0.1:6379", "/run/redis.sock", false},
		{"unix:///run/redis.sock", "", "", false},
	} {
		in := instance{socket: tt.socket}
		for _, text := range strings.Fields(tt.listens) {
			in.listens = append(in.listens, netip.MustParseAddrPort(text))
		}
		want := ""
		if tt.is {
			want = "Mine"
		}
		sessions := []item.Session{{Name: "Storm", URI: "http://127.0.0.1:6379", Web: true}, {Name: "Mine", URI: tt.uri}}
		require.Equal(t, want, sessionsHere(sessions).of(in), "%s of what listens on %s%s", tt.uri, tt.listens, tt.socket)
	}
	if own == "" {
		t.Skip("this machine has no other address than its loopback")
	}
	in := instance{listens: []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:6379")}}
	require.Equal(t, "Mine", sessionsHere([]item.Session{{Name: "Mine", URI: "tcp://" + own + ":6379"}}).of(in))
}
