package agent

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"strings"
	"time"
)

// Dialect is how a passive check is asked for.
type Dialect int

const (
	// Plain is the bare item key. Every agent understands it; it carries no timeout.
	Plain Dialect = iota
	// JSON is the request of servers from 7.0 on, which carries the item's timeout. Agents before 7.0 do not know it.
	JSON
)

// maxReply bounds what a reply may declare as its length, in bytes. Agents answer far less.
const maxReply = 64 << 20

// NotSupported is an agent's answer that an item cannot be read, with its reason.
type NotSupported struct {
	Text string
}

func (e *NotSupported) Error() string { return "not supported: " + e.Text }

// Query asks the agent at addr for one item over a connection of its own. The timeout, in whole seconds rounded up, is
// told to the agent when the dialect can; how long Query itself waits is the context's business.
func Query(ctx context.Context, addr string, dialect Dialect, key string, timeout time.Duration) (string, error) {
	request, err := encodeRequest(dialect, key, timeout)
	if err != nil {
		return "", err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()

	if _, err := conn.Write(request); err != nil {
		return "", fmt.Errorf("asking %s for %s: %w", addr, key, errors.Join(err, ctx.Err()))
	}
	body, err := readFrame(conn)
	if err != nil {
		return "", fmt.Errorf("reading the answer of %s to %s: %w", addr, key, errors.Join(err, ctx.Err()))
	}
	return parseReply(dialect, body)
}

// A frame is "ZBXD", a byte of flags (1: a Zabbix frame, nothing else set), the body's length and a reserved word, both
// 32 bits little endian, and the body.
const frameHeader = 13

func appendFrame(dst, body []byte) []byte {
	dst = append(dst, 'Z', 'B', 'X', 'D', 1)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(body)))
	dst = binary.LittleEndian.AppendUint32(dst, 0)
	return append(dst, body...)
}

func readFrame(r io.Reader) ([]byte, error) {
	var header [frameHeader]byte
	if n, err := io.ReadFull(r, header[:]); err != nil {
		if n == 0 && errors.Is(err, io.EOF) {
			return nil, errors.New("connection closed without an answer (is this address in the agent's Server option?)")
		}
		return nil, fmt.Errorf("frame header: %w", err)
	}
	if string(header[:4]) != "ZBXD" {
		return nil, fmt.Errorf("not a Zabbix frame: begins with %q", header[:4])
	}
	if header[4] != 1 {
		return nil, fmt.Errorf("frame flags %#02x are not understood", header[4])
	}
	length := binary.LittleEndian.Uint32(header[5:9])
	if length > maxReply {
		return nil, fmt.Errorf("frame of %d bytes is over the limit of %d", length, maxReply)
	}
	// Memory grows with what arrives, not with what was declared.
	var body bytes.Buffer
	n, err := io.Copy(&body, io.LimitReader(r, int64(length)))
	if err != nil {
		return nil, fmt.Errorf("frame body: %w", err)
	}
	if n < int64(length) {
		return nil, fmt.Errorf("frame body: %d of %d bytes: %w", n, length, io.ErrUnexpectedEOF)
	}
	return body.Bytes(), nil
}

type request struct {
	Request string        `json:"request"`
	Data    []requestItem `json:"data"`
}

type requestItem struct {
	Key     string `json:"key"`
	Timeout int    `json:"timeout"`
}

func encodeRequest(dialect Dialect, key string, timeout time.Duration) ([]byte, error) {
	switch dialect {
	case Plain:
		return appendFrame(nil, []byte(key)), nil
	case JSON:
		seconds := int(math.Ceil(timeout.Seconds()))
		body, err := json.Marshal(request{
			Request: "passive checks",
			Data:    []requestItem{{Key: key, Timeout: max(seconds, 1)}},
		})
		if err != nil {
			return nil, err
		}
		return appendFrame(nil, body), nil
	}
	return nil, fmt.Errorf("unknown dialect %d", dialect)
}

type reply struct {
	Error *string `json:"error"`
	Data  []struct {
		Value *string `json:"value"`
		Error *string `json:"error"`
	} `json:"data"`
}

func parseReply(dialect Dialect, body []byte) (string, error) {
	if dialect == Plain {
		return parsePlain(string(body))
	}
	var answer reply
	if err := json.Unmarshal(body, &answer); err != nil {
		return "", fmt.Errorf("answer is not the JSON of a passive check: %w", err)
	}
	switch {
	case answer.Error != nil:
		return "", fmt.Errorf("agent refuses the request: %s", *answer.Error)
	case len(answer.Data) != 1:
		return "", fmt.Errorf("answer has %d values instead of one", len(answer.Data))
	case answer.Data[0].Error != nil:
		return "", &NotSupported{Text: *answer.Data[0].Error}
	case answer.Data[0].Value == nil:
		return "", errors.New("answer has neither a value nor an error")
	}
	return *answer.Data[0].Value, nil
}

// parsePlain tells a value from an error, which is the word ZBX_NOTSUPPORTED, a zero byte and the reason.
func parsePlain(body string) (string, error) {
	rest, found := strings.CutPrefix(body, "ZBX_NOTSUPPORTED")
	switch {
	case !found:
		return body, nil
	case rest == "":
		return "", &NotSupported{}
	case rest[0] == 0:
		return "", &NotSupported{Text: strings.TrimRight(rest[1:], "\x00")}
	}
	return body, nil
}
