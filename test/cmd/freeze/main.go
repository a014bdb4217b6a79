//go:build linux

// Command freeze runs a command and lets all of its processes stand still for a moment now and then, as machines do that
// many share: freeze [-most 1s] [-every 6s] COMMAND [ARGUMENT...]
//
// It finds tests that take the speed of a machine for granted (make frozen). Processes that the command itself has
// stopped stay so. Its exit code is the command's.
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	most := flag.Duration("most", time.Second, "the longest standstill; each is a tenth of it at least")
	every := flag.Duration("every", 6*time.Second, "the time between two, on average")
	flag.Parse()
	if flag.NArg() == 0 || *most <= 0 || *every <= 0 {
		flag.Usage()
		os.Exit(2)
	}
	cmd := exec.Command(flag.Arg(0), flag.Args()[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	times, err := run(cmd, *most, *every)
	fmt.Fprintf(os.Stderr, "freeze: stood still %d times\n", times)
	if err != nil && cmd.ProcessState == nil {
		fmt.Fprintln(os.Stderr, "freeze:", err)
		os.Exit(2)
	}
	// -1, the code of a process that a signal has ended, becomes 255.
	os.Exit(cmd.ProcessState.ExitCode())
}

// run runs the command to its end.
func run(cmd *exec.Cmd, most, every time.Duration) (times int, err error) {
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			return times, err
		case <-time.After(every/2 + rand.N(every)):
		}
		running := descendants(cmd.Process.Pid)
		for _, pid := range running {
			_ = syscall.Kill(pid, syscall.SIGSTOP)
		}
		time.Sleep(most/10 + rand.N(most-most/10))
		for _, pid := range running {
			_ = syscall.Kill(pid, syscall.SIGCONT)
		}
		times++
	}
}

// descendants are a process and all below it that are neither stopped nor dead.
func descendants(root int) (out []int) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	children, state := map[int][]int{}, map[int]string{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // it has ended
		}
		// The name before the last parenthesis may hold anything: proc_pid_stat(5).
		text := string(stat)
		fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
		parent, err := strconv.Atoi(fields[1])
		if err != nil {
			continue
		}
		children[parent] = append(children[parent], pid)
		state[pid] = fields[0]
	}
	for todo := []int{root}; len(todo) > 0; {
		pid := todo[0]
		todo = append(todo[1:], children[pid]...)
		if s := state[pid]; s != "" && !strings.Contains("TtZX", s) {
			out = append(out, pid)
		}
	}
	return out
}
