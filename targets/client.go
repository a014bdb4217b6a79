package targets

import (
	"context"
	"fmt"

	"redisjobs/conf"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"

	"redisjobs/redisclient"
)

// Client reaches targets for the command line in the way that checks reach
// them: over the pool, to the master that sentinels name, and to the node of a
// cluster that has a key.
type Client struct{ rt *Runtime }

// NewClient makes a client with the options of a configuration.
func NewClient(options *conf.Options) (*Client, error) {
	rt, err := New(options)
	if err != nil {
		return nil, err
	}
	return &Client{rt}, nil
}

// Target finds what ref means, with its name as it may be shown.
func (c *Client) Target(ref conf.Ref) (doer redisclient.Doer, name string, err error) {
	t, err := c.rt.options.Resolve(ref)
	if err != nil {
		return nil, "", err
	}
	if t.Web() {
		return nil, "", fmt.Errorf("%s is the address of a Storm UI, not of a Redis server", t)
	}
	view := c.rt.target(t).view()
	return view, view.Name, nil
}

// StormUI finds the Storm UI that ref means, with its name as it may be shown.
func (c *Client) StormUI(ref conf.Ref) (web item.Web, name string, err error) {
	t, err := c.rt.options.Resolve(ref)
	if err != nil {
		return nil, "", err
	}
	if !t.Web() {
		return nil, "", fmt.Errorf("%s is the address of a Redis server, not of a Storm UI", t)
	}
	view := c.rt.target(t).view()
	return view.Web, view.Name, nil
}

// Close ends the connections.
func (c *Client) Close() { c.rt.Close(CloseGrace) }

// Collect answers an item key of a session, as -t does.
func (c *Client) Collect(ctx context.Context, metric *item.Metric, params ...string) (string, error) {
	w := jsondoc.New(0)
	if err := c.rt.Collect(ctx, metric, params, w); err != nil {
		return "", err
	}
	return w.Document(), nil
}
