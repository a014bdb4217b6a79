package agentconf

import "strings"

// Alias is one Alias line taken apart.
type Alias struct {
	Line
	Name   string // without [*]
	Star   bool   // it had [*]
	Target string // the key behind the colon
}

// ParseAlias takes an Alias line apart; false when it is none.
func ParseAlias(l Line) (a Alias, ok bool) {
	name, target, found := strings.Cut(l.Value, ":")
	if !found || name == "" || target == "" {
		return Alias{}, false
	}
	a = Alias{Line: l, Target: target}
	a.Name, a.Star = strings.CutSuffix(name, "[*]")
	return a, true
}

// Written is the name as the line has it.
func (a Alias) Written() string {
	if a.Star {
		return a.Name + "[*]"
	}
	return a.Name
}

// Key is the name of the key behind the colon, without parameters.
func (a Alias) Key() string {
	key, _, _ := strings.Cut(a.Target, "[")
	return key
}
