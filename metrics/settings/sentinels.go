package settings

// OfSentinel are the settings that each sentinel keeps about a master by itself, so
// that they may differ.
// Source: https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/
var OfSentinel = []string{"quorum", "down-after-milliseconds", "failover-timeout", "parallel-syncs"}

// OfMaster are those of one master, a row of SENTINEL MASTERS, with prefix before
// their names.
func OfMaster(row map[string]string, prefix string) Settings {
	out := make(Settings, len(OfSentinel))
	for _, name := range OfSentinel {
		if value, ok := row[name]; ok {
			out[prefix+name] = value
		}
	}
	return out
}
