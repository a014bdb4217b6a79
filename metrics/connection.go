package metrics

import (
	"redisjobs/redisclient"
)

func newestConnection(t *Target) (redisclient.ConnInfo, bool) {
	if t.ConnInfo == nil {
		return redisclient.ConnInfo{}, false
	}
	return t.ConnInfo()
}
