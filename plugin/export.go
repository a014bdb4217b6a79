package plugin

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"redisjobs/conf"
	"redisjobs/metrics"
)

// export starts a check. Only its reading and bounding happen here, in the
// goroutine that reads the agent's socket.
func (s *server) export(m *message) {
	select {
	case s.running <- struct{}{}:
	default:
		_ = s.out.sendError(m.Id, fmt.Sprintf(
			"too many checks at once: %d are running (is a server hanging, or the agent's capacity set too high?)", maxRunning))
		return
	}
	began := time.Now()
	id, key, params, timeout := m.Id, m.Key, m.Params, m.Timeout
	go func() {
		defer func() { <-s.running }()
		value, err := s.check(began, key, params, timeout)
		// An error of the write means that the agent is gone; the goroutine
		// that reads its socket ends the process.
		if err != nil {
			_ = s.out.sendError(id, clip(err.Error()))
		} else {
			_ = s.out.sendValue(id, value)
		}
	}()
}

// check answers one item. A panic becomes its error.
func (s *server) check(began time.Time, key string, params []string, timeout int) (value string, err error) {
	defer func() {
		if r := recover(); r != nil {
			s.log.errorf("panic in %s: %v\n%s", key, r, debug.Stack())
			value, err = "", fmt.Errorf("internal error in %s: %v (the agent's log has the details)", key, r)
		}
	}()
	metric := s.byKey[key]
	if metric == nil {
		return "", fmt.Errorf("unknown item key %q", key)
	}
	rt := s.current.Load()
	if rt == nil {
		if text := s.confErr.Load(); text != nil {
			return "", fmt.Errorf("%s", *text)
		}
		return "", fmt.Errorf("the plugin is not configured yet")
	}
	ctx, cancel := context.WithDeadline(context.Background(), began.Add(rt.allowed(timeout)))
	defer cancel()
	return rt.collect(ctx, metric, params)
}

// allowed is how long a check may take: the shorter of the item's and the
// plugin's timeout, less a margin for the way back. Agents before 7 send no
// item timeout. Options.Timeout is the agent's own unless configured.
func (rt *runtime) allowed(itemTimeout int) time.Duration {
	limit := rt.options.Timeout
	if item := time.Duration(itemTimeout) * time.Second; item > 0 && item < limit {
		limit = item
	}
	return limit - min(max(limit/20, 50*time.Millisecond), 250*time.Millisecond)
}

// collect runs a metric on the target that its parameters name.
func (rt *runtime) collect(ctx context.Context, metric *metrics.Metric, params []string) (string, error) {
	args, err := metric.ParseArgs(params)
	if err != nil {
		return "", err
	}
	request := &metrics.Request{Args: args, Env: &rt.env}
	if metric.TakesConn() {
		t, err := rt.options.Resolve(conf.Ref{
			Conn:     args.Kind(metrics.ParamConn),
			Password: args.Kind(metrics.ParamPassword),
			User:     args.Kind(metrics.ParamUser),
		})
		if err != nil {
			return "", err
		}
		request.Target = &rt.target(t).public
	}
	value, err := metric.Collect(ctx, request)
	switch {
	case err != nil && request.Target != nil:
		return "", fmt.Errorf("cannot get %s from %s: %w", metric.Key, request.Target.Name, err)
	case err != nil:
		return "", fmt.Errorf("cannot get %s: %w", metric.Key, err)
	case len(value) > rt.options.MaxAnswer:
		return "", fmt.Errorf("the answer to %s has %d bytes, more than the limit of %d (option Plugins.%s.MaxAnswer)",
			metric.Key, len(value), rt.options.MaxAnswer, Name)
	}
	return value, nil
}
