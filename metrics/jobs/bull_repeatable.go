package jobs

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"redisjobs/redisclient/resp"
)

// maxRepeatSplits bounds the ways to part a name from an id that are tried.
const maxRepeatSplits = 8

// bullRepeat is what the member of a repeatable job says: its name and id, when it ends,
// and its interval, or its crontab with the time zone. Times are in seconds, 0 for none.
type bullRepeat struct {
	named      string // the name, a colon, and the id, which may be empty
	end, every float64
	schedule   string
}

// offsetZone ends with the first half of a time zone as UTC+5:30, the only one with a colon.
var offsetZone = regexp.MustCompile(`(?i):(utc[-+]\d{1,2})$`)

// parseBullRepeat reads a member: name:id:end:every, or name:id:end:zone:crontab. Name and
// id may have colons, so it is read from its end.
func parseBullRepeat(member string) (out bullRepeat, ok bool) {
	rest, last, ok := cutLast(member, ':')
	if !ok {
		return out, false
	}
	if ms, err := strconv.ParseFloat(last, 64); err == nil {
		out.every = ms / 1000
		out.schedule = everyText(out.every)
	} else {
		var zone string
		if rest, zone, ok = cutLast(rest, ':'); !ok {
			return out, false
		}
		if m := offsetZone.FindStringSubmatch(rest); m != nil && zone != "" {
			rest, zone = strings.TrimSuffix(rest, m[0]), m[1]+":"+zone
		}
		out.schedule = strings.TrimSpace(last + " " + zone)
	}
	rest, last, ok = cutLast(rest, ':')
	if ok && last != "" {
		ms, err := strconv.ParseFloat(last, 64) // NaN of a date that JavaScript could not read
		out.end, ok = ms/1000, err == nil
	}
	out.named = rest
	return out, ok && strings.Contains(rest, ":")
}

// name is how a repeatable job is shown: by its name. Where a colon more is in it, or in
// the id, both are shown, because nobody can tell where the one ends.
func (m *bullRepeat) name() string {
	name, id, _ := strings.Cut(m.named, ":")
	if strings.Contains(id, ":") {
		return strings.TrimSuffix(m.named, ":")
	}
	return name
}

// jobIDs are the ids that its job for that score may have: the name and the id are in it
// without the colon between them.
func (m *bullRepeat) jobIDs(member string, score float64) (ids []string) {
	for i := range len(m.named) {
		if m.named[i] != ':' {
			continue
		}
		id := "repeat:" + md5Hex(m.named[:i]+m.named[i+1:]+":"+md5Hex(member)) + ":" + millis(score)
		if !slices.Contains(ids, id) { // of two colons side by side either may be it
			ids = append(ids, id)
		}
	}
	return ids
}

func md5Hex(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

// repeatable reads a repeatable job of Bull. It stays when it has come to its limit
// or end: then no other job is made when its last one is taken up. That one may be gone,
// or was lost: it was deleted, or its worker died before it made the next one.
// Source: bull issue 1739, bullmq issue 2790
func (b *bullReading) repeatable(s *scheduler, q *queue, member string, score float64) {
	m, ok := parseBullRepeat(member)
	if !ok {
		s.unread++
		return
	}
	j := &periodicJob{name: m.name(), key: q.Name + "/" + member, queue: q, next: score / 1000, schedule: m.schedule}
	s.jobs = append(s.jobs, j)
	ids := m.jobIDs(member, score)
	why := ""
	if len(ids) > maxRepeatSplits {
		why = fmt.Sprintf("its job is not looked for: its name and id have more than %d colons", maxRepeatSplits-1)
	} else if !b.p.FollowUps(len(ids) - 1) {
		why = errManyFollowUps.Error()
	}
	if why != "" {
		if j.lastWhy = why; j.next <= b.p.Now() { // it may have come to its limit
			j.next, j.nextWhy = 0, why
		}
		return
	}
	var job []resp.Value // timestamp, opts, processedOn
	var jobErr error
	for i, id := range ids {
		b.p.AskPayload(func(v resp.Value, err error) {
			fields, err := hashFields(3, v, err)
			jobErr = errors.Join(jobErr, err)
			if err == nil && !fields[0].IsNull() {
				job = fields
			}
			if i == len(ids)-1 {
				j.bullJob(b.p.Now(), &m, job, jobErr)
			}
		}, "HMGET", b.base(q)+id, "timestamp", "opts", "processedOn")
	}
}

// bullJob takes the job that was made last for a repeatable job; nil if there is none.
func (j *periodicJob) bullJob(now float64, m *bullRepeat, job []resp.Value, err error) {
	switch {
	case job != nil:
	case err != nil:
		j.next, j.nextWhy, j.lastWhy = 0, "its job cannot be read", "its job cannot be read"
		return
	default:
		j.lastWhy = "there is no job of it"
		if j.hasEnded(now, m.end, m.every) {
			j.ended = "it has come to its end"
		} else {
			j.next, j.nextWhy = 0, "there is no job of it: it has come to its limit, or its job was lost"
		}
		return
	}
	var opts struct {
		Repeat struct {
			Count float64 `json:"count"`
			Limit float64 `json:"limit"`
		} `json:"repeat"`
	}
	_ = parseJSON(job[1].Str, &opts)
	if at, err := epochOf(job[0]); err == nil && opts.Repeat.Count > 1 {
		j.last = at
	}
	switch taken := !job[2].IsNull(); {
	case !taken:
	case opts.Repeat.Limit > 0 && opts.Repeat.Count >= opts.Repeat.Limit:
		j.ended = "it has come to its limit"
	case j.hasEnded(now, m.end, m.every):
		j.ended = "it has come to its end"
	}
}
