package advice

import (
	"fmt"
	"strconv"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
)

const sentinelSource = "https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/"

var sentinelRules = []Rule{
	{
		ID: "few_sentinels", Severity: Warning, Scope: Sentinel,
		Title:  "Too few sentinels",
		When:   "Fewer than three sentinels watch a master.",
		Why:    "A majority of them must agree on a failover. With one or two, there is no failover when the machine of one fails.",
		Remedy: "Run at least three sentinels, on machines that fail independently.",
		Source: sentinelSource,
		judge: func(f *facts) string {
			return f.eachMaster(func(m watched) string {
				if m.sentinels < 3 {
					return fmt.Sprintf("%s: %d", m.name, m.sentinels)
				}
				return ""
			})
		},
	},
	{
		ID: "quorum_too_high", Severity: High, Scope: Sentinel,
		Title:  "The quorum cannot be reached",
		When:   "The quorum of a master is higher than the number of sentinels that watch it.",
		Why:    "The sentinels never agree that the master is down: there is no failover.",
		Remedy: "SENTINEL SET name quorum n on each sentinel, with a majority of them.",
		Source: sentinelSource,
		judge: func(f *facts) string {
			return f.eachMaster(func(m watched) string {
				if m.quorum > m.sentinels {
					return fmt.Sprintf("%s: quorum %d of %d sentinels", m.name, m.quorum, m.sentinels)
				}
				return ""
			})
		},
	},
	{
		ID: "quorum_of_one", Severity: Warning, Scope: Sentinel,
		Title:  "One sentinel alone starts a failover",
		When:   "The quorum of a master is 1, and several sentinels watch it.",
		Why:    "A sentinel that has lost its own network takes the master for dead and starts failovers that nobody needs.",
		Remedy: "SENTINEL SET name quorum 2 (of three) on each sentinel.",
		Source: sentinelSource,
		judge: func(f *facts) string {
			return f.eachMaster(func(m watched) string {
				if m.quorum == 1 && m.sentinels > 1 {
					return fmt.Sprintf("%s: quorum 1 of %d sentinels", m.name, m.sentinels)
				}
				return ""
			})
		},
	},
	{
		ID: "master_without_replica", Severity: Warning, Scope: Sentinel,
		Title:  "The sentinels have no replica to promote",
		When:   "A master that sentinels watch has no replica, or only ones that sentinels do not promote: down, with the priority 0, or disconnected from the master for more than ten times down-after-milliseconds.",
		Why:    "When it fails, there is nothing to fail over to.",
		Remedy: "Add a replica (REPLICAOF), or set replica-priority above 0 on one. If there was one, look whether it is down, follows another server or cannot log in to its master (master_link_status).",
		Source: sentinelSource,
		judge: func(f *facts) string {
			return f.eachMaster(func(m watched) string {
				switch available := f.available(m); {
				case m.replicas == 0:
					return m.name
				case available == 0:
					return fmt.Sprintf("%s: none of %s", m.name, counted(m.replicas, "replica"))
				}
				return ""
			})
		},
	},
}

// available is how many replicas of a master may become the master.
func (f *facts) available(m watched) int64 {
	part := f.listed[m.name]
	if m.replicas == 0 {
		return 0
	}
	if part == nil {
		f.lacks("the replicas of more than %d masters", maxListed)
		return m.replicas
	}
	rows, unreadable, err := replicaRows(part)
	if err == nil && unreadable > 0 {
		err = fmt.Errorf("%d rows cannot be read", unreadable)
	}
	if err != nil {
		f.lacks("SENTINEL REPLICAS %s: %v", m.name, err)
		return m.replicas
	}
	available, _ := info.Available(m.row, rows, info.Known(m.replicas))
	return available
}

func replicaRows(p *ask.Part) ([]map[string]string, int, error) {
	if p.Err != nil {
		return nil, 0, p.Err
	}
	return ask.RowsOf(p.Value, "row", ask.Texts)
}

// watched is a master as a sentinel sees it.
type watched struct {
	name                        string
	sentinels, quorum, replicas int64
	row                         map[string]string // of SENTINEL MASTERS
}

// eachMaster lists what is found of the masters.
func (f *facts) eachMaster(judge func(m watched) string) string {
	if f.why.sentinel != nil {
		f.lacks("SENTINEL MASTERS: %v", f.why.sentinel)
		return ""
	}
	var found []string
	for _, fields := range f.masters {
		number := func(field string) int64 {
			n, err := strconv.ParseInt(fields[field], 10, 64)
			if err != nil {
				f.lacks("SENTINEL MASTERS has no number in %s", field)
			}
			return n
		}
		m := watched{fields["name"], number("num-other-sentinels") + 1, number("quorum"), number("num-slaves"), fields}
		if text := judge(m); text != "" {
			found = append(found, text)
		}
	}
	return list(found)
}
