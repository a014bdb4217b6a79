package record

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"redisjobs/agentconf"
	"redisjobs/conf"

	"redisjobs/metrics/storm"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
	"redisjobs/targets"
)

// writer writes the record of one job. It is not for concurrent use.
type writer struct {
	client  *targets.Client
	doer    redisclient.Doer
	target  string // as it may be shown
	timeout time.Duration

	job, key, index string
	statusMap       map[string]int

	// ahead is how far the server's clock is ahead of ours.
	ahead time.Duration
	// apart: the keys cannot be written together.
	apart bool
}

func newWriter(o *options) (*writer, error) {
	var read *agentconf.Config
	if o.config != "" {
		read = agentconf.ReadHere(o.config)
	}
	file, err := conf.Load(read)
	if err != nil {
		return nil, err
	}
	password := conf.NewSecret(os.Getenv(PasswordVariable))
	if o.passwordFile != "" {
		if password, err = conf.ReadPasswordFile(o.passwordFile); err != nil {
			return nil, err
		}
	}
	client, err := targets.NewClient(file)
	if err != nil {
		return nil, err
	}
	w := &writer{
		client: client, timeout: file.Timeout,
		job: o.job, key: storm.OwnKey(file.Storm.KeyPattern, o.job), index: file.Storm.IndexKey,
		statusMap: file.Storm.StatusMap,
	}
	w.doer, w.target, err = client.Target(conf.Ref{Conn: o.redis, Password: password.Reveal(), User: o.user})
	if err != nil {
		client.Close()
		return nil, err
	}
	return w, nil
}

func (w *writer) close() { w.client.Close() }

// moment writes a time of this machine as the record has it: in unix seconds
// of the server's clock.
func (w *writer) moment(at time.Time) string {
	return strconv.FormatFloat(float64(at.Add(w.ahead).UnixMilli())/1e3, 'f', 3, 64)
}

// write asks the server for its time and writes the fields, names and values in
// turn, that it makes once the time is known.
func (w *writer) write(ctx context.Context, fields func() []string) error {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	err := w.synchronise(ctx)
	if err == nil {
		err = w.store(ctx, fields())
	}
	if err != nil {
		return fmt.Errorf("the record of the job %q was not written to %s: %w", w.job, w.target, inFlags(err))
	}
	return nil
}

// flagWords are the flags that stand here for the parameters of an item key.
var flagWords = strings.NewReplacer(
	"the parameters User and Password of the item key", "--user and --password-file (or "+PasswordVariable+")",
	"the parameter Password of the item key", "--password-file (or "+PasswordVariable+")",
	"the parameter User of the item key", "--user",
	"the address of the item key", "--redis", "the address and", "--redis and",
)

// inFlags is an error in the words of this command line.
func inFlags(err error) error {
	return redisclient.InWords(flagWords.Replace(redisclient.Words(err)), err)
}

func (w *writer) synchronise(ctx context.Context) error {
	sent := time.Now()
	replies, err := w.doer.DoAll(ctx, redisclient.Command{"TIME"})
	if err != nil {
		return err
	}
	now, err := redisclient.ParseTime(replies[0])
	if err != nil {
		switch redisclient.ReasonOf(err) {
		case redisclient.ReasonACL, redisclient.ReasonCommand:
			return nil
		}
		return err
	}
	w.ahead = time.Unix(0, int64(now*1e9)).Sub(sent.Add(time.Since(sent) / 2))
	return nil
}

// store writes the hash and the index.
func (w *writer) store(ctx context.Context, fields []string) error {
	cmds := []redisclient.Command{append(redisclient.Command{"HSET", w.key}, fields...)}
	if w.index != "" {
		cmds = append(cmds, redisclient.Command{"SADD", w.index, w.job})
	}
	if !w.apart {
		done, err := w.together(ctx, cmds)
		if done || err != nil {
			return err
		}
		w.apart = true
	}
	replies, err := w.doer.DoAll(ctx, cmds...)
	if err != nil {
		return err
	}
	return refused(cmds, replies)
}

// together writes all within MULTI. done is false, without an error, where a
// cluster's node does not have all keys, or MULTI is not to be had: commands
// that took effect nevertheless may be sent again.
func (w *writer) together(ctx context.Context, cmds []redisclient.Command) (done bool, err error) {
	all := append([]redisclient.Command{{"MULTI"}}, cmds...)
	replies, err := w.doer.DoAll(ctx, append(all, redisclient.Command{"EXEC"})...)
	if err != nil {
		return false, err
	}
	exec := replies[len(replies)-1]
	if err := refused(all, replies[:len(all)]); err != nil && replies[0].Err() == nil {
		return false, err
	}
	results, err := exec.Array()
	if err != nil || replies[0].Err() != nil || len(results) != len(cmds) {
		return false, nil
	}
	return true, refused(cmds, results)
}

// refused is the first error reply, with its command and key.
func refused(cmds []redisclient.Command, replies []resp.Value) error {
	for i, reply := range replies {
		err := reply.Err()
		if err == nil {
			continue
		}
		name := strings.Join(cmds[i][:min(2, len(cmds[i]))], " ")
		var refusal *resp.ServerError
		if cmds[i][0] == "SADD" && errors.As(err, &refusal) && refusal.Code == "WRONGTYPE" {
			return fmt.Errorf("%s: %w (the index is no set; its owner has to add the job)", name, err)
		}
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
