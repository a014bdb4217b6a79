package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"redisjobs/test/agent"
)

// environment is what the rows have in common.
type environment struct {
	short  bool
	plugin string // executables
	relay  string
	agent  agent.Agent
	load   string // on the machine before the run, of the last minute and the last five
	// peers are those that peers.sh found or said why not.
	peers map[string]peer
}

// peer is a program to compare with.
type peer struct{ version, path, missing string }

// wanted is the agent that the rows are defined for.
const wanted = "7.0.9"

// prepare builds the relay and finds the peers.
func prepare(s *scope, short bool) *environment {
	root := filepath.Dir(agent.Root(s)) // agent.Root is this module's folder
	if os.Getenv("REDISJOBS_PLUGIN") == "" {
		os.Setenv("REDISJOBS_PLUGIN", filepath.Join(root, "build", "zabbix-agent2-plugin-redisjobs"))
	}
	e := &environment{short: short, plugin: agent.Plugin(s), peers: map[string]peer{},
		load: fileMatch("/proc/loadavg", `^(\S+ \S+)`)}
	agents := agent.List(s)
	e.agent = agents[len(agents)-1]
	for _, a := range agents {
		if a.Version == wanted {
			e.agent = a
		}
	}
	e.relay = filepath.Join(s.TempDir(), "relay")
	e.output(s, "go", "build", "-o", e.relay, "./relay")
	for line := range strings.Lines(e.output(s, "./peers.sh")) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		version, path, _ := strings.Cut(rest, " ")
		p := peer{version: version, path: path}
		if version == "-" {
			p = peer{missing: path}
		}
		e.peers[name] = p
	}
	return e
}

// output runs a command in this module's folder.
func (e *environment) output(s *scope, name string, args ...string) string {
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		s.Fatalf("%s: %v", name, err)
	}
	return string(out)
}

// turns and length are how often and for how long each contestant is measured.
func (e *environment) turns() int {
	if e.short {
		return 3
	}
	return 5
}

func (e *environment) length() time.Duration {
	if e.short {
		return 150 * time.Millisecond
	}
	return 300 * time.Millisecond
}

// contest is contest with the environment's turns, reported in a group.
func (e *environment) contest(condition string, contestants ...contestant) (group, error) {
	return e.contestOf(e.turns(), condition, contestants...)
}

// longContest is for what is judged by a close bound while several busy processes share few cores: a turn says little.
func (e *environment) longContest(condition string, contestants ...contestant) (group, error) {
	return e.contestOf(5*e.turns(), condition, contestants...)
}

func (e *environment) contestOf(turns int, condition string, contestants ...contestant) (group, error) {
	outcomes, err := contest(turns, e.length(), contestants)
	if err != nil {
		err = fmt.Errorf("%s: %w", condition, err)
	}
	return group{condition, outcomes}, err
}
