package info

import "time"

// Life is a server's life that a poll met, from a start to the next.
type Life struct {
	RunID string    // "" when not known
	At    time.Time // of the poll
	// Uptime is in seconds. Without a RunID it tells lives apart.
	Uptime Reading
}

// Change is what happened to a target's server since an earlier poll.
type Change int

// The changes.
const (
	Same      Change = iota // or it does not say who it is
	Restarted               // it began anew since then
	Replaced                // another server answers, which ran then already: a failover
)

// Next tells what happened between the life that was met before and the one that
// is met now. uptime is that of the server in seconds.
func (l Life) Next(runID string, uptime Reading, now time.Time) Change {
	// A server that has run for longer than we know it is another one.
	began := now.Add(-time.Duration(uptime.Value) * time.Second)
	recent := uptime.Known && !began.Before(l.At.Add(-time.Second))
	if runID == "" && l.RunID == "" && uptime.Known && l.Uptime.Known {
		later := began.Sub(l.At.Add(-time.Duration(l.Uptime.Value) * time.Second))
		switch {
		case recent && later > 2*time.Second:
			return Restarted
		case later.Abs() > slackUptime:
			return Replaced
		}
		return Same
	}
	switch {
	case runID == "" || l.RunID == "" || runID == l.RunID:
		return Same
	case recent:
		return Restarted
	}
	return Replaced
}

// slackUptime is by how much the start of a server may seem to move between two
// polls: for a clock that was set, and for rounding.
const slackUptime = time.Minute

// LogRead is how far a log was read whose entries have ids that only grow while
// the server runs, as those of the slow log.
type LogRead struct {
	Life
	Last int64 // the newest id seen; -1 for none
}

// LogNews is what a poll finds in such a log.
type LogNews struct {
	// From is the lowest id that is new.
	From int64
	// First: nobody has read the log of this server before, so that what is in it
	// says nothing of a rate.
	First     bool
	Restarted bool    // since the last poll
	Read      LogRead // for the next poll
}

// Next tells which entries are new to a reader who has read as far as r. polled
// is false when nobody has; newest is the highest id in the log, -1 for none.
func (r LogRead) Next(polled bool, newest int64, runID string, uptime Reading) LogNews {
	now := time.Now()
	n := LogNews{First: !polled}
	if !polled {
		r.Last = -1
	}
	switch change := r.Life.Next(runID, uptime, now); {
	case !polled:
	case change != Same:
		n.Restarted, n.First = change == Restarted, change == Replaced
		r.Last = -1
	case (runID == "" || r.RunID == "") && newest >= 0 && newest < r.Last:
		n.Restarted = true
		r.Last = -1
	}
	if runID == "" && !n.Restarted {
		runID = r.RunID
	}
	n.From = r.Last + 1
	// Two polls at once may end in the other order.
	n.Read = LogRead{Life{RunID: runID, At: now, Uptime: uptime}, max(r.Last, newest)}
	return n
}
