// Command relay is the yardstick of the benchmarks: the least that a loadable
// plugin for Zabbix agent 2 can do and still read Redis. It forwards the text
// of INFO, or the replies to all commands of redis.get or to those in a file, as
// they are, parses nothing, has no retries, no limits and no care for servers that
// are down. What a real plugin costs more than this is the price of what it does
// more.
//
// It is written as an able author would write it in an afternoon:
// encoding/json for the frames, a goroutine for each request, a plain pool of
// connections with 16 KB read buffers. The number of connections to a target
// comes from RELAY_CONNECTIONS (default 2).
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The message types of the agent's protocol.
const (
	registerRequest = iota + 2
	registerResponse
	startRequest
	terminateRequest
	exportRequest
	exportResponse
	configureRequest
	validateRequest
	validateResponse
)

type request struct {
	ID      uint32   `json:"id"`
	Type    uint32   `json:"type"`
	Key     string   `json:"key"`
	Params  []string `json:"parameters"`
	Timeout int      `json:"timeout"`
}

type response struct {
	ID         uint32   `json:"id"`
	Type       uint32   `json:"type"`
	Name       string   `json:"name,omitempty"`
	Metrics    []string `json:"metrics,omitempty"`
	Interfaces uint32   `json:"interfaces,omitempty"`
	Value      *string  `json:"value,omitempty"`
	Error      string   `json:"error,omitempty"`
}

func main() {
	if err := serve(os.Args[1:]); err != nil {
		os.Exit(1)
	}
}

func serve(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: relay <socket> <true|false>")
	}
	conn, err := net.Dial("unix", args[0])
	if err != nil {
		return err
	}
	size := 2
	if text := os.Getenv("RELAY_CONNECTIONS"); text != "" {
		if size, err = strconv.Atoi(text); err != nil {
			return err
		}
	}
	a := &agent{conn: conn}
	pools := &pools{size: size, byURI: make(map[string]*pool), files: make(map[string]string)}
	in := bufio.NewReaderSize(conn, 16<<10)
	for {
		var q request
		if err := read(in, &q); err != nil {
			return err
		}
		switch q.Type {
		case registerRequest:
			a.write(&response{ID: q.ID, Type: registerResponse, Name: "Relay", Interfaces: 1, Metrics: []string{
				"relay.ping", "Returns 1 if the server answers.",
				"relay.info", "Returns the text of INFO.",
				"relay.get", "Returns the replies to the commands of redis.get.",
				"relay.file", "Returns the replies to the commands in a file.",
			}})
		case validateRequest:
			a.write(&response{ID: q.ID, Type: validateResponse})
		case exportRequest:
			go a.export(&q, pools)
		case terminateRequest:
			return nil
		}
	}
}

func read(in *bufio.Reader, q *request) error {
	var header [8]byte
	if _, err := io.ReadFull(in, header[:]); err != nil {
		return err
	}
	body := make([]byte, binary.LittleEndian.Uint32(header[4:]))
	if _, err := io.ReadFull(in, body); err != nil {
		return err
	}
	return json.Unmarshal(body, q)
}

// agent is the socket to the agent.
type agent struct {
	mu   sync.Mutex
	conn net.Conn
}

func (a *agent) write(r *response) {
	body, err := json.Marshal(r)
	if err != nil {
		return
	}
	frame := make([]byte, 8, 8+len(body))
	binary.LittleEndian.PutUint32(frame, 1)
	binary.LittleEndian.PutUint32(frame[4:], uint32(len(body)))
	frame = append(frame, body...)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.conn.Write(frame) // the reader notices an agent that is gone
}

func (a *agent) export(q *request, pools *pools) {
	value, err := collect(q, pools)
	r := &response{ID: q.ID, Type: exportResponse, Value: &value}
	if err != nil {
		r.Value, r.Error = nil, err.Error()
	}
	a.write(r)
}

func collect(q *request, pools *pools) (string, error) {
	if len(q.Params) == 0 {
		return "", fmt.Errorf("the address is missing")
	}
	timeout := 3 * time.Second
	if q.Timeout > 0 {
		timeout = time.Duration(q.Timeout) * time.Second
	}
	p, err := pools.of(q.Params[0])
	if err != nil {
		return "", err
	}
	deadline := time.Now().Add(timeout)
	switch q.Key {
	case "relay.ping":
		if _, err := p.roundTrip(deadline, "PING"); err != nil {
			return "", err
		}
		return "1", nil
	case "relay.info":
		return p.roundTrip(deadline, "INFO")
	case "relay.get":
		return p.forward(deadline, strings.Join(getCommands, "\r\n")+"\r\n", len(getCommands))
	case "relay.file": // a command a line
		if len(q.Params) < 2 {
			return "", fmt.Errorf("the file is missing")
		}
		commands, err := pools.file(q.Params[1])
		if err != nil {
			return "", err
		}
		return p.forward(deadline, commands, strings.Count(commands, "\r\n"))
	}
	return "", fmt.Errorf("unknown key %q", q.Key)
}
