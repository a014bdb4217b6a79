package jobs

import (
	"encoding/json"
	"strings"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// rubyQueueClue finds Sidekiq and Resque under a namespace while none of their
// workers is registered: both take their own keys away when they stop. Both have
// their queues' names in a set and their jobs in lists, as JSON with a class and
// arguments. Only a job of Sidekiq has an id, jid.
func rubyQueueClue(key string, withID bool) (clue, bool) {
	prefix, name, ok := strings.Cut(key, ":queue:")
	if !ok || prefix == "" || name == "" {
		return clue{}, false
	}
	return clue{
		Prefix:        prefix,
		Proof:         []redisclient.Command{{"TYPE", prefix + ":queues"}, {"LINDEX", key, "-1"}},
		OncePerPrefix: true,
		Proves: func(replies []resp.Value) bool {
			typ, err := replies[0].Text()
			return err == nil && typ == "set" && isRubyJob(replies[1], withID)
		},
		Open: func(replies []resp.Value) bool { return areTypes("set")(replies[:1]) },
	}, true
}

// isRubyJob reports whether a reply is a job of Sidekiq, or one of Resque.
func isRubyJob(v resp.Value, withID bool) bool {
	var job struct {
		Class *string         `json:"class"`
		Args  json.RawMessage `json:"args"`
		ID    *string         `json:"jid"`
	}
	text, err := v.Text()
	if err == nil && len(text) > maxPayload {
		return hasShape(v.Str, map[string]string{"class": `"`, "args": "["}) && hasShape(v.Str, map[string]string{"jid": `"`}) == withID
	}
	if err != nil || json.Unmarshal([]byte(text), &job) != nil {
		return false
	}
	return job.Class != nil && strings.HasPrefix(string(job.Args), "[") && (job.ID != nil) == withID
}
