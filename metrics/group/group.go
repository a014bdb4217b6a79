package group

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
)

// maxSessions bounds the sessions of one group.
const maxSessions = 64

// Get asks several sessions side by side, one round trip each, and shows whether
// they are what they should be together: one primary and its replicas, for groups
// that no Sentinel watches and that are no cluster.
//
//	up, reason, error
//	             up is 1 when at least one of them answered; else reason and error
//	             are those of the first
//	sessions, answered, partial
//	             how many there are, and how many told their role; partial is true
//	             when not all did
//	primaries, replicas
//	             how many of those that answered are that
//	strangers    replicas of a primary that is none of the group, also by way of other
//	             replicas; left out when the answer is partial
//	chained      replicas that have replicas of their own
//	links_down   replicas without a link to their primary
//	same_server  sessions that lead to the server of another one
//	wrong_kind   sessions that are sentinels or nodes of a cluster
//	versions     how many versions there are
//	lag_bytes    how far the replica that is the farthest behind is behind its
//	             primary, in bytes; left out while that of any of them is not known
//	compared_with
//	             the session that settings are compared with: the primary, else the
//	             first that answered
//	drifts, drift
//	             parameters that differ, as in redis.config.get; servers are sessions
//	problems     [{"id":"two_primaries","sessions":["A","B"],"text":"…"}]; id is one of
//	             unreachable, no_primary, two_primaries (text says whether they have
//	             a history of writes in common), loop (the primaries of replicas
//	             follow one another), strangers, chained, links_down, same_server,
//	             wrong_kind, versions, settings
//	summary      the texts of all problems as one, for notifications
//	members      a row for each session: session, target, up, reason, error; role,
//	             flavour, version, mode, run_id, history (the id of its history of
//	             writes), connected_replicas, and of a replica primary (the address
//	             that it follows), primary_session, link_up, last_io (seconds since
//	             it heard from its primary), lag_bytes (left out while it has not
//	             copied the history of that primary)
//	unavailable  what a server refused, by session and command
//	truncated    rows left out
//
// Sessions that no session is configured for are an item error.
// Source: https://redis.io/docs/latest/operate/oss_and_stack/management/replication/
var Get = &item.Metric{
	Key:         "redis.group.get",
	Description: "Returns whether several sessions are one primary and its replicas, with their versions, settings and lag, as JSON.",
	Params: []item.Param{{
		Name: "Sessions", Required: true, Check: checkSessions,
		Description: "names of the sessions, separated by blanks or commas",
	}},
	Commands: []string{"info", "config|get"},
	Collect:  collect,
}

// names are the sessions in a parameter.
func names(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
}

func checkSessions(list string) error {
	all := names(list)
	switch {
	case len(all) < 2:
		return errors.New("must name at least two sessions, separated by blanks or commas")
	case len(all) > maxSessions:
		return fmt.Errorf("names %d sessions, more than %d", len(all), maxSessions)
	}
	for i, name := range all {
		if slices.Contains(all[:i], name) {
			return fmt.Errorf("names the session %s twice", ask.Line(name, ask.MaxName))
		}
	}
	return nil
}

func collect(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	if r.Env.Target == nil {
		return errors.New("sessions cannot be asked from here")
	}
	var members []*member
	for _, name := range names(r.Arg("Sessions")) {
		t, err := r.Env.Target(name)
		if err != nil {
			return err
		}
		members = append(members, newMember(name, t))
	}
	ctx, cancel := ask.BeforeDeadline(ctx)
	defer cancel()
	ask.SideBySide(len(members), func(i int) { members[i].ask(ctx) }, func(i int, err error) { members[i].err = err })
	v := judge(members)
	v.write(w)
	return nil
}
