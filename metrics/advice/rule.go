package advice

import (
	"fmt"
	"slices"
	"strings"
)

// Severity says how bad it is what a rule finds.
type Severity string

// The severities, the worst first.
const (
	High    Severity = "high"    // data or service is at risk now
	Warning Severity = "warning" // it will fail under load, at the next restart or failover
	Info    Severity = "info"    // worth knowing
)

var severities = []Severity{High, Warning, Info}

// Scope says what a rule judges.
type Scope string

// The scopes.
const (
	Server   Scope = "server"   // any server
	Users    Scope = "users"    // the users of a server, with the parameter Users
	Cluster  Scope = "cluster"  // the cluster of a node
	Sentinel Scope = "sentinel" // the masters that a sentinel watches
)

// Rule is one thing that can be wrong.
type Rule struct {
	// ID names the rule, for good: items silence it by this name.
	ID       string
	Severity Severity
	Scope    Scope
	Title    string
	// When is the condition with its thresholds, for docs/advice.md.
	When string
	// Why is what it leads to, Remedy what to do.
	Why, Remedy string
	// Source is where that is documented: addresses, or files of a server's source.
	Source string

	// judge returns what was found, in a line with its figures, or "". What it asks
	// f for and f does not know is noted there; then its word does not count.
	judge func(f *facts) string
}

var rules = slices.Concat(memoryRules, machineRules, persistenceRules, replicationRules, clientRules, commandRules,
	securityRules, clusterRules, sentinelRules)

// Rules returns all rules.
func Rules() []Rule { return slices.Clone(rules) }

func knownRule(id string) bool {
	return slices.ContainsFunc(rules, func(r Rule) bool { return r.ID == id })
}

// names splits the value of the parameter Silenced.
func names(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ' ' || r == ',' || r == ';' })
}

// checkNames refuses a name that no rule has.
func checkNames(list string) error {
	for _, name := range names(list) {
		if !knownRule(name) {
			return fmt.Errorf("no rule is called %q; docs/advice.md lists them", name)
		}
	}
	return nil
}
