package item

import (
	"regexp"
	"time"
)

// JobsOptions say where job systems may be, beyond what can be found out.
type JobsOptions struct {
	// Prefixes are, by system, those that are looked for beside the default one.
	Prefixes map[string][]string
	// Queues are, by system, queues that are read whether Redis knows them or not,
	// under each prefix of the system. Systems without a registry of their own,
	// as plain lists, have no others.
	Queues map[string][]string
	// ScanBudget is how many keys one search looks at; 0 for no search by SCAN.
	ScanBudget int
	// Interval is the time between searches by SCAN.
	Interval time.Duration
	// CeleryVisibility is the time after which Celery hands out a message again
	// that no worker has confirmed, as its applications set it (visibility_timeout
	// of broker_transport_options); an hour, which is kombu's default, if it is 0.
	CeleryVisibility time.Duration
}

// KeyspaceOptions say how redis.keyspace.sample, and what looks for keys, looks at
// them. A number that is
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

// StormOptions say where records lie. A key that is "" is not used.
type StormOptions struct {
	// KeyPattern names a job's own key, with {job} in it exactly once;
	// "storm:job:{job}" if empty.
	KeyPattern string
	// IndexKey holds the jobs' names: a set, a list, a hash (its fields), or a
	// sorted set whose scores are heartbeats.
	IndexKey string
	// HeartbeatKey is a sorted set of jobs by the time of their last sign, for
	// records that have no updated_at.
	HeartbeatKey string
	// StateKey is a hash that holds the record of each of its fields. A job in
	// it needs no key of its own, and one that has a key is not asked for it.
	StateKey string
	// StaleAfter is the age from which a live job is stale whose record names
	// no limit; 300 s if 0.
	StaleAfter time.Duration
	// ScanBudget is how many keys SCAN may look at where there is neither an
	// index nor a StateKey; 0 for no SCAN.
	ScanBudget int
	// StatusMap has statuses for words that the built-in ones lack.
	StatusMap map[string]int
	// Jobs are the names to read where none were found.
	Jobs []string
}
