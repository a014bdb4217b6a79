package driver

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.zabbix.com/sdk/plugin/comms"

	"redisjobs/test/stall"
)

// defaultTimeout is the item timeout of Get, in seconds.
const defaultTimeout = 3

// late is how long after an item's timeout its answer is still taken. An agent from 7.0 on waits 0.5 s; the rest is for
// a busy machine.
const late = 10 * time.Second

// Refused is the plugin's answer that an item cannot be read. Any other error of a check means that there was no answer.
type Refused struct{ Text string }

func (e *Refused) Error() string { return e.Text }

var (
	errNoAnswer = errors.New("no answer in time")
	errHungUp   = errors.New("the plugin's socket has ended")
)

// Check is a request that was sent.
type Check struct {
	plugin *Plugin
	id     uint32
	key    string
	sent   time.Time
	late   time.Time
	done   chan struct{}

	response *comms.ExportResponse // nil: none will come
	took     time.Duration
}

// Ask sends a check with an item timeout in seconds (0: none is sent, as by agents before 7.0) and does not wait.
func (p *Plugin) Ask(timeout int, key string, params ...string) *Check {
	now := time.Now()
	c := &Check{plugin: p, key: key, sent: now, done: make(chan struct{})}
	c.late = now.Add(late + time.Duration(max(timeout, 1))*time.Second)
	if timeout == 0 {
		c.late = now.Add(late + time.Duration(p.timeout)*time.Second)
	}
	p.mu.Lock()
	p.nextID++
	c.id = p.nextID
	open := p.checks != nil
	if open {
		p.checks[c.id] = c
	}
	p.mu.Unlock()
	if !open {
		close(c.done)
		return c
	}
	// An error means that the socket has ended, which the reader notices.
	_ = p.write(comms.ExportRequest{
		Common: comms.Common{Id: c.id, Type: comms.ExportRequestType}, Key: key, Params: params, Timeout: timeout,
	})
	return c
}

func (p *Plugin) id() uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.nextID++
	return p.nextID
}

// Answer waits for the value. The error is a *Refused when the plugin has answered with one.
func (c *Check) Answer() (string, error) {
	timer := time.NewTimer(time.Until(c.late))
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
		c.plugin.giveUp(c)
		return "", fmt.Errorf("%s: %w", c.key, errNoAnswer)
	}
	if c.response == nil {
		return "", fmt.Errorf("%s: %w", c.key, errHungUp)
	}
	if c.response.Error != "" {
		return "", &Refused{c.response.Error}
	}
	value, isText := c.response.Value.(string)
	if !isText {
		return "", fmt.Errorf("%s: the value is a %T", c.key, c.response.Value)
	}
	return value, nil
}

// Answered reports whether the answer is there.
func (c *Check) Answered() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// Took is the time from the request to its answer, once that is there.
func (c *Check) Took() time.Duration {
	<-c.done
	return c.took
}

// TookAwake is Took without the time in which the machine stood still.
func (c *Check) TookAwake() time.Duration {
	took := c.Took()
	return stall.Awake(c.sent, c.sent.Add(took))
}

// giveUp forgets a check; its answer, should it come, is no stray but late.
func (p *Plugin) giveUp(c *Check) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, waiting := p.checks[c.id]; waiting {
		delete(p.checks, c.id)
		p.given[c.id] = true
	}
}

// Get runs one check with the usual item timeout of 3 s.
func (p *Plugin) Get(key string, params ...string) (string, error) {
	return p.Ask(defaultTimeout, key, params...).Answer()
}

// Value is the value of an item that must have one.
func (p *Plugin) Value(t testing.TB, key string, params ...string) string {
	t.Helper()
	value, err := p.Get(key, params...)
	if err != nil {
		t.Fatalf("%s: %v", shown(key, params), err)
	}
	return value
}

// Refused is the error of an item that must have one.
func (p *Plugin) Refused(t testing.TB, key string, params ...string) string {
	t.Helper()
	value, err := p.Get(key, params...)
	var refused *Refused
	if !errors.As(err, &refused) {
		t.Fatalf("%s is not refused: %.300q, %v", shown(key, params), value, err)
	}
	return refused.Text
}

func shown(key string, params []string) string {
	return fmt.Sprintf("%.300s", fmt.Sprintf("%s%q", key, params))
}

// PauseReading stops taking bytes from the socket, so that its buffers fill up. A frame that has begun is read to its
// end first.
func (p *Plugin) PauseReading() { p.setPaused(true) }

// ResumeReading ends PauseReading.
func (p *Plugin) ResumeReading() { p.setPaused(false) }

func (p *Plugin) setPaused(paused bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paused = paused
	p.reading.Broadcast()
}

// read hands every answer to its check until the socket ends.
func (p *Plugin) read() {
	for {
		p.mu.Lock()
		for p.paused {
			p.reading.Wait()
		}
		p.mu.Unlock()
		c, body, err := comms.Read(p.conn)
		if err != nil {
			break
		}
		p.take(c, body)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.checks {
		close(c.done)
	}
	p.checks = nil
}

func (p *Plugin) take(c comms.Common, body []byte) {
	now := time.Now()
	if c.Type == comms.LogRequestType {
		var line comms.LogRequest
		_ = json.Unmarshal(body, &line)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.logs = append(p.logs, line.Message)
		return
	}
	var response comms.ExportResponse
	err := json.Unmarshal(body, &response)
	p.mu.Lock()
	defer p.mu.Unlock()
	check := p.checks[c.Id]
	switch {
	case check != nil && err == nil && c.Type == comms.ExportResponseType:
		delete(p.checks, c.Id)
		check.response, check.took = &response, now.Sub(check.sent)
		close(check.done)
	case check == nil && p.given[c.Id]:
		delete(p.given, c.Id)
	default:
		p.strays = append(p.strays, string(body[:min(len(body), 200)]))
	}
}
