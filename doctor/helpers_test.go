package doctor

import (
	"redisjobs/conf"
	"redisjobs/metrics"
)

func stormDefaults() metrics.StormOptions {
	options, err := conf.Decode(nil, conf.Global{})
	if err != nil {
		panic(err)
	}
	return metrics.StormOptions(options.Storm)
}
