package metrics

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
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

// maskedSecret stands for a secret that is set. An empty one stays empty: that
// no password is set is worth knowing.
const maskedSecret = "***"

// secretParams are the parameters whose values are secrets: passwords, and
// the pass phrases of key files.
// Sources: the SENSITIVE_CONFIG flags in redis src/config.c (requirepass,
// masterauth, masteruser, tls-*-pass), valkey src/config.c (primaryauth),
// sentinel.conf (sentinel-pass). User names, as in masteruser, are shown.
var secretParams = map[string]bool{
	"requirepass":              true,
	"masterauth":               true,
	"primaryauth":              true,
	"tls-key-file-pass":        true,
	"tls-client-key-file-pass": true,
	"sentinel-pass":            true,
}

// isSecretParam also distrusts what modules and forks name so.
func isSecretParam(name string) bool {
	name = strings.ToLower(name)
	return secretParams[name] || strings.Contains(name, "password")
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

type configParam struct{ name, value string }

// configParams reads the answer to CONFIG GET, a map or its flat array.
func configParams(v resp.Value) ([]configParam, error) {
	pairs, err := v.Pairs()
	if err != nil {
		return nil, err
	}
	params := make([]configParam, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		name, err := pairs[i].Text()
		if err != nil {
			return nil, fmt.Errorf("name of parameter %d: %w", i/2+1, err)
		}
		value, err := pairs[i+1].Text()
		if err != nil {
			return nil, fmt.Errorf("value of %s: %w", name, err)
		}
		params = append(params, configParam{name, value})
	}
	return params, nil
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
