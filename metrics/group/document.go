package group

import (
	"strings"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
)

func (v *verdict) write(w *jsondoc.Writer) {
	var cut ask.Truncations
	w.Grow(2048 + 512*len(v.members))
	w.BeginObject()
	ask.Head(w, sessions(v.members), v.down())
	w.Key("sessions").Int(int64(len(v.members)))
	w.Key("answered").Int(int64(len(v.members) - len(v.silent)))
	w.Key("partial").Bool(v.partial())
	if len(v.silent) < len(v.members) {
		v.writeCounts(w)
		v.writeDrift(w, &cut)
	}
	v.writeProblems(w)
	w.Key("members").BeginArray()
	for _, m := range v.members {
		m.write(w)
	}
	w.EndArray()
	var parts []*ask.Part
	for _, m := range v.members {
		if m.err == nil {
			parts = append(parts, m.info, m.config)
		}
	}
	ask.Unavailable(w, parts...)
	cut.Write(w)
	w.EndObject()
}

// down is why nobody answered; nil when somebody did.
func (v *verdict) down() error {
	for _, m := range v.members {
		if m.err == nil {
			return nil
		}
	}
	return v.members[0].err
}

func (v *verdict) writeCounts(w *jsondoc.Writer) {
	w.Key("primaries").Int(int64(len(v.primaries)))
	w.Key("replicas").Int(int64(len(v.replicas)))
	if !v.partial() {
		w.Key("strangers").Int(int64(len(v.strangers)))
	}
	w.Key("chained").Int(int64(len(v.chained)))
	w.Key("links_down").Int(int64(len(v.broken)))
	w.Key("same_server").Int(int64(len(v.twins)))
	w.Key("wrong_kind").Int(int64(len(v.wrong)))
	w.Key("versions").Int(int64(len(v.versions)))
	info.WriteReading(w, "lag_bytes", v.lag)
}

func (v *verdict) writeDrift(w *jsondoc.Writer, cut *ask.Truncations) {
	if v.drift == nil {
		return
	}
	w.Key("compared_with").String(v.base.session)
	v.drift.Write(w, v.base.target.UnmaskSecrets, cut)
}

func (v *verdict) writeProblems(w *jsondoc.Writer) {
	var texts []string
	w.Key("problems").BeginArray()
	for _, p := range v.problems {
		texts = append(texts, p.text)
		w.BeginObject()
		w.Key("id").String(p.id)
		w.Key("sessions").BeginArray()
		for _, m := range p.members {
			w.String(m.session)
		}
		w.EndArray()
		w.Key("text").String(p.text)
		w.EndObject()
	}
	w.EndArray()
	w.Key("summary").String(ask.Line(strings.Join(texts, "; "), ask.MaxErrorLine))
}

func (m *member) write(w *jsondoc.Writer) {
	w.BeginObject()
	w.Key("session").String(m.session)
	w.Key("target").String(m.target.Name)
	w.Key("up").Int(int64(ask.Number(m.err == nil)))
	w.Key("reason").String(string(redisclient.ReasonOf(m.err)))
	text := ""
	if m.err != nil {
		text = ask.ErrorLine(m.target.Name, m.err)
	}
	w.Key("error").String(text)
	for _, f := range []struct{ name, value string }{
		{"role", m.id.Role}, {"flavour", m.id.Flavour}, {"version", m.id.Version}, {"mode", m.id.Mode}, {"run_id", m.runID}, {"history", m.history.ID},
	} {
		ask.WriteText(w, f.name, ask.Clip(f.value, ask.MaxName))
	}
	if m.answered() {
		w.Key("connected_replicas").Int(int64(len(m.replicas)))
	}
	if m.isReplica() {
		ask.WriteText(w, "primary", clipped(m.masters))
		if m.primary != nil {
			w.Key("primary_session").String(m.primary.session)
		}
		info.WriteReading(w, "link_up", m.links.Up)
		info.WriteReading(w, "last_io", m.links.LastIO)
		info.WriteReading(w, "lag_bytes", m.lag)
	}
	w.EndObject()
}
