package server

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
)

// Config returns what the agent's built-in redis.config returns. Differences: secrets
// are masked unless the configuration says otherwise, and the name of a parameter may
// be written in capital letters.
var Config = &item.Metric{
	Key: "redis.server.config",
	Description: "Returns configuration parameters: the value of one, or a JSON object of all that match a pattern." +
		" Secrets are masked.",
	Params: []item.Param{
		item.Conn, item.Password,
		{
			Name: "Pattern", Default: "*",
			Description: "name of a parameter, or a glob-style pattern such as maxmemory*",
		},
		item.User,
	},
	Commands: []string{"config|get", "info"},
	Collect:  collectConfig,
}

func collectConfig(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	pattern := r.Arg("Pattern")
	problem, err := info.CheckPattern(ctx, r.Target, pattern)
	if err == nil {
		err = problem
	}
	if err != nil {
		return err
	}
	values, err := r.Target.DoAll(ctx, redisclient.Command{"CONFIG", "GET", pattern})
	if err != nil {
		return err
	}
	params, err := ask.ConfigParams(values[0])
	if err != nil {
		return fmt.Errorf("CONFIG GET %s: %w", pattern, err)
	}
	if len(params) == 0 {
		return fmt.Errorf("no configuration parameter matches %q", pattern)
	}
	if !r.Target.UnmaskSecrets {
		for i, p := range params {
			if p.Value != "" && ask.IsSecret(p.Name) {
				params[i].Value = ask.Masked
			}
		}
	}
	if strings.ContainsAny(pattern, "*?[]!") {
		writeConfig(w, params)
		return nil
	}
	// The server answers with the name as it was asked for, or as it knows it.
	for _, p := range params {
		if strings.EqualFold(p.Name, pattern) {
			w.Text(p.Value)
			return nil
		}
	}
	return fmt.Errorf("no configuration parameter matches %q", pattern)
}

// writeConfig writes the parameters sorted by name; of two equal names the
// last one counts.
func writeConfig(w *jsondoc.Writer, params []ask.ConfigParam) {
	slices.SortStableFunc(params, func(a, b ask.ConfigParam) int { return strings.Compare(a.Name, b.Name) })
	w.Grow(64 * len(params))
	w.BeginObject()
	for i, p := range params {
		if i+1 < len(params) && params[i+1].Name == p.Name {
			continue
		}
		w.Key(p.Name).String(p.Value)
	}
	w.EndObject()
}
