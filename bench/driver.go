package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The message types of the agent's protocol that the driver uses. Source: SDK
// plugin/comms.
const (
	logRequest       = 1
	startRequest     = 4
	exportRequest    = 6
	configureRequest = 8
)

// item is an item key in its parts.
type item struct {
	key    string
	params []string
}

// itemTimeout is what the driver and the passive checks ask for.
const itemTimeout = 3 * time.Second

// driver plays the agent for one plugin process: it sends export requests and
// takes the answers, as many at once as it is told to.
type driver struct {
	pid  int
	conn net.Conn
	in   *bufio.Reader
	out  []byte
	body []byte
}

// drive starts a plugin and configures it.
func drive(s *scope, executable string, env ...string) *driver {
	socket := filepath.Join(s.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		s.Fatal(err)
	}
	defer listener.Close()
	cmd := exec.Command(executable, socket, "false")
	cmd.Env = append(os.Environ(), env...)
	start(s, cmd)
	listener.(*net.UnixListener).SetDeadline(time.Now().Add(10 * time.Second))
	conn, err := listener.Accept()
	if err != nil {
		s.Fatalf("%s does not connect: %v", filepath.Base(executable), err)
	}
	s.Cleanup(func() { conn.Close() })
	d := newDriver(conn)
	d.pid = cmd.Process.Pid
	if err := d.configure(); err != nil {
		s.Fatal(err)
	}
	return d
}

func newDriver(conn net.Conn) *driver {
	return &driver{conn: conn, in: bufio.NewReaderSize(conn, 256<<10)}
}

func (d *driver) configure() error {
	d.frame(func(b []byte) []byte {
		return fmt.Appendf(b, `{"id":1,"type":%d,"global_options":{"Timeout":3},"private_options":null}`, configureRequest)
	})
	d.frame(func(b []byte) []byte { return fmt.Appendf(b, `{"id":2,"type":%d}`, startRequest) })
	return d.flush()
}

// frame appends a frame, whose body f appends, to what flush sends.
func (d *driver) frame(f func([]byte) []byte) {
	begin := len(d.out)
	d.out = f(append(d.out, 1, 0, 0, 0, 0, 0, 0, 0))
	binary.LittleEndian.PutUint32(d.out[begin+4:], uint32(len(d.out)-begin-8))
}

func (d *driver) flush() error {
	_, err := d.conn.Write(d.out)
	d.out = d.out[:0]
	return err
}

// firstID is the id of the first check; ids below it are the driver's own.
const firstID = 10

func (d *driver) ask(slot int, request []byte) {
	d.frame(func(b []byte) []byte {
		b = strconv.AppendInt(append(b, `{"id":`...), int64(slot+firstID), 10)
		return append(b, request...)
	})
}

// requests are the items as JSON, without the id.
func requests(items []item) ([][]byte, error) {
	all := make([][]byte, len(items))
	for i, it := range items {
		params, err := json.Marshal(it.params)
		if err != nil {
			return nil, err
		}
		all[i] = fmt.Appendf(nil, `,"type":%d,"key":%q,"parameters":%s,"timeout":%d}`,
			exportRequest, it.key, params, int(itemTimeout.Seconds()))
	}
	return all, nil
}

// answer reads the next answer to a check and returns its slot and its body,
// which is valid until the next call. It does not decode the value: the driver
// shares the machine with what it measures.
func (d *driver) answer() (slot int, body []byte, err error) {
	for {
		var header [8]byte
		if _, err := io.ReadFull(d.in, header[:]); err != nil {
			return 0, nil, fmt.Errorf("the plugin is gone: %w", err)
		}
		n := int(binary.LittleEndian.Uint32(header[4:]))
		if cap(d.body) < n {
			d.body = make([]byte, n)
		}
		d.body = d.body[:n]
		if _, err := io.ReadFull(d.in, d.body); err != nil {
			return 0, nil, err
		}
		head := d.body[:min(n, 64)]
		rest, found := bytes.CutPrefix(head, []byte(`{"id":`))
		digits, rest, comma := bytes.Cut(rest, []byte(","))
		id, err := strconv.Atoi(string(digits))
		if !found || !comma || err != nil {
			return 0, nil, fmt.Errorf("not an answer: %q", head)
		}
		if bytes.HasPrefix(rest, fmt.Appendf(nil, `"type":%d,`, logRequest)) {
			continue
		}
		if !bytes.Contains(rest, []byte(`"value":`)) {
			return 0, nil, fmt.Errorf("a check failed: %s", d.body[:min(n, 500)])
		}
		return id - firstID, d.body, nil
	}
}

// get asks for one item and returns its value.
func (d *driver) get(it item) (string, error) {
	text, err := requests([]item{it})
	if err != nil {
		return "", err
	}
	d.ask(0, text[0])
	if err := d.flush(); err != nil {
		return "", err
	}
	_, body, err := d.answer()
	if err != nil {
		return "", err
	}
	var reply struct {
		Value *string `json:"value"`
	}
	if err := json.Unmarshal(body, &reply); err != nil {
		return "", err
	}
	if reply.Value == nil {
		return "", errors.New("an answer without a value")
	}
	return *reply.Value, nil
}

// expect fails unless the item's value contains the text.
func (d *driver) expect(it item, text string) error {
	value, err := d.get(it)
	if err == nil && !strings.Contains(value, text) {
		err = fmt.Errorf("%s: %.200q does not contain %q", it.key, value, text)
	}
	return err
}

// run keeps inFlight checks under way, taking the items in turn, until done,
// called with the number of checks sent, says that no more are to be sent. It
// returns the number of checks answered.
func (d *driver) run(items []item, inFlight int, l *latencies, done func(sent int) bool) (int, error) {
	text, err := requests(items)
	if err != nil {
		return 0, err
	}
	sentAt := make([]time.Time, inFlight)
	sent, answered := 0, 0
	send := func(slot int) {
		if done(sent) {
			return
		}
		sentAt[slot] = time.Now()
		d.ask(slot, text[sent%len(text)])
		sent++
	}
	for slot := range inFlight {
		send(slot)
	}
	for answered < sent {
		// What can be sent goes out before the driver has to wait, in one write.
		if d.in.Buffered() == 0 && len(d.out) > 0 {
			if err := d.flush(); err != nil {
				return 0, err
			}
		}
		slot, _, err := d.answer()
		if err != nil {
			return 0, err
		}
		if slot < 0 || slot >= inFlight {
			return 0, fmt.Errorf("an answer to a check that was not asked for: id %d", slot+firstID)
		}
		l.add(time.Since(sentAt[slot]))
		answered++
		send(slot)
	}
	return answered, nil
}

// load runs checks for the time d and measures the plugin.
func (d *driver) load(items []item, inFlight int, length time.Duration) (values, int, error) {
	var l latencies
	m, err := startMeter(d.pid)
	if err != nil {
		return nil, 0, err
	}
	began := time.Now()
	n, err := d.run(items, inFlight, &l, func(int) bool { return time.Since(began) >= length })
	if err != nil {
		return nil, 0, err
	}
	took := time.Since(began)
	used, err := m.perOp(n)
	if err != nil {
		return nil, 0, err
	}
	v := values{rate: float64(n) / took.Seconds(), cpu: used[0]}
	l.fill(v)
	return v, n, nil
}

// round asks for each item once.
func (d *driver) round(items []item, inFlight int) (time.Duration, error) {
	began := time.Now()
	_, err := d.run(items, inFlight, &latencies{}, func(sent int) bool { return sent >= len(items) })
	return time.Since(began), err
}
