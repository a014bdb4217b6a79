package targets

import (
	"cmp"
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"redisjobs/conf"

	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// Allowed is how long a check may take: the shorter of the item's and the
// plugin's timeout, less a margin for the way back. Agents before 7 send no
// item timeout. Options.Timeout is the agent's own unless configured.
func (rt *Runtime) Allowed(itemTimeout int) time.Duration {
	limit := rt.limit(itemTimeout)
	return limit - margin(limit)
}

// Latest is how long after its beginning a check is answered at the latest. What
// lies between Allowed and it is for checks that end by themselves, with words
// of their own.
func (rt *Runtime) Latest(itemTimeout int) time.Duration {
	limit := rt.limit(itemTimeout)
	return limit - margin(limit)/4
}

func (rt *Runtime) limit(itemTimeout int) time.Duration {
	limit := rt.options.Timeout
	if item := time.Duration(itemTimeout) * time.Second; item > 0 && item < limit {
		limit = item
	}
	return limit
}

func margin(limit time.Duration) time.Duration {
	return min(max(limit/20, 50*time.Millisecond), 250*time.Millisecond)
}

// Collect runs a metric on the target that its parameters name, and writes the
// answer to w. After an error w holds nothing of use.
func (rt *Runtime) Collect(ctx context.Context, metric *item.Metric, params []string, w *jsondoc.Writer) error {
	request, t, err := rt.request(metric, params)
	if err != nil {
		return err
	}
	ctx, lease := rt.budget.Begin(ctx)
	defer lease.End()
	w.Limit(rt.options.MaxAnswer)
	err = metric.Collect(ctx, request, w)
	if t != nil {
		err = cmp.Or(t.faults.err(), err)
	}
	return rt.judge(metric, request, w.Len(), err)
}

// maxParam bounds a parameter of an item key, in characters: Zabbix keeps no
// longer key. Only macros make longer ones.
const maxParam = 2048

// checkLengths refuses parameters that are too long: some of them are remembered.
func checkLengths(metric *item.Metric, params []string) error {
	for i, p := range params {
		if len(p) <= maxParam {
			continue
		}
		if n := utf8.RuneCountInString(p); n > maxParam {
			name := ""
			if i < len(metric.Params) {
				name = " (" + metric.Params[i].Name + ")"
			}
			return fmt.Errorf("%s: parameter %d%s has %d characters, more than the %d of an item key", metric.Key, i+1, name, n, maxParam)
		}
	}
	return nil
}

// request reads a check's parameters and finds its target, nil for a metric that
// has none.
func (rt *Runtime) request(metric *item.Metric, params []string) (*item.Request, *target, error) {
	if err := checkLengths(metric, params); err != nil {
		return nil, nil, err
	}
	args, err := metric.ParseArgs(params)
	if err != nil {
		return nil, nil, err
	}
	request := &item.Request{Args: args, Env: &rt.Env}
	var found *target
	if metric.TakesConn() {
		t, err := rt.options.Resolve(conf.Ref{
			Conn:     args.Kind(item.ParamConn),
			Password: args.Kind(item.ParamPassword),
			User:     args.Kind(item.ParamUser),
		})
		if err != nil {
			return nil, nil, err
		}
		if err := metric.CheckTarget(t.Web(), t.String()); err != nil {
			return nil, nil, err
		}
		found = rt.target(t)
		request.Target = found.view()
	}
	return request, found, nil
}

// late is a target that did not answer in time, whatever it is asked.
type late struct{ err error }

func (l late) DoAll(context.Context, ...redisclient.Command) ([]resp.Value, error) { return nil, l.err }

func (l late) Get(context.Context, string) ([]byte, error) { return nil, l.err }

// Late writes the answer of a check that was not finished in time: that of the
// same metric for a target that does not answer, so that a document stays one.
// Nothing is sent, and nothing remembered.
func (rt *Runtime) Late(ctx context.Context, metric *item.Metric, params []string, allowed time.Duration, w *jsondoc.Writer) error {
	err := &redisclient.Error{Op: "wait", Reason: redisclient.ReasonTimeout, Err: fmt.Errorf(
		"timeout: no answer within %s, because the server is slow or its replies are too large", allowed)}
	request, _, refusal := rt.request(metric, params)
	if refusal != nil {
		return refusal
	}
	if request.Target == nil {
		return rt.judge(metric, request, 0, err)
	}
	target := *request.Target
	target.Memory = &item.Memory{}
	target.Peer = func(string) (*item.Target, error) { return nil, err }
	target.Sentinels = nil
	if target.Web != nil {
		target.Web = late{err}
	} else {
		target.Doer = late{err}
	}
	env := *request.Env
	env.Background = nil
	request.Target, request.Env = &target, &env
	return rt.judge(metric, request, 0, metric.Collect(ctx, request, w))
}

// judge gives a check's error its context, and makes one of an answer that is
// too long.
func (rt *Runtime) judge(metric *item.Metric, request *item.Request, length int, err error) error {
	switch {
	case err != nil && request.Target != nil:
		return redisclient.InWords(fmt.Sprintf("cannot get %s from %s: %s", metric.Key, request.Target.Name, redisclient.Words(err)), err)
	case err != nil:
		return redisclient.InWords(fmt.Sprintf("cannot get %s: %s", metric.Key, redisclient.Words(err)), err)
	case length > rt.options.MaxAnswer:
		return fmt.Errorf("the answer to %s has %d bytes, more than the limit of %d (option Plugins.%s.MaxAnswer)",
			metric.Key, length, rt.options.MaxAnswer, conf.PluginName)
	}
	return nil
}
