package jobs

import (
	"fmt"
	"slices"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// Sets, hashes and sorted sets that a job system keeps may have any number of
// members, and SMEMBERS, HGETALL or ZRANGE 0 -1 of a million of them would block
// the server for all its clients. So they are read by one step of SSCAN or HSCAN,
// or by a range, with their size in the same round trip. A step looks at about as
// many members as it is asked for, which is all of them in a set of that size.

const (
	// maxListed bounds the names of queues that are read from a system's list: so
	// many keep a server busy for 5 ms, and for less than 10 where most of the table is
	// empty, of which a step looks at ten times as many places.
	maxListed = 3000
	// maxFollowed bounds the members of any other list that cost a command each.
	maxFollowed = 1000
	// maxFollowUps bounds such commands of one poll, all systems together.
	maxFollowUps = 20_000
	// maxTasks bounds the running jobs of one worker that are looked at.
	maxTasks = 1000
)

// Members gives then the members of a set, each once: all of size, or about
// limit of them.
func (p *poll) Members(limit int, then func(names []string, size int, err error), key string) {
	size, sizeErr := 0.0, error(nil)
	p.Ask(func(v resp.Value, err error) { size, sizeErr = number(v, err) }, "SCARD", key)
	p.Ask(func(v resp.Value, err error) {
		cursor, names, err := scanned(v, err)
		if err != nil {
			then(nil, 0, fmt.Errorf("SSCAN: %w", err))
			return
		}
		slices.Sort(names)
		names = slices.Compact(names)
		switch {
		case cursor == "0":
			size = float64(len(names))
		case sizeErr != nil:
			then(nil, 0, fmt.Errorf("SCARD: %w", sizeErr))
			return
		}
		then(names, max(int(size), len(names)), nil)
	}, "SSCAN", key, "0", "COUNT", fmt.Sprint(limit))
}

// AllMembers is Members for a set of which a part is of no use; what names its
// members.
func (p *poll) AllMembers(limit int, what string, then func(names []string, err error), key string) {
	p.Members(limit, func(names []string, size int, err error) {
		if err == nil && (size > limit || size > len(names)) {
			names, err = nil, tooMany(size, what, limit)
		}
		then(names, err)
	}, key)
}

func tooMany(size int, what string, limit int) error {
	return fmt.Errorf("there are %d %s, more than the %d that are read", size, what, limit)
}

// Fields gives then the fields of a hash and their values in turn. more: there
// are others.
func (p *poll) Fields(limit int, then func(pairs []resp.Value, more bool, err error), key string) {
	p.AskPayload(func(v resp.Value, err error) {
		var parts []resp.Value
		if err == nil {
			parts, err = v.Array()
		}
		if err == nil && len(parts) != 2 {
			err = fmt.Errorf("HSCAN: expected a cursor and fields, got %d parts", len(parts))
		}
		var pairs []resp.Value
		var cursor string
		if err == nil {
			cursor, err = parts[0].Text()
		}
		if err == nil {
			pairs, err = parts[1].Pairs()
		}
		then(pairs, cursor != "0", err)
	}, "HSCAN", key, "0", "COUNT", fmt.Sprint(limit))
}

// scanned reads a reply of SSCAN.
func scanned(v resp.Value, err error) (cursor string, names []string, _ error) {
	if err != nil {
		return "", nil, err
	}
	return redisclient.ParseScan(v)
}

var errManyFollowUps = fmt.Errorf("the lists of this poll have more than the %d members that are read one by one", maxFollowUps)

// FollowUps reports whether n commands more may be sent, one for each member of
// a list, and counts them.
func (p *poll) FollowUps(n int) bool {
	if p.followUps+n > maxFollowUps {
		return false
	}
	p.followUps += n
	return true
}

// hashFields are the n values of a reply to HMGET.
func hashFields(n int, v resp.Value, err error) ([]resp.Value, error) {
	var fields []resp.Value
	if err == nil {
		fields, err = v.Array()
	}
	if err == nil && len(fields) != n {
		err = fmt.Errorf("HMGET: expected %d members", n)
	}
	return fields, err
}
