package redistest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Machine is the flavour that is on PATH, the one which Start takes by itself.
const Machine = "redis-7.0"

// Flavour is a server program of one kind and version.
type Flavour struct {
	Name    string // redis-6.2, valkey-8.0: the kind and the first two numbers of the version
	Version string // as the program says it itself: 8.0.1; "" if the machine's own or missing
	Bin     string // the executable, which may be a wrapper that execs the server
	Missing string // why there is none, or ""
}

// Flavours returns the machine's own redis-server and the servers that
// test/servers.sh has fetched: those of the list in REDISJOBS_SERVERS, else of
// the one in the user's cache folder. It ends the test when there is no list.
func Flavours(t testing.TB) []Flavour {
	t.Helper()
	path, text := list(t, "servers")
	flavours, err := parseServers(text)
	if err != nil {
		t.Fatalf("%s: %v; remove it and run `make servers`", path, err)
	}
	return append([]Flavour{{Name: Machine}}, flavours...)
}

// list reads what test/<name>.sh has fetched: <name>.txt at the place that
// REDISJOBS_<NAME> says, else in the user's cache folder.
func list(t testing.TB, name string) (path, text string) {
	t.Helper()
	path = os.Getenv("REDISJOBS_" + strings.ToUpper(name))
	if path == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		path = filepath.Join(cache, "redisjobs", name, name+".txt")
	}
	bytes, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("no list of %s to test with, run `make servers`: %v", name, err)
	}
	return path, string(bytes)
}

// RediSearch returns the arguments that load RediSearch 1.2 into a server of Redis
// 5.0 or newer.
func RediSearch(t testing.TB) []string { return Modules(t, "redisearch") }

// Modules returns the arguments that load modules that test/modules.sh has
// fetched. It skips the test when the list says why there is none, and ends it
// when the list does not have the name.
func Modules(t testing.TB, names ...string) (args []string) {
	t.Helper()
	path, text := list(t, "modules")
	for _, name := range names {
		line := ""
		for l := range strings.Lines(text) {
			if strings.HasPrefix(l, name+" ") {
				line = strings.TrimSpace(l)
			}
		}
		fields := strings.SplitN(line, " ", 3)
		switch {
		case len(fields) < 3:
			t.Fatalf("%s names no %s; remove it and run `make servers`", path, name)
		case fields[1] == "-":
			t.Skipf("NOT TESTED with %s: %s", name, fields[2])
		}
		args = append(args, "--loadmodule", fields[2])
	}
	return args
}

// Find returns one flavour by its name. It skips the test when the list says why
// there is none, and ends it when the list does not have the name.
func Find(t testing.TB, name string) Flavour {
	t.Helper()
	for _, f := range Flavours(t) {
		if f.Name == name {
			f.Need(t)
			return f
		}
	}
	t.Fatalf("test/servers.sh has no %s", name)
	return Flavour{}
}

// Need skips the test when this flavour could not be had.
func (f Flavour) Need(t testing.TB) {
	t.Helper()
	if f.Missing != "" {
		t.Skipf("NOT TESTED with %s: %s", f.Name, f.Missing)
	}
}

// Is reports whether the flavour is of a kind and at least of a version.
func (f Flavour) Is(kind string, major, minor int) bool {
	name, version, _ := strings.Cut(f.Name, "-")
	var has [2]int
	_, err := fmt.Sscanf(version, "%d.%d", &has[0], &has[1])
	return err == nil && name == kind && (has[0] > major || has[0] == major && has[1] >= minor)
}

// parseServers reads lines of "name version path" (the path may hold blanks)
// and "name - reason".
func parseServers(text string) ([]Flavour, error) {
	var flavours []Flavour
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		fields := strings.SplitN(line, " ", 3)
		if len(fields) != 3 || fields[1] != "-" && !filepath.IsAbs(fields[2]) {
			return nil, fmt.Errorf("line %q is neither \"name version path\" nor \"name - reason\"", line)
		}
		f := Flavour{Name: fields[0]}
		if fields[1] == "-" {
			f.Missing = fields[2]
		} else {
			f.Version, f.Bin = fields[1], fields[2]
		}
		flavours = append(flavours, f)
	}
	if len(flavours) == 0 {
		return nil, errors.New("names no server")
	}
	return flavours, nil
}
