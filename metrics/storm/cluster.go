package storm

import (
	"context"
	"strings"

	"redisjobs/metrics/ask"
)

// cluster is a Storm cluster as its UI shows it. Lists that are nil could not
// be read; Unavailable says why.
type cluster struct {
	Version string
	// Figures are of the whole cluster, in an answer's order.
	Figures []namedFigure
	// Nimbuses and Supervisors are those that the UI lists, at most
	// maxComponents each; Truncated counts the others by list.
	Nimbuses    []nimbus
	Supervisors []supervisor
	Truncated   map[string]int
	// ByStatus counts the topologies; nil when they are not known.
	ByStatus    map[Status]int
	Unavailable []unreadable
}

// nimbus is one of the masters.
type nimbus struct {
	Host    string
	Port    string
	Status  string // Leader, Not a Leader, Offline; before Storm 2 also Dead
	Version string
	Figures []namedFigure // uptime
}

// Leads reports whether it is the master of now.
func (n nimbus) Leads() bool { return strings.EqualFold(n.Status, "Leader") }

// Gone reports whether the UI cannot reach it.
func (n nimbus) Gone() bool {
	return strings.EqualFold(n.Status, "Offline") || strings.EqualFold(n.Status, "Dead")
}

// supervisor is a machine that runs workers.
type supervisor struct {
	ID      string
	Host    string
	Version string
	Figures []namedFigure
}

const (
	clusterPath    = apiPath + "cluster/summary"
	nimbusPath     = apiPath + "nimbus/summary"
	supervisorPath = apiPath + "supervisor/summary"
)

// clusterAnswer is cluster/summary.
type clusterAnswer struct {
	Version     phrase `json:"stormVersion"`
	Supervisors amount `json:"supervisors"`
	Topologies  amount `json:"topologies"`
	SlotsTotal  amount `json:"slotsTotal"`
	SlotsUsed   amount `json:"slotsUsed"`
	SlotsFree   amount `json:"slotsFree"`
	Executors   amount `json:"executorsTotal"`
	Tasks       amount `json:"tasksTotal"`
	TotalMemory amount `json:"totalMem"`
	AvailMemory amount `json:"availMem"`
	TotalCPU    amount `json:"totalCpu"`
	AvailCPU    amount `json:"availCpu"`
	resourceFlag
}

// resourceFlag is in cluster/summary and supervisor/summary. Without a scheduler
// that knows resources the UI says false, all memory and CPU is free and none is
// used whatever runs, and its own pages hide these columns.
type resourceFlag struct {
	Display phrase `json:"schedulerDisplayResource"`
}

// hidden reports whether what is used and free of memory and CPU means nothing.
func (f resourceFlag) hidden() bool { return f.Display.value == "false" }

// hideResources says why figures are left out.
func (c *cluster) hideResources(names ...string) {
	for _, name := range names {
		c.Unavailable = append(c.Unavailable, unreadable{
			Name: name, Reason: "the scheduler does not track resources (schedulerDisplayResource is false)",
		})
	}
}

// nimbusRow is one of nimbus/summary.
type nimbusRow struct {
	Host    phrase `json:"host"`
	Port    phrase `json:"port"`
	Status  phrase `json:"status"`
	Version phrase `json:"version"`
	Uptime  amount `json:"nimbusUpTimeSeconds"`
}

// supervisorRow is one of supervisor/summary.
type supervisorRow struct {
	ID          phrase `json:"id"`
	Host        phrase `json:"host"`
	Version     phrase `json:"version"`
	Blacklisted phrase `json:"blacklisted"`
	Uptime      amount `json:"uptimeSeconds"`
	SlotsTotal  amount `json:"slotsTotal"`
	SlotsUsed   amount `json:"slotsUsed"`
	TotalMemory amount `json:"totalMem"`
	UsedMemory  amount `json:"usedMem"`
	TotalCPU    amount `json:"totalCpu"`
	UsedCPU     amount `json:"usedCpu"`
}

// Cluster reads the state of the cluster by four requests side by side. It
// fails when there is no summary of the cluster; what else is missing is in
// Unavailable.
func (u *ui) Cluster(ctx context.Context) (cluster, error) {
	var (
		summary     clusterAnswer
		nimbuses    struct{ Nimbuses list[nimbusRow] }
		supervisors struct {
			Supervisors list[supervisorRow]
			resourceFlag
		}
		rows []summaryRow
	)
	parts := []clusterPart{
		{name: "cluster", read: func() error { return u.read(ctx, clusterPath, &summary) }},
		{name: "nimbuses", read: func() error {
			return firstError(u.read(ctx, nimbusPath, &nimbuses), func() bool { return nimbuses.Nimbuses.known }, nimbusPath, "nimbuses")
		}},
		{name: "supervisors", read: func() error {
			return firstError(u.read(ctx, supervisorPath, &supervisors), func() bool { return supervisors.Supervisors.known }, supervisorPath, "supervisors")
		}},
		{name: "topologies", read: func() (err error) { rows, err = u.topologies(ctx); return err }},
	}
	ask.SideBySide(len(parts), func(i int) { parts[i].err = parts[i].read() }, func(i int, err error) { parts[i].err = err })
	if parts[0].err != nil {
		return cluster{}, parts[0].err
	}
	if !summary.SlotsTotal.known && !summary.Version.known {
		return cluster{}, missing(clusterPath, "stormVersion")
	}
	c := cluster{Truncated: make(map[string]int)}
	for _, p := range parts[1:] {
		if p.err != nil {
			c.Unavailable = append(c.Unavailable, unreadable{Name: p.name, Reason: oneLine(p.err.Error())})
		}
	}
	c.summarize(&summary)
	if parts[1].err == nil {
		c.Nimbuses = []nimbus{}
		for _, r := range nimbuses.Nimbuses.rows {
			c.addNimbus(r)
		}
	}
	if parts[2].err == nil {
		c.addSupervisors(supervisors.Supervisors.rows, supervisors.hidden() || summary.hidden())
	}
	if parts[3].err == nil {
		c.ByStatus = make(map[Status]int)
		for i := range rows {
			if j := rows[i].job(); j.Err == nil {
				c.ByStatus[j.Status]++
			}
		}
	}
	return c, nil
}

// clusterPart is one of the requests for a cluster's state.
type clusterPart struct {
	name string
	read func() error
	err  error
}

func (u *ui) read(ctx context.Context, path string, to any) error {
	body, err := u.web.Get(ctx, path)
	if err != nil {
		return err
	}
	return decodeUI(path, body, to)
}

// firstError is err, else that a list is missing.
func firstError(err error, known func() bool, path, member string) error {
	if err == nil && !known() {
		return missing(path, member)
	}
	return err
}

func (c *cluster) summarize(a *clusterAnswer) {
	c.Version = a.Version.line()
	if a.hidden() {
		a.AvailMemory, a.AvailCPU = amount{}, amount{}
		c.hideResources("memory_free", "cores_free")
	}
	c.Figures = figures(
		named{"topologies", a.Topologies.times(1)},
		named{"supervisors_alive", a.Supervisors.times(1)},
		named{"slots", a.SlotsTotal.times(1)},
		named{"slots_used", a.SlotsUsed.times(1)},
		named{"slots_free", a.SlotsFree.times(1)},
		named{"executors", a.Executors.times(1)},
		named{"tasks", a.Tasks.times(1)},
		named{"memory", a.TotalMemory.times(megabyte)},
		named{"memory_free", a.AvailMemory.times(megabyte)},
		named{"cores", a.TotalCPU.times(percents)},
		named{"cores_free", a.AvailCPU.times(percents)},
	)
}

func (c *cluster) addNimbus(r nimbusRow) {
	if len(c.Nimbuses) >= maxComponents {
		c.Truncated["nimbuses"]++
		return
	}
	c.Nimbuses = append(c.Nimbuses, nimbus{
		Host: r.Host.line(), Port: r.Port.line(), Status: r.Status.line(), Version: r.Version.line(),
		Figures: figures(named{"uptime", r.Uptime.times(1)}),
	})
}

// addSupervisors adds all supervisors; hidden: without what they use of memory and
// cores.
func (c *cluster) addSupervisors(rows []supervisorRow, hidden bool) {
	c.Supervisors = []supervisor{}
	if hidden && len(rows) > 0 {
		c.hideResources("supervisors.memory_used", "supervisors.cores_used")
	}
	for _, r := range rows {
		if hidden {
			r.UsedMemory, r.UsedCPU = amount{}, amount{}
		}
		c.addSupervisor(r)
	}
}

func (c *cluster) addSupervisor(r supervisorRow) {
	if len(c.Supervisors) >= maxComponents {
		c.Truncated["supervisors"]++
		return
	}
	blacklisted := amount{}
	switch r.Blacklisted.value {
	case "true":
		blacklisted = amount{1, true}
	case "false":
		blacklisted = amount{0, true}
	}
	c.Supervisors = append(c.Supervisors, supervisor{
		ID: r.ID.line(), Host: r.Host.line(), Version: r.Version.line(),
		Figures: figures(
			named{"uptime", r.Uptime.times(1)},
			named{"slots", r.SlotsTotal.times(1)},
			named{"slots_used", r.SlotsUsed.times(1)},
			named{"memory", r.TotalMemory.times(megabyte)},
			named{"memory_used", r.UsedMemory.times(megabyte)},
			named{"cores", r.TotalCPU.times(percents)},
			named{"cores_used", r.UsedCPU.times(percents)},
			named{"blacklisted", blacklisted},
		),
	})
}
