package item

import (
	"context"
	"fmt"
	"time"

	"redisjobs/metrics/jsondoc"
	"redisjobs/pool"
	"redisjobs/redisclient"
)

// Metric is one item key: what it is called, what it takes and how it is
// answered. All returns the one list of them.
type Metric struct {
	// Key is the name in Zabbix, without brackets.
	Key string
	// Description is shown by the agent. The agent insists on a capital first
	// letter and a final full stop.
	Description string
	// Params are all parameters in order, those of the connection included.
	Params []Param
	// Commands are the commands that it sends, as ACL SETUSER names them
	// ("config|get").
	Commands []string
	// Web says whether it reads Redis, a Storm UI or both.
	Web WebUse
	// Collect answers one request: it writes one value to w, a document or, with
	// [jsondoc.Writer.Text], a text. An error becomes the item's error, and what
	// was written is dropped; the *.get keys answer a valid document for a target
	// that is down.
	Collect func(ctx context.Context, r *Request, w *jsondoc.Writer) error
}

// Answer is Collect for a caller that wants the value as a string.
func (m *Metric) Answer(ctx context.Context, r *Request) (string, error) {
	w := jsondoc.New(0)
	if err := m.Collect(ctx, r, w); err != nil {
		return "", err
	}
	return w.Document(), nil
}

// WebUse says what a metric with a connection parameter reads.
type WebUse int

// What metrics read.
const (
	WebNot  WebUse = iota // Redis alone
	WebToo                // Redis or a Storm UI
	WebOnly               // a Storm UI alone
)

// CheckTarget refuses a target of the wrong kind; web says that it is a Storm
// UI, and name is the target as it may be shown.
func (m *Metric) CheckTarget(web bool, name string) error {
	switch {
	case web && m.Web == WebNot:
		return fmt.Errorf("cannot get %s from %s: this is a Storm UI, which only storm.* keys read", m.Key, name)
	case !web && m.Web == WebOnly:
		return fmt.Errorf("cannot get %s from %s: this is a Redis server, and only a Storm UI tells it: give the http:// or https:// address of one, or a session with it",
			m.Key, name)
	}
	return nil
}

// ParamKind says who reads a parameter.
type ParamKind int

// The kinds of parameter.
const (
	ParamOwn      ParamKind = iota // read by the metric, through Request.Arg
	ParamConn                      // session name or URI
	ParamPassword                  // overrides the session's
	ParamUser                      // overrides the session's
)

// Param is one parameter of a key.
type Param struct {
	Name        string
	Description string
	Kind        ParamKind
	// Default stands for an empty or missing parameter.
	Default string
	// Required: an empty or missing parameter is an error.
	Required bool
	// Check, when set, judges a non-empty value; its error is shown with the
	// parameter's name.
	Check func(value string) error
}

// Connection parameters, in the built-in plugin's order.
var (
	Conn = Param{
		Name: "ConnString", Kind: ParamConn,
		Description: "session name or URI",
	}
	Password = Param{
		Name: "Password", Kind: ParamPassword,
		Description: "password, when the session has none",
	}
	User = Param{
		Name: "User", Kind: ParamUser,
		Description: "ACL user, when the session has none",
	}
)

// Label is the parameter of keys for discovery whose text each row has as
// {#LABEL}: what tells rows of the same name on several agents apart.
var Label = Param{
	Name: "Label", Check: checkLabel,
	Description: "text that each row has as {#LABEL}, such as {HOST.HOST}; at most 255 bytes",
}

// maxLabel bounds a label, which each row repeats.
const maxLabel = 255

func checkLabel(text string) error {
	if len(text) > maxLabel {
		return fmt.Errorf("must be at most %d bytes long", maxLabel)
	}
	return nil
}

// ConnParams returns the connection parameters followed by a key's own.
func ConnParams(own ...Param) []Param {
	return append([]Param{Conn, Password, User}, own...)
}

// Args is a request's parameters, checked against a Metric's Params and
// completed with their defaults.
type Args struct {
	params []Param
	values []string
}

// ParseArgs checks the raw parameters of a request. The error names the
// parameter.
func (m *Metric) ParseArgs(raw []string) (Args, error) {
	if len(m.Params) == 0 && len(raw) == 1 && raw[0] == "" {
		raw = nil // key[] is key
	}
	switch {
	case len(raw) > len(m.Params) && len(m.Params) == 0:
		return Args{}, fmt.Errorf("too many parameters: %s takes none", m.Key)
	case len(raw) > len(m.Params):
		return Args{}, fmt.Errorf("too many parameters: %s takes at most %d, and a comma within a parameter needs quotes around the parameter",
			m.Key, len(m.Params))
	}
	a := Args{params: m.Params, values: make([]string, len(m.Params))}
	for i, p := range m.Params {
		if i < len(raw) {
			a.values[i] = raw[i]
		}
		switch {
		case a.values[i] == "" && p.Required:
			return Args{}, fmt.Errorf("parameter %d (%s) is required", i+1, p.Name)
		case a.values[i] == "":
			a.values[i] = p.Default
		case p.Check != nil:
			if err := p.Check(a.values[i]); err != nil {
				return Args{}, fmt.Errorf("parameter %d (%s): %w", i+1, p.Name, err)
			}
		}
	}
	return a, nil
}

// Get returns the metric's own parameter of that name. Asking for one that
// the metric does not declare is a bug, and panics.
func (a Args) Get(name string) string {
	for i, p := range a.params {
		if p.Name == name {
			return a.values[i]
		}
	}
	panic("bug: metric asks for parameter " + name + ", which it does not declare")
}

// Kind returns the value of the connection parameter of that kind, "" when
// the metric takes none.
func (a Args) Kind(kind ParamKind) string {
	for i, p := range a.params {
		if p.Kind == kind {
			return a.values[i]
		}
	}
	return ""
}

// Request is what a Collect function works with.
type Request struct {
	// Target is nil for metrics without a connection parameter.
	Target *Target
	Args   Args
	Env    *Env
}

// Arg returns one of the metric's own parameters.
func (r *Request) Arg(name string) string { return r.Args.Get(name) }

// Target is the server that a request speaks to.
type Target struct {
	redisclient.Doer
	// Name is the target as it may be shown: session name or URI, never with
	// a secret.
	Name string
	// Web reads a target that is a Storm UI; nil for a Redis server, and a Storm
	// UI has no Doer.
	Web Web
	// UnmaskSecrets shows the secrets in CONFIG.
	UnmaskSecrets bool
	// Memory keeps what a metric must remember of this target between polls.
	Memory *Memory
	// ConnInfo describes the newest connection that was made to this target;
	// ok is false before the first.
	ConnInfo func() (info redisclient.ConnInfo, ok bool)
	// Peer is another server that this one named, as a node of its cluster,
	// reached with the same account through the same pool. addr is host:port, with
	// ",name" behind it where a name is announced as well; without a host it is
	// this server's own. An error means that the address is none that may be asked. Nil where there are no peers.
	Peer func(addr string) (*Target, error)
	// Sentinels are those that are configured for a target that is the master
	// by their word. Nil for every other target, and that may itself be one.
	Sentinels func() []*Target
}

// Web reads a path of one HTTP server. Reads of the same path at the same
// moment should share one request. The error of a refusal has the methods
// StatusCode and Message.
type Web interface {
	Get(ctx context.Context, path string) ([]byte, error)
}

// Env is what the whole process shares.
type Env struct {
	Version string
	Started time.Time
	Pool    func() pool.Stats
	// Replies tells how much memory replies take; nil where that is not counted.
	Replies func() redisclient.BudgetStats
	// Checks tells how many checks are running; nil where they are not counted.
	Checks   func() int
	Sessions []Session
	// Target is that of a configured session which is a Redis, for metrics that ask
	// several. An error names the sessions that there are. Nil where there are none.
	Target func(session string) (*Target, error)
	Storm  StormOptions
	Jobs   JobsOptions
	// CustomCommands allows redis.command.
	CustomCommands bool
	// SlowlogArguments shows the arguments of commands in redis.slowlog.get and
	// redis.latency.get.
	SlowlogArguments bool
	Keyspace         KeyspaceOptions
	// Background runs work that goes on between checks. Few run at once; the
	// others wait for their turn. The work must end when its context does; a panic
	// in it becomes the error that failed is called with. Nil where there is
	// nothing between checks, as on the command line.
	Background func(work func(ctx context.Context), failed func(err error))
}

// ReadsRedis reports whether the metric speaks to a target that is a Redis
// server.
func (m *Metric) ReadsRedis() bool { return m.TakesConn() && m.Web != WebOnly }

// TakesConn reports whether the metric speaks to a target.
func (m *Metric) TakesConn() bool {
	for _, p := range m.Params {
		if p.Kind == ParamConn {
			return true
		}
	}
	return false
}
