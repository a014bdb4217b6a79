package migrate

import (
	"context"
	"fmt"
	"sync"

	"redisjobs/conf"
	"redisjobs/redisclient"
	"redisjobs/targets"
)

// atOnce bounds the sessions that are asked side by side.
const atOnce = 8

// outcome is how a session answered.
type outcome struct {
	session string
	target  string
	err     error
}

// down reports whether the server does not serve now, which says nothing of the session.
func (o outcome) down() bool {
	switch redisclient.ReasonOf(o.err) {
	case redisclient.ReasonDNS, redisclient.ReasonTCP, redisclient.ReasonTimeout, redisclient.ReasonLoading, redisclient.ReasonMasterDown,
		redisclient.ReasonBusy, redisclient.ReasonMaxClients, redisclient.ReasonPool:
		return true
	}
	return false
}

// ask sends the server of each session what the official template needs: whether it
// lets us in and permits it.
func ask(options *conf.Options, sessions []string) ([]outcome, error) {
	client, err := targets.NewClient(options)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	out := make([]outcome, len(sessions))
	places := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i, name := range sessions {
		wg.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			out[i] = askOne(client, options, name)
		})
	}
	wg.Wait()
	return out, nil
}

func askOne(client *targets.Client, options *conf.Options, name string) (o outcome) {
	o.session = name
	defer func() { // a fault of ours must not hide the other sessions
		if reason := recover(); reason != nil {
			o.err = fmt.Errorf("internal error: %v (please report it)", reason)
		}
	}()
	doer, shown, err := client.Target(conf.Ref{Conn: name})
	if err != nil {
		o.err = err
		return o
	}
	o.target = shown
	ctx, cancel := context.WithTimeout(context.Background(), options.Timeout)
	defer cancel()
	replies, err := doer.DoAll(ctx, redisclient.Command{"PING"}, redisclient.Command{"INFO", "server"},
		redisclient.Command{"CONFIG", "GET", "maxmemory"}, redisclient.Command{"SLOWLOG", "LEN"})
	if err != nil {
		o.err = redisclient.InWords(redisclient.Words(err), err)
		return o
	}
	for i, what := range []string{"PING", "INFO"} { // some services have neither of the others, and the built-in plugin does not either
		if err := replies[i].Err(); err != nil && !redisclient.RefusesWrites(err) {
			o.err = fmt.Errorf("%s: %w", what, err)
		}
	}
	return o
}
