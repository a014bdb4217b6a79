package jobs

import (
	"slices"

	"redisjobs/metrics/item"
)

// Description is what the documents say about a job system, in the words of its
// Spec.
type Description struct {
	Name, DefaultPrefix string
	// Markers are the keys with a fixed name, under the default prefix, each of which
	// shows that the system is there. Searched: it is found by SCAN as well.
	Markers  []string
	Searched bool
	// OfQueues and OfSystem are the values that every system either has or lacks, as
	// far as this one has them.
	OfQueues, OfSystem []string
	// Unknown are the others, by their reason.
	Unknown []Unknown
	// Commands and Keys are what it reads, as ACL SETUSER has them, under the default
	// prefix and without configured queues.
	Commands, Keys []string
	// NoFailures is why job.failures.get does not read it, or "".
	NoFailures string
}

// Unknown are values that cannot be known of each queue, and of the system, for
// one reason.
type Unknown struct {
	Reason             string
	OfQueues, OfSystem []string
}

// Describe describes all systems, in the order of documents.
func Describe() []Description {
	var out []Description
	for _, s := range all {
		spec := s.Spec()
		d := Description{
			Name: spec.Name, DefaultPrefix: spec.DefaultPrefix, Searched: spec.Clue != nil || spec.Stream != nil,
			Commands: Commands([]string{spec.Name}), Keys: KeyPatterns(item.JobsOptions{}, []string{spec.Name}),
		}
		if spec.Markers != nil {
			for _, m := range spec.Markers(spec.DefaultPrefix) {
				if !m.Absent {
					d.Markers = append(d.Markers, m.Key)
				}
			}
		}
		d.NoFailures = spec.NoFailures()
		d.OfQueues, d.OfSystem = spec.has(figuresOfQueues, true), spec.has(systemFigures, false)
		d.Unknown = spec.unknown()
		out = append(out, d)
	}
	return out
}

// has are the names of those figures that the system does not lack.
func (s *spec) has(figures []figure, ofQueues bool) []string {
	var out []string
	for _, f := range figures {
		if !s.lacks(f, ofQueues) {
			out = append(out, f.String())
		}
	}
	return out
}

// unknown groups what the system lacks by the reasons, in the order of its Spec.
func (s *spec) unknown() []Unknown {
	var out []Unknown
	for _, l := range s.Lacks {
		i := slices.IndexFunc(out, func(u Unknown) bool { return u.Reason == l.Reason })
		if i < 0 {
			i = len(out)
			out = append(out, Unknown{Reason: l.Reason})
		}
		if l.OfQueues {
			out[i].OfQueues = append(out[i].OfQueues, l.Figure.String())
		} else {
			out[i].OfSystem = append(out[i].OfSystem, l.Figure.String())
		}
	}
	return out
}
