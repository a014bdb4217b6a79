package conf

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"redisjobs/nearest"
)

// agentTimeout is an agent's own default for Timeout.
const agentTimeout = 3

// Options are what the operator set, completed with the defaults. Nobody
// changes them after Decode, nor the map and the slice in Storm.
type Options struct {
	Timeout             time.Duration // of one request, 1-30 s
	KeepAlive           time.Duration // idle connections are closed after it
	MaxConnections      int           // to one target
	MaxConnectionsTotal int
	MaxPeers            int           // of one target: servers that its servers name
	MaxWaiting          int           // checks of one target that is silent
	MaxLifetime         time.Duration // of a connection; 0: no limit
	MaxAnswer           int           // bytes of one value
	MaxMemory           int           // bytes of replies under way
	SessionsOnly        bool
	UnmaskSecrets       bool
	CustomCommands      bool
	SlowlogArguments    bool // shown in redis.slowlog.get
	Storm               Storm
	Jobs                Jobs
	Keyspace            Keyspace
	KeyspacePasses      int // at once

	def           *block
	sessions      map[string]*block
	defaultTarget *Target   // nil when its options contradict each other
	named         []*Target // one per session, sorted by the session's name
	names         []string  // the sessions' names, in the same order
	contradictory []Broken  // sessions and Default
	notes         []string  // warnings that need no look at a file
	origin        origin
	// fmt follows plain pointers for verbs that do not fit, and item keys hold
	// passwords; it cannot see what is behind an atomic one.
	refs     atomic.Pointer[refCache]
	interned *interned
}

// Storm says where job records live.
type Storm struct {
	KeyPattern   string         // with {job} in it once
	IndexKey     string         // set, sorted set, list or hash of job names
	HeartbeatKey string         // sorted set job -> unix seconds
	StateKey     string         // one hash job -> record or bare state
	StaleAfter   time.Duration  // for records that say nothing themselves
	ScanBudget   int            // keys looked at when there is no index
	StatusMap    map[string]int // upper case word -> 0-9; nil when there is none
	Jobs         []string       // always discovered; sorted
}

// Jobs says where job systems may be.
type Jobs struct {
	Prefixes   map[string][]string // by system, beside its default prefix
	Queues     map[string][]string // by system, read whether found or not
	ScanBudget int                 // keys looked at in one search; 0: none
	Interval   time.Duration       // between searches
	// CeleryVisibility is the visibility_timeout of the applications with Celery.
	CeleryVisibility time.Duration
}

// SessionInfo is a configured session as it may be shown.
type SessionInfo struct {
	Name string
	URI  string // without user and password
	Web  bool   // it answers HTTP: a Storm UI
}

func newOptions(global Global) *Options {
	o := &Options{
		def:      newBlock("Default"),
		sessions: map[string]*block{},
		interned: newInterned(),
	}
	o.refs.Store(newRefCache())
	o.Timeout = toSeconds(int64(min(max(cmp.Or(global.Timeout, agentTimeout), 1), 30)))
	for _, row := range table {
		// Those of a block apply where nothing at all is set; see settle.
		if row.Default == "" || row.ofBlock {
			continue
		}
		if err := row.set(place{options: o}, row.Default); err != nil {
			panic("bug: the default of " + row.Name + " " + err.Error())
		}
	}
	return o
}

// settleAll resolves Default and all sessions, so that what is wrong with them
// is found at once and a target is known by its session, whoever asks first.
func (o *Options) settleAll() {
	settle := func(s *block, name string) *Target {
		t, err := o.settle(noKey, s, name)
		if err != nil {
			o.contradictory = append(o.contradictory, Broken{name, err})
		}
		return t
	}
	o.names = slices.Sorted(maps.Keys(o.sessions))
	for _, name := range o.names {
		o.named = append(o.named, settle(o.sessions[name], name))
		if s := o.sessions[name]; s.uri == nil && len(s.lines) > 0 {
			why := nearest.Question(name, o.whole())
			if why == "" {
				why = ": is a line missing, or an environment variable?"
			}
			o.warn("%s is not set, so that this session leads to %s%s", s.option("Uri"), o.named[len(o.named)-1].URI(), why)
		}
	}
	if t := settle(nil, ""); !o.contradicts("") {
		o.defaultTarget = t
	}
}

// whole are the names of the sessions that have an address.
func (o *Options) whole() []string {
	return slices.DeleteFunc(slices.Clone(o.names), func(name string) bool { return o.sessions[name].uri == nil })
}

// contradicts reports whether the options of a session, or of Default (""),
// contradict each other.
func (o *Options) contradicts(session string) bool {
	return slices.ContainsFunc(o.contradictory, func(b Broken) bool { return b.Session == session })
}

// warn notes what is worth a line in the log; it must have no value.
func (o *Options) warn(format string, args ...any) {
	o.notes = append(o.notes, fmt.Sprintf(format, args...))
}

// targets are those that the configuration itself names, and that are whole.
func (o *Options) targets() []*Target {
	var out []*Target
	for i, t := range o.named {
		if !o.contradicts(o.names[i]) {
			out = append(out, t)
		}
	}
	if o.defaultTarget != nil {
		out = append(out, o.defaultTarget)
	}
	return out
}

// Sessions lists the configured sessions, sorted by name.
func (o *Options) Sessions() []SessionInfo {
	out := make([]SessionInfo, len(o.names))
	for i, name := range o.names {
		out[i] = SessionInfo{Name: name, URI: o.named[i].URI(), Web: o.named[i].Web()}
	}
	return out
}

// Broken is a session that no item can use, with the reason, which names an
// option.
type Broken struct {
	Session string // "" is Default
	Err     error
}

// Broken lists the sessions, and Default, whose options contradict each other, or
// whose certificates, keys or passwords are in files that cannot be read, or whose
// PasswordCommand is no program, each with one reason. The files are read when it is called. Items of these sessions
// are errors with the same text; all others work.
func (o *Options) Broken() []Broken {
	out := slices.Clone(o.contradictory)
	for _, t := range o.targets() {
		if err := t.checkFiles(); err != nil {
			out = append(out, Broken{t.session, err})
		}
	}
	slices.SortStableFunc(out, func(a, b Broken) int { return cmp.Compare(a.Session, b.Session) })
	return out
}

// checkFiles reads every file that a target needs.
func (t *Target) checkFiles() error {
	if t.command.IsZero() {
		if _, err := t.Credential(); err != nil {
			return err
		}
	} else if err := t.checkCommand(); err != nil {
		return err
	}
	if _, err := t.Bearer(); err != nil {
		return err
	}
	if t.sentinelPasswordFile != "" {
		if _, err := readSecret(t.sentinelSource, "password"); err != nil {
			return err
		}
	}
	_, err := t.TLS()
	return err
}

// Warnings lists what is worth a line in the log but no reason to refuse: options
// that are set twice or stand in quotes, sessions without an address of their own,
// and files with secrets that every user of the machine can read. It looks at the
// files when it is called.
func (o *Options) Warnings() []string {
	out := slices.Clone(o.notes)
	if runtime.GOOS != "windows" { // its file modes do not say who may read
		out = append(out, o.readableByAll()...)
		out = append(out, o.changeableByAll()...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// readableByAll are warnings of files with secrets.
func (o *Options) readableByAll() []string {
	var out []string
	for _, t := range o.targets() {
		for _, f := range []setting{t.passwordSource, t.tokenSource, t.sentinelSource, t.tlsFiles.key} {
			st, err := os.Stat(f.value)
			if f.value == "" || err != nil || st.Mode().Perm()&0o004 == 0 {
				continue
			}
			out = append(out, fmt.Sprintf("%s: every user of this machine can read %s", f.option, f.value))
		}
	}
	return out
}
