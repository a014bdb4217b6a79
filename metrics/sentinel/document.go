package sentinel

import (
	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
)

func (s *sentinels) write(w *jsondoc.Writer) {
	w.Grow(2048)
	var cut ask.Truncations
	w.BeginObject()
	ask.Head(w, s.target.Name, nil)
	names := s.names()
	disagreements, unasked := int64(0), false
	var drifts info.Reading
	w.Key("masters").BeginArray()
	for _, name := range names[:len(names)-s.left] {
		agree, differ := s.writeMaster(w, name, &cut)
		disagreements += int64(ask.Number(agree.Known && agree.Value == 0))
		unasked = unasked || s.unasked(name)
		if differ.Known {
			drifts = info.Known(drifts.Value + differ.Value)
		}
	}
	w.EndArray()
	info.WriteReading(w, "disagreements", atLeast(disagreements, !unasked))
	info.WriteReading(w, "drifts", info.Reading{Value: drifts.Value, Known: drifts.Known && atLeast(drifts.Value, !unasked).Known})
	s.writeSentinels(w, unasked, &cut)
	var parts []*ask.Part
	for _, v := range s.views {
		if v.err == nil {
			parts = append(parts, v.info)
		}
	}
	for _, name := range names[:len(names)-s.left] {
		parts = append(parts, s.replicas[name], s.peers[name])
	}
	ask.Unavailable(w, parts...)
	if s.left > 0 {
		cut.Add("masters", s.left)
	}
	cut.Write(w)
	s.unread.Write(w)
	w.EndObject()
}

// writeMaster returns whether the sentinels agree about it, and in how many settings
// they differ, as far as that is known.
func (s *sentinels) writeMaster(w *jsondoc.Writer, name string, cut *ask.Truncations) (agree, differ info.Reading) {
	f := s.voice.masters[name]
	w.BeginObject()
	w.Key("name").String(name)
	w.Key("addr").String(f.addr())
	w.Key("flags").String(f["flags"])
	w.Key("sdown").Int(int64(ask.Number(f.is("s_down"))))
	w.Key("odown").Int(int64(ask.Number(f.is("o_down"))))
	info.WriteReading(w, "quorum", f.reading("quorum"))
	info.WriteReading(w, "epoch", f.reading("config-epoch"))
	if c, ok := s.judge(name); ok {
		w.Key("usable_sentinels").Int(int64(c.usable))
		w.Key("known_sentinels").Int(int64(c.known))
		if c.quorum.Known {
			w.Key("has_quorum").Int(int64(ask.Number(c.hasQuorum)))
		}
		w.Key("has_majority").Int(int64(ask.Number(c.hasMajority)))
	}
	w.Key("failover").Int(int64(ask.Number(f.is("failover_in_progress"))))
	if state := f["failover-state"]; state != "" {
		w.Key("failover_state").String(state)
	}
	f.writePings(w)
	if drift := s.drift(name); drift != nil && atLeast(int64(len(drift.Names())), !s.unasked(name)).Known {
		drift.Write(w, false, cut)
		differ = info.Known(int64(len(drift.Names())))
	}
	views, addrs := s.opinions(name)
	agree = s.agreement(name, views != nil)
	info.WriteReading(w, "agree", agree)
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
	return agree, differ
}

// writePings writes how long ago an instance answered.
func (f fields) writePings(w *jsondoc.Writer) {
	f.writeAge(w, "last_ok_ping", "last-ok-ping-reply")
	f.writeAge(w, "last_ping", "last-ping-reply")
}

// writeAge writes a field of milliseconds as seconds.
func (f fields) writeAge(w *jsondoc.Writer, name, field string) {
	if ms := info.ParseCount([]byte(f[field])); ms.Known {
		w.Key(name).Float(float64(ms.Value) / 1000)
	}
}

func (s *sentinels) writeReplicas(w *jsondoc.Writer, name string) {
	if s.replicas[name].Err != nil {
		return
	}
	list := s.members[s.replicas[name]]
	rows := make([]map[string]string, len(list))
	for i, f := range list {
		rows[i] = f
	}
	// A row that cannot be read is listed all the same.
	master := s.voice.masters[name]
	known := master.reading("num-slaves")
	known.Value -= int64(s.unreadReplicas[name])
	available, unlisted := info.Available(master, rows, known)
	if s.unreadReplicas[name] == 0 {
		w.Key("available_replicas").Int(available)
	}
	if known.Known {
		w.Key("unlisted_replicas").Int(unlisted)
	}
	w.Key("replicas").BeginArray()
	for _, f := range list[:min(len(list), ask.MaxRows)] {
		w.BeginObject()
		w.Key("addr").String(f.addr())
		w.Key("flags").String(f["flags"])
		down := info.OutOfReach(f)
		w.Key("down").Int(int64(ask.Number(down)))
		w.Key("promotable").Int(int64(ask.Number(info.Promotable(master, f))))
		if link := f["master-link-status"]; link != "" && !down {
			w.Key("link_up").Int(int64(ask.Number(link == "ok")))
		}
		info.WriteReading(w, "priority", f.reading("slave-priority"))
		info.WriteReading(w, "offset", f.reading("slave-repl-offset"))
		f.writePings(w)
		w.EndObject()
	}
	w.EndArray()
}

func (s *sentinels) writePeers(w *jsondoc.Writer, name string) {
	if s.peers[name].Err != nil {
		return
	}
	list := s.members[s.peers[name]]
	w.Key("sentinels").BeginArray()
	for _, f := range list[:min(len(list), ask.MaxRows)] {
		w.BeginObject()
		w.Key("addr").String(f.addr())
		w.Key("id").String(f["runid"])
		w.Key("flags").String(f["flags"])
		w.Key("down").Int(int64(ask.Number(f.down())))
		f.writePings(w)
		f.writeAge(w, "last_hello", "last-hello-message")
		if leader := f["voted-leader"]; leader != "" && leader != "?" {
			w.Key("voted_leader").String(leader)
			info.WriteReading(w, "voted_epoch", f.reading("voted-leader-epoch"))
		}
		w.EndObject()
	}
	w.EndArray()
}

// writeSentinels writes those that were asked, the sum of their tilts, and who
// did not answer. unasked: there are others.
func (s *sentinels) writeSentinels(w *jsondoc.Writer, unasked bool, cut *ask.Truncations) {
	var silent []*view
	tilt, all := int64(0), !unasked
	w.Key("sentinels").BeginArray()
	for _, v := range s.views[:cut.Limit("sentinels", len(s.views))] {
		if v.err != nil {
			silent = append(silent, v)
		}
		tilt += v.tilt.Value
		all = all && (v.tilt.Known || v.err != nil)
		w.BeginObject()
		w.Key("addr").String(v.addr)
		if v.id != "" {
			w.Key("id").String(v.id)
		}
		w.Key("up").Int(int64(ask.Number(v.err == nil)))
		v.writeFailure(w)
		info.WriteReading(w, "tilt", v.tilt)
		if v.err == nil {
			w.Key("masters").Int(int64(len(v.masters)))
		}
		w.EndObject()
	}
	w.EndArray()
	info.WriteReading(w, "tilt", atLeast(tilt, all))
	w.Key("partial").Bool(len(silent) > 0 || unasked)
	w.Key("unanswered").BeginArray()
	for _, v := range silent {
		w.BeginObject()
		w.Key("addr").String(v.addr)
		v.writeFailure(w)
		w.EndObject()
	}
	w.EndArray()
}

func (v *view) writeFailure(w *jsondoc.Writer) {
	w.Key("reason").String(string(redisclient.ReasonOf(v.err)))
	text := ""
	if v.err != nil {
		text = ask.ErrorLine(v.addr, v.err)
	}
	w.Key("error").String(text)
}
