package item

import (
	"regexp"
	"time"
)

// JobsOptions say where job systems may be; see package jobs.
type JobsOptions struct {
	Prefixes   map[string][]string // by system, beside its default prefix
	Queues     map[string][]string // by system, read whether found or not
	ScanBudget int                 // keys looked at in one search; 0: none
	Interval   time.Duration       // between searches
	// CeleryVisibility is the visibility_timeout of the applications with Celery.
	CeleryVisibility time.Duration
}

// KeyspaceOptions say how redis.keyspace.sample looks at keys. A number that is
// 0 is no limit or, of Samples, the server's own default.
type KeyspaceOptions struct {
	KeysPerSecond int              // of one pass
	SliceTime     time.Duration    // of the server, at once
	Interval      time.Duration    // from the beginning of a pass to the next
	Samples       int              // members that MEMORY USAGE looks at
	Top           int              // rows in each list of big keys
	Groups        []*regexp.Regexp // the first that matches counts
}

// Session is a configured session, as discovery shows it.
type Session struct {
	Name string
	// URI is without a password.
	URI string
	// Web: it is no Redis but a Storm UI.
	Web bool
}

// StormOptions says where job records live; see package storm.
type StormOptions struct {
	KeyPattern   string         // with {job}, as storm:job:{job}
	IndexKey     string         // set, sorted set, list or hash of job names
	HeartbeatKey string         // sorted set job -> unix seconds
	StateKey     string         // one hash job -> JSON or bare status
	StaleAfter   time.Duration  // for records that say nothing themselves
	ScanBudget   int            // keys looked at when there is no index
	StatusMap    map[string]int // more words than the built-in ones
	Jobs         []string       // names to read where none are found
}
