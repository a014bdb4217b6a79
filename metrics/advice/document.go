package advice

import (
	"cmp"
	"slices"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/jsondoc"
)

// finding is a rule that speaks, with what it found.
type finding struct {
	*Rule
	evidence string
}

// verdicts are those of all rules about one server.
type verdicts struct {
	findings []finding
	silenced []string
	judged   int
	unjudged []finding // with what is missing as their evidence
}

// judge asks each rule that concerns the server.
func judge(f *facts, silenced []string, users bool) (v verdicts) {
	for i := range rules {
		rule := &rules[i]
		if !f.concerns(rule.Scope, users) {
			continue
		}
		f.missing = ""
		evidence := rule.judge(f)
		switch {
		case f.missing != "":
			v.unjudged = append(v.unjudged, finding{rule, f.missing})
			continue
		case evidence == "":
		case slices.Contains(silenced, rule.ID):
			v.silenced = append(v.silenced, rule.ID)
		default:
			v.findings = append(v.findings, finding{rule, ask.Line(evidence, ask.MaxErrorLine)})
		}
		v.judged++
	}
	slices.SortStableFunc(v.findings, func(a, b finding) int {
		return cmp.Compare(slices.Index(severities, a.Severity), slices.Index(severities, b.Severity))
	})
	return v
}

// concerns reports whether rules of a scope are about the server.
func (f *facts) concerns(scope Scope, users bool) bool {
	switch scope {
	case Users:
		return users && f.id.Mode != "sentinel"
	case Cluster:
		return f.isCluster()
	case Sentinel:
		return f.id.Mode == "sentinel" || f.masters != nil || f.why.sentinel != nil
	}
	return f.id.Mode != "sentinel"
}

func write(w *jsondoc.Writer, f *facts, silenced []string, users bool) {
	v := judge(f, silenced, users)
	counts := make(map[Severity]int64)
	w.Key("findings").BeginArray()
	for _, found := range v.findings {
		counts[found.Severity]++
		w.BeginObject()
		w.Key("id").String(found.ID)
		w.Key("severity").String(string(found.Severity))
		w.Key("title").String(found.Title)
		w.Key("evidence").String(found.evidence)
		w.Key("why").String(found.Why)
		w.Key("remedy").String(found.Remedy)
		w.EndObject()
	}
	w.EndArray()
	w.Key("count").Int(int64(len(v.findings)))
	for _, severity := range severities {
		w.Key(string(severity)).Int(counts[severity])
	}
	w.Key("judged").Int(int64(v.judged))
	w.Key("unjudged").BeginArray()
	for _, u := range v.unjudged {
		w.BeginObject()
		w.Key("id").String(u.ID)
		w.Key("missing").String(u.evidence)
		w.EndObject()
	}
	w.EndArray()
	w.Key("silenced").BeginArray()
	for _, id := range v.silenced {
		w.String(id)
	}
	w.EndArray()
}
