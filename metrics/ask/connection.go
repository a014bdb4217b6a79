package ask

import (
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

func Connection(t *item.Target) (redisclient.ConnInfo, bool) {
	if t.ConnInfo == nil {
		return redisclient.ConnInfo{}, false
	}
	return t.ConnInfo()
}
