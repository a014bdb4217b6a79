package config

import (
	"hash/maphash"
	"strconv"
	"strings"
	"time"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/jsondoc"
	"redisjobs/metrics/settings"
)

// seen is what is remembered of the settings of a target: of each its name, how
// it is shown, and a hash of the value that only this process can make.
type seen struct {
	life info.Life
	text string
}

// seenMemory, with the parameter Compare behind it, is where that is: two items of a
// target that differ in it do not take each other's changes.
const seenMemory = "redis.config.get "

var seed = maphash.MakeSeed()

// remember packs settings.Settings into one text.
func remember(s settings.Settings, unmask bool) string {
	var b strings.Builder
	for _, name := range s.Names() {
		b.WriteString(name + "\x00" + strings.ReplaceAll(settings.Shown(name, s[name], unmask), "\x00", " ") + "\x00" +
			strconv.FormatUint(maphash.String(seed, s[name]), 36) + "\x00")
	}
	return b.String()
}

// packed is one parameter of such a text.
type packed struct{ shown, hash string }

func unpack(text string) map[string]packed {
	parts := strings.Split(text, "\x00")
	out := make(map[string]packed, len(parts)/3)
	for i := 0; i+2 < len(parts); i += 3 {
		out[parts[i]] = packed{parts[i+1], parts[i+2]}
	}
	return out
}

// change is a parameter whose value is another one than at the last poll. A
// server of another version may have it anew, or no more.
type change struct {
	name      string
	old, new  string
	had, have bool
}

// news is what a poll finds.
type news struct {
	first, restarted bool
	changes          []change
}

// compare tells what changed since the last poll. polled is false when there was
// none.
func (last seen) compare(polled bool, s settings.Settings, runID string, uptime info.Reading, unmask bool) (n news, next seen) {
	now := time.Now()
	next = seen{info.Life{RunID: runID, At: now}, remember(s, unmask)}
	if runID == "" {
		next.life.RunID = last.life.RunID
	}
	happened := last.life.Next(runID, uptime, now)
	n.first, n.restarted = !polled || happened == info.Replaced, polled && happened == info.Restarted
	if n.first || last.text == next.text {
		return n, next
	}
	before, after := unpack(last.text), unpack(next.text)
	for _, name := range s.Names() {
		old, had := before[name]
		if now := after[name]; !had || old.hash != now.hash {
			n.changes = append(n.changes, change{name, old.shown, now.shown, had, true})
		}
		delete(before, name)
	}
	gone := make(settings.Settings, len(before))
	for name, p := range before {
		gone[name] = p.shown
	}
	for _, name := range gone.Names() {
		n.changes = append(n.changes, change{name: name, old: gone[name], had: true})
	}
	return n, next
}

func (n *news) write(w *jsondoc.Writer, cut *ask.Truncations) {
	w.Key("first").Bool(n.first)
	w.Key("restarted").Bool(n.restarted)
	w.Key("changes").Int(int64(len(n.changes)))
	w.Key("changed").BeginArray()
	for _, c := range n.changes[:cut.LimitTo("changed", len(n.changes), settings.MaxRows)] {
		w.BeginObject()
		w.Key("name").String(c.name)
		if c.had {
			w.Key("old").String(c.old)
		}
		if c.have {
			w.Key("new").String(c.new)
		}
		w.EndObject()
	}
	w.EndArray()
}
