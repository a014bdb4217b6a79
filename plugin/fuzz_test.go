package plugin

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.zabbix.com/sdk/plugin/comms"
)

// splitFrames reads a stream of frames as simply as can be: the bodies of
// those that are taken (nil: skipped), and what is left of the last one.
func splitFrames(stream []byte) (bodies [][]byte, rest []byte) {
	for len(stream) >= headerLen {
		kind, size := binary.LittleEndian.Uint32(stream), uint64(binary.LittleEndian.Uint32(stream[4:]))
		if uint64(len(stream)-headerLen) < size {
			break
		}
		body := stream[headerLen : headerLen+size]
		if kind != comms.JSONType {
			body = nil
		} else if body == nil {
			body = []byte{}
		}
		bodies = append(bodies, body)
		stream = stream[headerLen+size:]
	}
	return bodies, stream
}

func FuzzReadFrame(f *testing.F) {
	f.Add(rawFrame(comms.JSONType, `{"id":1,"type":6}`))
	f.Add(append(rawFrame(comms.JSONType, ""), rawFrame(comms.JSONType, "{}")...))
	f.Add(append(rawFrame(9, "skipped"), rawFrame(comms.JSONType, "{}")...))
	f.Add(rawFrame(comms.JSONType, strings.Repeat("x", 1000)))
	f.Add([]byte{1, 0, 0, 0, 255, 255, 255, 255, 'x'})
	f.Add([]byte{9, 0, 0, 0, 255, 255, 255, 255, 'x'})
	f.Add([]byte{1, 0, 0})
	f.Fuzz(func(t *testing.T, stream []byte) {
		want, rest := splitFrames(stream)
		r := bufio.NewReader(bytes.NewReader(stream))
		buf := []byte("of an earlier frame")
		for _, body := range want {
			got, err := readFrame(r, buf)
			if body == nil {
				require.ErrorIs(t, err, errSkipped)
			} else {
				require.NoError(t, err)
				require.Equal(t, string(body), string(got))
			}
			buf = got
		}
		got, err := readFrame(r, buf)
		require.Error(t, err)
		require.False(t, errors.Is(err, errSkipped), "%d bytes are no frame", len(rest))
		require.Empty(t, got)
		require.Less(t, cap(got), 2*len(stream)+256<<10, "a length alone costs nothing")
	})
}

// FuzzServe lets the agent send anything. The process goes on unless it is
// told to end, what it sends is whole frames, and a request that comes last is
// answered.
func FuzzServe(f *testing.F) {
	request := func(v any) []byte {
		body, err := json.Marshal(v)
		require.NoError(f, err)
		return rawFrame(comms.JSONType, string(body))
	}
	common := func(kind uint32) comms.Common { return comms.Common{Id: 1, Type: kind} }
	configure := request(comms.ConfigureRequest{Common: common(comms.ConfigureRequestType), PrivateOptions: options("Timeout=1")})
	export := request(comms.ExportRequest{Common: common(comms.ExportRequestType), Key: "test.echo", Params: []string{"a"}, Timeout: 1})
	for _, stream := range [][]byte{
		configure,
		export,
		bytes.Join([][]byte{configure, export, export}, nil),
		request(comms.RegisterRequest{Common: common(comms.RegisterRequestType), ProtocolVersion: "6.0.13"}),
		request(comms.ValidateRequest{Common: common(comms.ValidateRequestType), PrivateOptions: options("Nosuch=1")}),
		bytes.Join([][]byte{export, request(comms.TerminateRequest{Common: common(comms.TerminateRequestType)}), export}, nil),
		request(comms.ExportRequest{Common: common(comms.ExportRequestType), Key: "test.panic"}),
		request(comms.ExportRequest{Common: common(comms.ExportRequestType), Key: "test.error", Params: []string{"100%\n\xff"}}),
		rawFrame(comms.JSONType, `{"id":1,"type":77}`),
		rawFrame(comms.JSONType, `{"id":-1,"type":6}`),
		rawFrame(comms.JSONType, `{"id":1,"type":8,"private_options":[[]],"global_options":7}`),
		rawFrame(9, "x"),
		{1, 0, 0, 0, 3, 0, 0, 0, '{'},
	} {
		f.Add(stream)
	}
	const last = "the last one"
	ending := append(configure, request(comms.ExportRequest{
		Common: common(comms.ExportRequestType), Key: "test.echo", Params: []string{last}, Timeout: 1,
	})...)
	f.Fuzz(func(t *testing.T, stream []byte) {
		frames, rest := splitFrames(stream)
		stream = stream[:len(stream)-len(rest)] // what is cut waits for its end, and that is all
		told := false
		for _, body := range frames {
			var m message
			told = told || body != nil && json.Unmarshal(body, &m) == nil && m.Type == comms.TerminateRequestType
		}
		ours, theirs := net.Pipe()
		defer ours.Close()
		require.NoError(t, ours.SetDeadline(time.Now().Add(20*time.Second)))
		exit := make(chan int, 1)
		go func() { exit <- Server{Metrics: testMetrics()[:3]}.Serve(theirs) }()
		go func() { _, _ = ours.Write(append(stream[:len(stream):len(stream)], ending...)) }()
		for answered := false; !answered; {
			c, body, err := comms.Read(ours)
			if told && err != nil {
				break
			}
			require.NoError(t, err)
			require.Contains(t, []uint32{
				comms.LogRequestType, comms.RegisterResponseType, comms.ValidateResponseType, comms.ExportResponseType,
			}, c.Type)
			var r comms.ExportResponse
			answered = c.Type == comms.ExportResponseType && json.Unmarshal(body, &r) == nil && r.Value == last
		}
		if !told {
			require.Empty(t, exit)
		}
		_ = ours.Close()
		require.Zero(t, <-exit)
	})
}
