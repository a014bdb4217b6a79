package metrics

import (
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
)

func (s *sentinels) document() string {
	w := jsondoc.New(2048)
	var cut truncations
	w.BeginObject()
	writeHead(w, s.target.Name, nil)
	names := s.names()
	disagreements := 0
	w.Key("masters").BeginArray()
	for _, name := range names[:len(names)-s.left] {
		disagreements += s.writeMaster(w, name)
	}
	w.EndArray()
	w.Key("disagreements").Int(int64(disagreements))
	s.writeSentinels(w, &cut)
	var parts []*part
	for _, name := range names[:len(names)-s.left] {
		parts = append(parts, s.replicas[name], s.peers[name])
	}
	writeUnavailable(w, parts...)
	if s.left > 0 {
		cut = append(cut, truncation{"masters", s.left})
	}
	cut.write(w)
	w.EndObject()
	return w.Document()
}

// writeMaster returns 1 when the sentinels disagree about it.
func (s *sentinels) writeMaster(w *jsondoc.Writer, name string) int {
	f := s.voice.masters[name]
	w.BeginObject()
	w.Key("name").String(name)
	w.Key("addr").String(f.addr())
	w.Key("flags").String(f["flags"])
	w.Key("sdown").Int(int64(number(f.is("s_down"))))
	w.Key("odown").Int(int64(number(f.is("o_down"))))
	writeReading(w, "quorum", f.reading("quorum"))
	writeReading(w, "epoch", f.reading("config-epoch"))
	if c, ok := s.judge(name); ok {
		w.Key("usable_sentinels").Int(int64(c.usable))
		w.Key("known_sentinels").Int(int64(c.known))
		if c.quorum.known {
			w.Key("has_quorum").Int(int64(number(c.hasQuorum)))
		}
		w.Key("has_majority").Int(int64(number(c.hasMajority)))
	}
	w.Key("failover").Int(int64(number(f.is("failover_in_progress"))))
	if state := f["failover-state"]; state != "" {
		w.Key("failover_state").String(state)
	}
	views, addrs := s.opinions(name)
	w.Key("agree").Int(int64(1 - number(views != nil)))
	if views != nil {
		w.Key("views").BeginArray()
		for i, v := range views {
			w.BeginObject()
			w.Key("sentinel").String(v.addr)
			if addrs[i] != "" {
				w.Key("addr").String(addrs[i])
			}
			w.EndObject()
		}
		w.EndArray()
	}
	s.writeReplicas(w, name)
	s.writePeers(w, name)
	w.EndObject()
	return number(views != nil)
}

func (s *sentinels) writeReplicas(w *jsondoc.Writer, name string) {
	if s.replicas[name].err != nil {
		return
	}
	list := s.members[memberKey(s.replicas[name])]
	w.Key("replicas").BeginArray()
	for _, f := range list[:min(len(list), maxRows)] {
		w.BeginObject()
		w.Key("addr").String(f.addr())
		w.Key("flags").String(f["flags"])
		w.Key("down").Int(int64(number(f.down() || f.is("disconnected"))))
		if link := f["master-link-status"]; link != "" {
			w.Key("link_up").Int(int64(number(link == "ok")))
		}
		writeReading(w, "priority", f.reading("slave-priority"))
		writeReading(w, "offset", f.reading("slave-repl-offset"))
		w.EndObject()
	}
	w.EndArray()
}

func (s *sentinels) writePeers(w *jsondoc.Writer, name string) {
	if s.peers[name].err != nil {
		return
	}
	list := s.members[memberKey(s.peers[name])]
	w.Key("sentinels").BeginArray()
	for _, f := range list[:min(len(list), maxRows)] {
		w.BeginObject()
		w.Key("addr").String(f.addr())
		w.Key("id").String(f["runid"])
		w.Key("flags").String(f["flags"])
		w.Key("down").Int(int64(number(f.down())))
		w.EndObject()
	}
	w.EndArray()
}

// writeSentinels writes those that were asked, the sum of their tilts, and who
// did not answer.
func (s *sentinels) writeSentinels(w *jsondoc.Writer, cut *truncations) {
	var silent []*sentinelView
	tilt := reading{}
	w.Key("sentinels").BeginArray()
	for _, v := range s.views[:cut.limit("sentinels", len(s.views))] {
		if v.err != nil {
			silent = append(silent, v)
		}
		if v.tilt.known {
			tilt = reading{tilt.value + v.tilt.value, true}
		}
		w.BeginObject()
		w.Key("addr").String(v.addr)
		if v.id != "" {
			w.Key("id").String(v.id)
		}
		w.Key("up").Int(int64(number(v.err == nil)))
		v.writeFailure(w)
		writeReading(w, "tilt", v.tilt)
		if v.err == nil {
			w.Key("masters").Int(int64(len(v.masters)))
		}
		w.EndObject()
	}
	w.EndArray()
	writeReading(w, "tilt", tilt)
	w.Key("partial").Bool(len(silent) > 0)
	w.Key("unanswered").BeginArray()
	for _, v := range silent {
		w.BeginObject()
		w.Key("addr").String(v.addr)
		v.writeFailure(w)
		w.EndObject()
	}
	w.EndArray()
}

func (v *sentinelView) writeFailure(w *jsondoc.Writer) {
	w.Key("reason").String(string(redisclient.ReasonOf(v.err)))
	text := ""
	if v.err != nil {
		text = errorLine(v.addr, v.err)
	}
	w.Key("error").String(text)
}
