package storm

import (
	"fmt"

	"redisjobs/metrics/ask"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

var commandTime = redisclient.Command{"TIME"}

// refuseTime notes why the server does not tell its time, if it does not.
func (c *check) refuseTime(err error) {
	if err != nil {
		c.timeless = fmt.Errorf("the server's time is not known: TIME: %w", err)
	}
}

// takeTime receives the reply to TIME. A refusal costs the ages alone; the error is
// for the server as a whole.
func (c *check) takeTime(v resp.Value, refusals *ask.Refusals) (err error) {
	if err := v.Err(); err != nil {
		if redisclient.ConcernsServer(err) {
			return err
		}
		refusals.Note(commandTime, "", err)
		c.refuseTime(err)
		return nil
	}
	if c.now, err = redisclient.ParseTime(v); err != nil {
		return redisclient.Misread("ask the server for its time", err)
	}
	return nil
}
