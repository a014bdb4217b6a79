package metrics

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
)

// configMetric answers what the agent's built-in redis.config does. What
// differs: secrets are masked unless the configuration says otherwise, and a
// parameter's name may be written in capital letters.
var configMetric = &Metric{
	Key: "redis.server.config",
	Description: "Returns configuration parameters: the value of one, or a JSON object of all that match a pattern." +
		" Secrets are masked.",
	Params: []Param{
		paramConn, paramPassword,
		{
			Name: "Pattern", Default: "*",
			Description: "name of a parameter, or a glob-style pattern such as maxmemory*",
		},
		paramUser,
	},
	Commands: []string{"config|get"},
	Collect:  collectConfig,
}

func collectConfig(ctx context.Context, r *Request) (string, error) {
	pattern := r.Arg("Pattern")
	values, err := r.Target.DoAll(ctx, redisclient.Command{"CONFIG", "GET", pattern})
	if err != nil {
		return "", err
	}
	params, err := configParams(values[0])
	if err != nil {
		return "", fmt.Errorf("CONFIG GET %s: %w", pattern, err)
	}
	if len(params) == 0 {
		return "", fmt.Errorf("no configuration parameter matches %q", pattern)
	}
	if !r.Target.UnmaskSecrets {
		for i, p := range params {
			if p.value != "" && isSecretParam(p.name) {
				params[i].value = maskedSecret
			}
		}
	}
	if strings.ContainsAny(pattern, "*?[]!") {
		return configJSON(params), nil
	}
	// The server answers with the name as it was asked for, or as it knows it.
	for _, p := range params {
		if strings.EqualFold(p.name, pattern) {
			return p.value, nil
		}
	}
	return "", fmt.Errorf("no configuration parameter matches %q", pattern)
}

// configJSON writes the parameters sorted by name; of two equal names the
// last one counts.
func configJSON(params []configParam) string {
	slices.SortStableFunc(params, func(a, b configParam) int { return strings.Compare(a.name, b.name) })
	w := jsondoc.New(64 * len(params))
	w.BeginObject()
	for i, p := range params {
		if i+1 < len(params) && params[i+1].name == p.name {
			continue
		}
		w.Key(p.name).String(p.value)
	}
	w.EndObject()
	return w.Document()
}
