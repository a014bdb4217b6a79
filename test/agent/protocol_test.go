package agent

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRequestOnTheWire(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		dialect Dialect
		key     string
		timeout time.Duration
		want    string
	}{
		{"a plain request is the key alone", Plain, `redis.get["a b"]`, time.Second,
			"ZBXD\x01\x10\x00\x00\x00\x00\x00\x00\x00" + `redis.get["a b"]`},
		{"a JSON request carries the timeout in whole seconds, rounded up", JSON, "k", 2500 * time.Millisecond,
			"ZBXD\x01\x3d\x00\x00\x00\x00\x00\x00\x00" + `{"request":"passive checks","data":[{"key":"k","timeout":3}]}`},
		{"a JSON request asks for one second at least", JSON, "k", 0,
			"ZBXD\x01\x3d\x00\x00\x00\x00\x00\x00\x00" + `{"request":"passive checks","data":[{"key":"k","timeout":1}]}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := encodeRequest(test.dialect, test.key, test.timeout)
			require.NoError(t, err)
			require.Equal(t, test.want, string(got))
		})
	}
}

func TestReplies(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name         string
		dialect      Dialect
		body         string
		value        string
		notSupported string
		err          string
	}{
		{name: "a plain value", body: "6.0.14", value: "6.0.14"},
		{name: "an empty plain value", body: ""},
		{name: "a plain error", body: "ZBX_NOTSUPPORTED\x00Unknown metric x", notSupported: "Unknown metric x"},
		{name: "a plain error with a closing zero", body: "ZBX_NOTSUPPORTED\x00Unknown\x00", notSupported: "Unknown"},
		{name: "a plain value that only begins like an error", body: "ZBX_NOTSUPPORTED_ITEMS 3", value: "ZBX_NOTSUPPORTED_ITEMS 3"},
		{name: "a JSON value", dialect: JSON, body: `{"version":"7.0.9","variant":2,"data":[{"value":"a\nb"}]}`, value: "a\nb"},
		{name: "an empty JSON value", dialect: JSON, body: `{"data":[{"value":""}]}`},
		{name: "a JSON error", dialect: JSON, body: `{"data":[{"error":"Unknown metric x"}]}`, notSupported: "Unknown metric x"},
		{name: "a refused JSON request", dialect: JSON, body: `{"error":"bad request"}`, err: "agent refuses the request: bad request"},
		{name: "a JSON answer without values", dialect: JSON, body: `{"data":[]}`, err: "0 values instead of one"},
		{name: "a JSON answer with two values", dialect: JSON, body: `{"data":[{"value":"1"},{"value":"2"}]}`, err: "2 values instead of one"},
		{name: "a JSON answer with an empty entry", dialect: JSON, body: `{"data":[{}]}`, err: "neither a value nor an error"},
		{name: "a JSON answer that is no JSON", dialect: JSON, body: "6.0.14", err: "not the JSON of a passive check"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			value, err := parseReply(test.dialect, []byte(test.body))
			var notSupported *NotSupported
			switch {
			case test.err != "":
				require.ErrorContains(t, err, test.err)
				require.NotErrorAs(t, err, &notSupported)
			case test.notSupported != "":
				require.ErrorAs(t, err, &notSupported)
				require.Equal(t, test.notSupported, notSupported.Text)
			default:
				require.NoError(t, err)
				require.Equal(t, test.value, value)
			}
		})
	}
}

func TestBadFrames(t *testing.T) {
	t.Parallel()
	whole := appendFrame(nil, []byte("value"))
	tests := []struct {
		name, in, err string
	}{
		{"no answer at all", "", "closed without an answer"},
		{"another protocol", "HTTP/1.1 400 Bad Request\r\n", "not a Zabbix frame"},
		{"a compressed frame", "ZBXD\x03" + string(whole[5:]), "flags 0x03 are not understood"},
		{"a length over the limit", "ZBXD\x01\xff\xff\xff\xff\x00\x00\x00\x00", "over the limit"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := readFrame(strings.NewReader(test.in))
			require.ErrorContains(t, err, test.err)
		})
	}
	t.Run("every cut of a good frame", func(t *testing.T) {
		t.Parallel()
		for n := range whole {
			_, err := readFrame(bytes.NewReader(whole[:n]))
			require.Error(t, err, "%d bytes", n)
		}
	})
	t.Run("a good frame in single bytes is read whole", func(t *testing.T) {
		t.Parallel()
		body, err := readFrame(iotest.OneByteReader(bytes.NewReader(whole)))
		require.NoError(t, err)
		require.Equal(t, "value", string(body))
	})
}

func TestQueryEndsWithItsContext(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(func() { listener.Close() })
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		io.ReadFull(conn, make([]byte, frameHeader))
		cancel()         // the request is here and will never be answered
		io.ReadAll(conn) // until the other side hangs up
	}()
	_, err = Query(ctx, listener.Addr().String(), Plain, "agent.ping", time.Second)
	require.ErrorIs(t, err, context.Canceled)
}

func FuzzReadFrame(f *testing.F) {
	f.Add(appendFrame(nil, []byte("value")), true)
	f.Add(appendFrame(nil, []byte("ZBX_NOTSUPPORTED\x00reason")), true)
	f.Add(appendFrame(nil, []byte(`{"data":[{"value":"1"}]}`)), false)
	f.Add(appendFrame(nil, []byte(`{"data":[{"error":"no"}]}`)), false)
	f.Add([]byte("ZBXD\x01\xff\xff\xff\x03\x00\x00\x00\x00short"), true)
	f.Fuzz(func(t *testing.T, in []byte, plain bool) {
		body, err := readFrame(bytes.NewReader(in))
		if err != nil {
			return
		}
		require.Equal(t, in[frameHeader:frameHeader+len(body)], body)
		dialect := JSON
		if plain {
			dialect = Plain
		}
		parseReply(dialect, body)
	})
}
