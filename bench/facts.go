package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
)

// facts are what one must know of the machine and of the contestants to read
// the figures. There is no name of a host and no path in them.
func facts(s *scope, e *environment) []string {
	var uname unix.Utsname
	if err := unix.Uname(&uname); err != nil {
		s.Fatal(err)
	}
	all := []string{
		fmt.Sprintf("Machine: %s, %d cores, %s, Linux %s, %s", cpuModel(), runtime.NumCPU(), memory(),
			unix.ByteSliceToString(uname.Release[:]), distribution()),
		"Load of the machine before the run: " + e.load + " (what else runs takes cores from the contestants)",
		"Go " + strings.TrimPrefix(runtime.Version(), "go"),
		"RedisJobs " + firstMatch(run(e.plugin, "-V"), `Version ([^,\s]+)`),
		"redis-server " + firstMatch(run("redis-server", "-v"), `v=(\S+)`),
		"Zabbix agent 2 " + e.agent.Version,
	}
	for _, name := range []string{"redis_exporter", "python3-redis"} {
		if p := e.peers[name]; p.missing == "" {
			all = append(all, name+" "+p.version)
		} else {
			all = append(all, name+": not measured, "+p.missing)
		}
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			for _, peer := range []string{"redis/go-redis", "redis/rueidis", "gomodule/redigo", "jackc/puddle"} {
				if strings.Contains(dep.Path, peer) {
					all = append(all, strings.TrimPrefix(dep.Path, "github.com/")+" "+dep.Version)
				}
			}
		}
	}
	return all
}

func run(name string, args ...string) string {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return "unknown"
	}
	return string(out)
}

func firstMatch(text, pattern string) string {
	if m := regexp.MustCompile(pattern).FindStringSubmatch(text); m != nil {
		return strings.TrimSpace(m[1])
	}
	return "unknown"
}

func fileMatch(path, pattern string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	return firstMatch(string(text), pattern)
}

func cpuModel() string     { return fileMatch("/proc/cpuinfo", `model name\s*: (.*)`) }
func distribution() string { return fileMatch("/etc/os-release", `PRETTY_NAME="?([^"\n]*)`) }

func memory() string {
	var kib float64
	if _, err := fmt.Sscan(fileMatch("/proc/meminfo", `MemTotal:\s*(\d+)`), &kib); err != nil {
		return "unknown memory"
	}
	return fmt.Sprintf("%.0f GB", kib/(1<<20))
}
