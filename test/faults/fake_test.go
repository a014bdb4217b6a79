//go:build e2e && linux

package faults

import (
	"fmt"
	"io"
	"strings"

	"redisjobs/internal/redistest"
)

// answer is a server that speaks enough of Redis for the plugin's checks: GET and CONFIG GET give a value that names
// what was asked for. The function, if any, makes of the reply to one of these what is sent; ended says that the
// connection is to be closed then.
func answer(spoil func(cmd []string, reply string) (sent string, ended bool)) redistest.Step {
	return func(p *redistest.Peer) error {
		for {
			cmd, err := p.ReadCommand()
			if err != nil {
				return err
			}
			cmd[0] = strings.ToUpper(cmd[0])
			reply, ended := reply(cmd), false
			if spoil != nil && (cmd[0] == "CONFIG" || cmd[0] == "GETRANGE") {
				reply, ended = spoil(cmd, reply)
			}
			if _, err := io.WriteString(p, reply); err != nil {
				return err
			}
			if ended {
				return io.EOF
			}
		}
	}
}

func reply(cmd []string) string {
	switch strings.Join(cmd[:min(len(cmd), 2)], " ") {
	case "PING":
		return "+PONG\r\n"
	case "CONFIG GET":
		return "*2\r\n" + bulk(cmd[2]) + bulk(valueOf(cmd[2]))
	case "COMMAND INFO":
		return "*1\r\n*6\r\n" + bulk(cmd[2]) + ":2\r\n*1\r\n+readonly\r\n:1\r\n:1\r\n:1\r\n"
	case "SLOWLOG LEN":
		return ":0\r\n"
	case "SLOWLOG GET":
		return "*0\r\n"
	}
	if cmd[0] == "GETRANGE" {
		return bulk(valueOf(cmd[1]))
	}
	return "+OK\r\n"
}

func bulk(text string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(text), text) }

// valueOf is what a fake answers when it is asked for a name.
func valueOf(name string) string { return "value of " + name }
