package templates

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// borrowing is what a rule takes of another source, so that it stands in one
// place: the figures that the other template has of one server, as prototypes
// for each row of the rule.
//
//   - The item that asks gets Row in the place of the other's macro .CONN}; all
//     other keys get it as their only parameter: rj.redis.up["{#SESSION}"].
//   - Macros get this template's prefix, and thresholds Row as their context:
//     {$REDIS.LATENCY.MAX.WARN} becomes {$SESSIONS.LATENCY.MAX.WARN:"{#SESSION}"}.
//     Periods keep the context that they have. Macros that this source has not are
//     borrowed, too.
//   - Triggers go on depending on each other, and on the other's first root, as far
//     as they are borrowed.
type borrowing struct {
	From     string   `yaml:"from"`     // the file
	Row      string   `yaml:"row"`      // the macro that tells the rows apart
	Context  string   `yaml:"context"`  // what Row is, in words
	Items    []string `yaml:"items"`    // their keys
	Triggers []string `yaml:"triggers"` // their names
	Graphs   []string `yaml:"graphs"`   // their names, of what is borrowed of their items
	And      ordered  `yaml:"and"`      // trigger and what must be true as well
}

// borrower borrows for one rule.
type borrower struct {
	*borrowing
	own, from *source
	prefix    string            // of the rule
	keys      map[string]string // of borrowed items, there and here
	macros    map[string]bool   // that are used, as they are called there
	err       error
}

func (s *source) borrow(r *sourceRule, from *source) error {
	b := &borrower{borrowing: &r.Borrow, own: s, from: from, prefix: r.Prefix, keys: map[string]string{}, macros: map[string]bool{}}
	all := slices.Clone(from.Items)
	loose := slices.Clone(from.Triggers)
	for _, other := range from.Rules {
		all = append(all, other.Items...)
		loose = append(loose, other.Triggers...)
	}
	// Of those that ask, the first is borrowed: what is polled less often is for a server with the whole template.
	var asks string
	for _, i := range all {
		first := i.Asks && asks == ""
		if first || slices.Contains(b.Items, i.Key) {
			b.keys[i.Key] = b.key(i)
		}
		if first {
			asks = b.keys[i.Key]
		}
	}
	triggers := map[string]bool{}
	take := func(list []sourceTrigger) (out []sourceTrigger) {
		for _, t := range list {
			if slices.Contains(b.Triggers, t.Name) {
				out = append(out, b.trigger(t))
				triggers[t.Name] = true
			}
		}
		return out
	}
	var items []sourceItem
	for _, i := range all {
		key, ok := b.keys[i.Key]
		if !ok {
			continue
		}
		if !i.Asks {
			i.Of = asks
		}
		i.Key, i.Triggers = key, take(i.Triggers)
		items = append(items, i)
		if m, ok := from.Maps[i.Map]; ok {
			if s.Maps == nil {
				s.Maps = map[string]ordered{}
			}
			s.Maps[i.Map] = m
		}
	}
	r.Items = append(items, r.Items...)
	r.Triggers = append(take(loose), r.Triggers...)
	graphs := b.graphs(r)
	b.takeMacros()
	for what, missing := range map[string]int{
		"items": len(b.Items) + 1 - len(items), "triggers": len(b.Triggers) - len(triggers), "graphs": len(b.Graphs) - graphs,
	} {
		if missing != 0 {
			return fmt.Errorf("%d of the %s to borrow are not in %s, or named twice", missing, what, b.From)
		}
	}
	for _, kv := range b.And {
		if !triggers[kv[0]] {
			return fmt.Errorf("%q is to have a condition and is not borrowed", kv[0])
		}
	}
	return b.err
}

func (b *borrower) key(i sourceItem) string {
	if i.Asks {
		return anyConn.ReplaceAllLiteralString(i.Key, b.Row)
	}
	name, _, _ := strings.Cut(i.Key, "[")
	return name + `["` + b.Row + `"]`
}

var (
	anyConn = regexp.MustCompile(`\{\$\w+\.CONN\}`)
	anyItem = regexp.MustCompile(`//[^,()\[]+(?:\[[^\]]*\])?`)
	ofMacro = regexp.MustCompile(`\{\$[A-Z0-9_.]+(?::"[^"]*")?\}`)
)

// text rewrites an expression or what is said of it.
func (b *borrower) text(s string) string {
	s = anyItem.ReplaceAllStringFunc(s, func(ref string) string {
		key, ok := b.keys[ref[2:]]
		if !ok && b.err == nil {
			b.err = fmt.Errorf("%s is needed and not borrowed", ref[2:])
		}
		return "//" + key
	})
	return ofMacro.ReplaceAllStringFunc(s, func(macro string) string {
		b.macros[macro] = true
		here := b.macro(macro)
		if strings.Contains(here, `"`) {
			return here
		}
		return strings.TrimSuffix(here, "}") + `:"` + b.Row + `"}`
	})
}

// macro is what a macro is called here.
func (b *borrower) macro(there string) string {
	return strings.Replace(there, "{$"+b.from.macroPrefix()+".", "{$"+b.own.macroPrefix()+".", 1)
}

func (b *borrower) trigger(t sourceTrigger) sourceTrigger {
	t.If, t.Until = b.text(t.If), b.text(t.Until)
	// An event that says its whole name begins with the other template's prefix.
	t.Event = b.text(strings.Replace(t.Event, "="+b.from.Prefix+": ", "="+b.prefix+": ", 1))
	// What it tells people to ask is the row, too.
	t.About = anyConn.ReplaceAllLiteralString(t.About, b.Row)
	for _, kv := range b.And {
		if kv[0] == t.Name {
			t.If += " and " + kv[1]
		}
	}
	after := t.After
	if !slices.Contains(b.from.Roots, t.Name) {
		after = append([]string{b.from.Roots[0]}, after...)
	}
	t.After = slices.DeleteFunc(slices.Clone(after), func(name string) bool { return !slices.Contains(b.Triggers, name) })
	return t
}

func (b *borrower) graphs(r *sourceRule) (found int) {
	for _, g := range b.from.Graphs {
		if !slices.Contains(b.Graphs, g.Name) {
			continue
		}
		found++
		g.Of, g.Limits, g.Bad = b.borrowed(g.Of), b.borrowed(g.Limits), b.borrowed(g.Bad)
		r.Graphs = append(r.Graphs, g)
	}
	return found
}

// takeMacros borrows those that are used, with all their contexts.
func (b *borrower) takeMacros() {
	used := map[string]bool{} // without contexts
	for m := range b.macros {
		used[macroName(m)] = true
	}
	for _, m := range b.from.Macros {
		plain := macroName(m.Name) == m.Name
		if !used[macroName(m.Name)] || !plain && !b.macros[m.Name] {
			continue
		}
		m.Name = b.macro(m.Name)
		if slices.ContainsFunc(b.own.Macros, func(own sourceMacro) bool { return own.Name == m.Name }) {
			continue
		}
		if plain && !strings.Contains(m.About, "Context: ") {
			m.About += " Context: " + b.Context + "."
		}
		b.own.Macros = append(b.own.Macros, m)
	}
}

// macroName is a macro without its context.
func macroName(m string) string {
	if name, _, ok := strings.Cut(m, ":"); ok {
		return name + "}"
	}
	return m
}

// borrowed are the keys here of those items that are borrowed.
func (b *borrower) borrowed(keys []string) (here []string) {
	for _, key := range keys {
		if k, ok := b.keys[key]; ok {
			here = append(here, k)
		}
	}
	return here
}
