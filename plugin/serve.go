package plugin

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"golang.zabbix.com/sdk/plugin/comms"

	"redisjobs/conf"

	"redisjobs/metrics"
	"redisjobs/metrics/item"
	"redisjobs/socket"
	"redisjobs/targets"
)

// registrationGuard is how long the agent may be silent after the process was
// started for registration and after each of its answers. An agent 7 that
// refuses a registration says nothing and waits for the process to end; the
// next request of one that goes on comes within milliseconds.
const registrationGuard = 10 * time.Second

// maxRunning bounds the checks that run at once. An agent has at most 1,000
// under way, and frees a slot of its own when it times out, which we come
// before.
const maxRunning = 2048

// Server answers one agent over one socket.
type Server struct {
	// Registering says that the agent started the process only to register it.
	Registering bool
	// Version is shown in redis.pool.get.
	Version string
	// Metrics is what can be asked; nil means metrics.All.
	Metrics []*item.Metric
}

// Serve talks to the agent until it terminates the process or is gone, and
// returns the exit code for the process.
func (cfg Server) Serve(conn net.Conn) int {
	conn = socket.Quick(conn)
	s := &server{
		Server:   cfg,
		conn:     conn,
		out:      newFrameWriter(conn),
		started:  time.Now(),
		running:  make(chan struct{}, maxRunning),
		requests: make(chan request),
	}
	if s.Metrics == nil {
		s.Metrics = metrics.All()
	}
	s.byKey = make(map[string]*item.Metric, len(s.Metrics))
	for _, m := range s.Metrics {
		s.byKey[m.Key] = m
	}
	s.log = newLogger(s.out)
	return s.serve()
}

type server struct {
	Server
	conn     net.Conn
	out      *frameWriter
	log      *logger
	byKey    map[string]*item.Metric
	started  time.Time
	running  chan struct{} // a token for each check that runs
	requests chan request  // for workers that wait; closed at the end
	parked   atomic.Int32  // how many do

	// current is what the newest configuration made; nil before the first.
	current atomic.Pointer[targets.Runtime]
	// confErr is why there is none.
	confErr atomic.Pointer[string]

	protocol   string // the version that the agent stated when it registered us
	guard      *time.Timer
	guardFired atomic.Bool
}

// errTerminated ends the serving on the agent's request.
var errTerminated = errors.New("terminated by the agent")

func (s *server) serve() int {
	defer s.conn.Close()
	defer close(s.requests)
	s.armGuard()
	defer s.disarmGuard()

	r := bufio.NewReader(s.conn)
	var buf []byte
	for {
		body, err := readFrame(r, buf)
		switch {
		case errors.Is(err, errSkipped):
			s.log.warningf("ignored a frame from the agent: %v", err)
			continue
		case err != nil:
			return s.lost(err)
		}
		if err := s.handle(body); err != nil {
			return s.lost(err)
		}
		if buf = body[:0]; cap(buf) > keepBuffer {
			buf = nil
		}
	}
}

// lost gives the exit code for the end of the conversation. Checks that still
// run are left alone: the process ends under them.
func (s *server) lost(err error) int {
	switch {
	case errors.Is(err, errTerminated):
		return 0
	case s.guardFired.Load():
		return 1
	case s.Registering && !errors.Is(err, io.EOF):
		return 1
	}
	return 0
}

// armGuard starts the registration guard anew. While serving there is none.
func (s *server) armGuard() {
	if !s.Registering {
		return
	}
	s.disarmGuard()
	s.guard = time.AfterFunc(registrationGuard, func() {
		s.guardFired.Store(true)
		_ = s.conn.Close() // ends the read in serve
	})
}

func (s *server) disarmGuard() {
	if s.guard != nil {
		s.guard.Stop()
	}
}

// handle answers one request. Only an error that ends the conversation is
// returned.
func (s *server) handle(body []byte) error {
	m, ok := readExport(body)
	if ok {
		s.export(&m)
		return nil
	}
	if err := json.Unmarshal(body, &m); err != nil {
		s.log.warningf("ignored a request that is no valid JSON: %v", err)
		return nil
	}
	switch m.Type {
	case comms.ExportRequestType:
		s.export(&m)
		return nil
	case comms.RegisterRequestType:
		defer s.armGuard()
		return s.register(&m)
	case comms.ValidateRequestType:
		defer s.armGuard()
		return s.validate(&m)
	case comms.ConfigureRequestType:
		s.configure(&m)
		return nil
	case comms.StartRequestType:
		return nil
	case comms.TerminateRequestType:
		s.terminate()
		s.leave()
		return errTerminated
	default:
		s.log.warningf("ignored a request of unknown type %d from the agent", m.Type)
		return nil
	}
}

// register tells the agent our name and keys, whatever its protocol version.
func (s *server) register(m *message) error {
	s.protocol = m.ProtocolVersion
	keys := make([]string, 0, 2*len(s.Metrics))
	for _, metric := range s.Metrics {
		keys = append(keys, metric.Key, metric.Description)
	}
	return s.out.sendJSON(comms.RegisterResponse{
		Common:     comms.Common{Id: m.Id, Type: comms.RegisterResponseType},
		Name:       conf.PluginName,
		Metrics:    keys,
		Interfaces: comms.Exporter | comms.Configurator | comms.Runner,
	})
}

// validate judges the configuration; its error keeps the agent from starting, so
// that it is one only for a wrong word. What concerns one session costs that one.
func (s *server) validate(m *message) error {
	response := comms.ValidateResponse{
		Common: comms.Common{Id: m.Id, Type: comms.ValidateResponseType},
	}
	if _, err := s.decode(m); err != nil {
		response.Error = clip(err.Error())
	}
	return s.out.sendJSON(response)
}

// decode reads the configuration; a panic in it must not end the agent.
func (s *server) decode(m *message) (options *conf.Options, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("internal error while reading the configuration: %v", r)
		}
	}()
	var global conf.Global
	if m.GlobalOptions != nil {
		global.Timeout = m.GlobalOptions.Timeout
	}
	return conf.Decode(m.PrivateOptions, global)
}

// configure puts a configuration to use. The agent takes no error here, so
// that one is logged and every check answers with it.
func (s *server) configure(m *message) {
	options, err := s.decode(m)
	var next *targets.Runtime
	if err == nil {
		next, err = targets.New(options)
	}
	if err != nil {
		text := "the plugin is not configured: " + err.Error()
		s.log.errorf("%s", text)
		s.confErr.Store(&text)
		return
	}
	next.Env.Version, next.Env.Started = s.Version, s.started
	next.Env.Checks = func() int { return len(s.running) }
	for _, broken := range options.Broken() {
		s.log.warningf("%s: items of %s are errors until this is corrected", broken.Err, brokenName(broken.Session))
	}
	for _, warning := range options.Warnings() {
		s.log.warningf("%s", warning)
	}
	if old := s.current.Swap(next); old != nil {
		go old.Close(options.Timeout)
	}
	s.confErr.Store(nil)
	s.log.infof("version %s is configured: %d sessions, at most %d connections to a target and %s, timeout %s",
		s.Version, len(options.Sessions()), options.MaxConnections,
		targets.SayConnections(options.MaxConnectionsTotal, targets.OpenFiles()), options.Timeout)
}

// brokenName is what a session is called in the log.
func brokenName(session string) string {
	if session == "" {
		return "Default"
	}
	return "the session " + session
}

// terminate gives running checks a moment and closes all connections.
func (s *server) terminate() {
	if rt := s.current.Load(); rt != nil {
		rt.Close(targets.CloseGrace)
	}
}

// clip makes an error text fit for an agent: one line, fewer than 2,000 bytes,
// never empty.
func clip(text string) string {
	const limit = 1900
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "?")), " ")
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "…"
	}
	if text == "" {
		return "unknown error"
	}
	return text
}
