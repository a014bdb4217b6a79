package storm

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// namedFigure is a figure that is known, in base units: seconds, bytes, cores.
type namedFigure struct {
	Name  string
	Value float64
}

// figures collects what is known.
func figures(all ...named) []namedFigure {
	var out []namedFigure
	for _, f := range all {
		if f.known {
			out = append(out, namedFigure{f.name, f.value})
		}
	}
	return out
}

type named struct {
	name string
	amount
}

const (
	megabyte = 1 << 20
	percents = 1.0 / 100 // of a core
	ms       = 1.0 / 1000
)

// topology is what Storm's UI says of a topology beyond a job's record.
type topology struct {
	ID, Owner string
	// Figures are uptime, workers, executors, tasks, replication, memory and
	// cores as requested and assigned.
	Figures []namedFigure

	// Detailed says that the rest was asked for and read.
	Detailed bool
	// Window are the figures of the last windowSeconds.
	Window []namedFigure
	// CapacityMax is the largest of the bolts' capacities, of the bolt
	// CapacityBolt; "" when none is known. 1 is a bolt that does nothing else.
	CapacityMax  float64
	CapacityBolt string
	// Spouts and Bolts are at most maxComponents each; Truncated counts the
	// others.
	Spouts, Bolts []component
	Truncated     int
	// ErrorAge is how many seconds ago the newest error was, in the component
	// ErrorComponent; "" when there was none. The record's message is its text.
	ErrorAge       float64
	ErrorComponent string
}

// windowSeconds is the time that figures of a topology's components are for.
const windowSeconds = 600

// maxComponents bounds the spouts and the bolts of one topology.
const maxComponents = 1000

// component is a spout or a bolt.
type component struct {
	ID      string
	Figures []namedFigure
	// LastError and ErrorHost are "" when there was no error.
	LastError string
	ErrorHost string
}

// summaryRow is a topology in topology/summary.
// source: https://storm.apache.org/releases/current/STORM-UI-REST-API.html
type summaryRow struct {
	ID              phrase `json:"id"`
	Name            phrase `json:"name"`
	Owner           phrase `json:"owner"`
	Status          phrase `json:"status"`
	Uptime          amount `json:"uptimeSeconds"`
	Workers         amount `json:"workersTotal"`
	Executors       amount `json:"executorsTotal"`
	Tasks           amount `json:"tasksTotal"`
	Replication     amount `json:"replicationCount"`
	RequestedMemory amount `json:"requestedTotalMem"`
	RequestedCPU    amount `json:"requestedCpu"`
	AssignedMemory  amount `json:"assignedTotalMem"`
	AssignedCPU     amount `json:"assignedCpu"`
	StormVersion    phrase `json:"stormVersion"`
}

// topologyAnswer is topology/<id>.
type topologyAnswer struct {
	Stats list[struct {
		Window          phrase `json:"window"`
		Emitted         amount `json:"emitted"`
		Transferred     amount `json:"transferred"`
		Misspelt        amount `json:"trasferred"`
		Acked           amount `json:"acked"`
		Failed          amount `json:"failed"`
		CompleteLatency amount `json:"completeLatency"`
	}] `json:"topologyStats"`
	Spouts  list[componentRow] `json:"spouts"`
	Bolts   list[componentRow] `json:"bolts"`
	Workers list[struct {
		Host   phrase `json:"host"`
		Port   phrase `json:"port"`
		Uptime amount `json:"uptimeSeconds"`
	}] `json:"workers"`
}

type componentRow struct {
	SpoutID         phrase `json:"spoutId"`
	BoltID          phrase `json:"boltId"`
	Executors       amount `json:"executors"`
	Tasks           amount `json:"tasks"`
	Emitted         amount `json:"emitted"`
	Transferred     amount `json:"transferred"`
	Acked           amount `json:"acked"`
	Failed          amount `json:"failed"`
	Executed        amount `json:"executed"`
	Capacity        amount `json:"capacity"`
	CompleteLatency amount `json:"completeLatency"`
	ExecuteLatency  amount `json:"executeLatency"`
	ProcessLatency  amount `json:"processLatency"`
	LastError       phrase `json:"lastError"`
	ErrorTime       amount `json:"errorTime"`
	ErrorAge        amount `json:"errorLapsedSecs"`
	ErrorHost       phrase `json:"errorHost"`
}

// job is a topology of the summary as a job.
func (r *summaryRow) job() job {
	id := r.ID.line()
	j := job{Name: r.Name.value, Key: id, Topology: &topology{
		ID: id, Owner: r.Owner.line(),
		Figures: figures(
			named{"uptime", r.Uptime.times(1)},
			named{"workers", r.Workers.times(1)},
			named{"executors", r.Executors.times(1)},
			named{"tasks", r.Tasks.times(1)},
			named{"replication", r.Replication.times(1)},
			named{"requested_memory", r.RequestedMemory.times(megabyte)},
			named{"assigned_memory", r.AssignedMemory.times(megabyte)},
			named{"requested_cores", r.RequestedCPU.times(percents)},
			named{"assigned_cores", r.AssignedCPU.times(percents)},
		),
	}}
	j.say("type", "topology")
	if at, ok := startOf(id); ok {
		j.Fields = append(j.Fields, field{Name: "started_at", Number: at})
	}
	j.say("run_id", id)
	j.say("version", r.StormVersion.line())
	raw := r.Status.value
	text, err := statusText(raw)
	if err != nil {
		j.Err = fmt.Errorf("status: %w", err)
		j.Unavailable = append(j.Unavailable, unreadable{Name: "status", Reason: err.Error()})
		return j
	}
	j.say("status", text)
	j.Status = statusOf(text, nil)
	return j
}

// say adds a text to the record, unless it is empty.
func (j *job) say(name, text string) {
	if text != "" {
		j.Fields = append(j.Fields, field{Name: name, IsText: true, Text: text})
	}
}

// startOf reads when a topology was submitted from its id: name-counter-epoch.
func startOf(id string) (float64, bool) {
	at, err := parseMoment(id[strings.LastIndexByte(id, '-')+1:])
	return at, err == nil
}

// detail adds what the topology's own page says.
func (j *job) detail(page *topologyAnswer, lag lagAnswer) {
	t := j.Topology
	t.Detailed = true
	for _, s := range page.Stats.rows {
		transferred := s.Transferred
		if !transferred.known {
			transferred = s.Misspelt
		}
		switch s.Window.value {
		case ":all-time":
			for _, f := range figures(
				named{"processed", s.Acked.times(1)}, named{"failed", s.Failed.times(1)}, named{"emitted", s.Emitted.times(1)},
			) {
				j.Fields = append(j.Fields, field{Name: f.Name, Number: f.Value})
			}
		case strconv.Itoa(windowSeconds):
			t.Window = figures(
				named{"emitted", s.Emitted.times(1)}, named{"transferred", transferred.times(1)},
				named{"acked", s.Acked.times(1)}, named{"failed", s.Failed.times(1)},
				named{"complete_latency", s.CompleteLatency.times(ms)},
			)
		}
	}
	newest, rows, said := math.Inf(1), 0, 0
	components := func(all []componentRow, id func(*componentRow) string) []component {
		var out []component
		for i := range all {
			r := &all[i]
			name := oneLine(id(r))
			if name == "" {
				continue
			}
			rows++
			if r.LastError.said {
				said++
			}
			if age := r.ErrorAge.times(1); age.known && r.LastError.line() != "" && age.value < newest {
				newest, t.ErrorAge, t.ErrorComponent = age.value, age.value, name
				j.setMessage(firstLine(r.LastError.value))
			}
			if len(out) >= maxComponents {
				t.Truncated++
				continue
			}
			out = append(out, r.component(name, lag))
		}
		slices.SortStableFunc(out, func(a, b component) int { return cmp.Compare(a.ID, b.ID) })
		return out
	}
	t.Spouts = components(page.Spouts.rows, func(r *componentRow) string { return r.SpoutID.value })
	t.Bolts = components(page.Bolts.rows, func(r *componentRow) string { return r.BoltID.value })
	for _, r := range page.Bolts.rows {
		if c := r.Capacity.times(1); c.known && (t.CapacityBolt == "" || c.value > t.CapacityMax) {
			t.CapacityMax, t.CapacityBolt = c.value, r.BoltID.line()
		}
	}
	if rows > 0 && said == 0 {
		j.Unavailable = append(j.Unavailable, unreadable{Name: "last_error", Reason: noErrors})
	}
	if total, ok := lag.total(); ok {
		j.Fields = append(j.Fields, field{Name: "lag", Number: total})
	}
	if lag.problem != "" {
		j.Unavailable = append(j.Unavailable, unreadable{Name: "lag", Reason: lag.problem})
	}
}

// noErrors is why the errors of a topology's components are not known: the page of
// Storm 2.0 to 2.2 has none of them.
// source: STORM-3652
const noErrors = "this Storm UI does not say it of a whole topology: Storm 2.0 to 2.2 do not (STORM-3652), 2.3 does"

// setMessage replaces the record's message.
func (j *job) setMessage(text string) {
	j.Fields = slices.DeleteFunc(j.Fields, func(f field) bool { return f.Name == "message" })
	j.say("message", text)
}

// firstLine is a Java exception without its stack.
func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return oneLine(line)
}

func (r *componentRow) component(id string, lag lagAnswer) component {
	c := component{ID: id}
	lagOf, known := lag.spouts[id]
	c.Figures = figures(
		named{"executors", r.Executors.times(1)}, named{"tasks", r.Tasks.times(1)},
		named{"emitted", r.Emitted.times(1)}, named{"transferred", r.Transferred.times(1)},
		named{"executed", r.Executed.times(1)},
		named{"acked", r.Acked.times(1)}, named{"failed", r.Failed.times(1)},
		named{"capacity", r.Capacity.times(1)},
		named{"complete_latency", r.CompleteLatency.times(ms)},
		named{"execute_latency", r.ExecuteLatency.times(ms)},
		named{"process_latency", r.ProcessLatency.times(ms)},
		named{"lag", amount{lagOf, known}},
	)
	if text := firstLine(r.LastError.value); text != "" {
		c.LastError, c.ErrorHost = text, r.ErrorHost.line()
		c.Figures = append(c.Figures, figures(
			named{"error_at", r.ErrorTime.times(1)}, named{"error_age", r.ErrorAge.times(1)},
		)...)
	}
	return c
}

// topologyPath is where a topology's page is.
func topologyPath(id string) string { return apiPath + "topology/" + url.PathEscape(id) }

// isGone reports whether the UI refused because there is no such topology (any
// more). Storm 2 wraps the exception that says so.
func isGone(err error) bool {
	var refused interface {
		StatusCode() int
		Message() string
	}
	return errors.As(err, &refused) &&
		(refused.StatusCode() == 404 || strings.Contains(refused.Message(), "NotAliveException"))
}
