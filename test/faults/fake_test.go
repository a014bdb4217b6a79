//go:build e2e && linux

package faults

import (
	"fmt"
	"io"

	"redisjobs/internal/redistest"
)

// answerConfig answers CONFIG GET with a value that names the parameter, and whatever opens a connection with OK. The
// function, if any, makes of the reply to CONFIG GET what is sent.
func answerConfig(spoil func(reply string) string) redistest.Step {
	return func(p *redistest.Peer) error {
		for {
			cmd, err := p.ReadCommand()
			if err != nil {
				return err
			}
			reply := "+OK\r\n"
			switch cmd[0] {
			case "PING":
				reply = "+PONG\r\n"
			case "CONFIG":
				reply = configReply(cmd[2])
				if spoil != nil {
					reply = spoil(reply)
				}
			}
			if _, err := io.WriteString(p, reply); err != nil {
				return err
			}
		}
	}
}

func configReply(name string) string {
	value := configValue(name)
	return fmt.Sprintf("*2\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", len(name), name, len(value), value)
}

func configValue(name string) string { return "value of " + name }
