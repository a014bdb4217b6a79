// Command zget asks a Zabbix agent for items over its passive port, as zabbix_get does, and needs no Zabbix package.
//
//	zget [-json] [-table] [-timeout 3s] [-width 0] host:port key...
//
// The exit code is 1 when an item could not be read.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"redisjobs/test/agent"
)

func main() {
	asJSON := flag.Bool("json", false, "ask in JSON with the timeout, which agents before 7.0 do not understand")
	table := flag.Bool("table", false, "print `key | value` lines")
	timeout := flag.Duration("timeout", 3*time.Second, "the items' timeout")
	width := flag.Int("width", 0, "shorten values to this many characters; 0 for whole values")
	flag.Parse()
	if flag.NArg() < 2 {
		fmt.Fprintln(os.Stderr, "usage: zget [-json] [-table] [-timeout 3s] [-width 0] host:port key...")
		os.Exit(2)
	}
	addr, keys := flag.Arg(0), flag.Args()[1:]
	dialect := agent.Plain
	if *asJSON {
		dialect = agent.JSON
	}
	column := 0
	for _, key := range keys {
		column = max(column, len(key))
	}
	code := 0
	for _, key := range keys {
		value, err := query(addr, dialect, key, *timeout)
		if err != nil {
			value = "ERROR " + err.Error()
			var notSupported *agent.NotSupported
			if errors.As(err, &notSupported) {
				value = "NOT SUPPORTED " + notSupported.Text
			}
			code = 1
		}
		value = shorten(value, *width)
		if *table {
			fmt.Printf("%-*s | %s\n", column, key, value)
		} else {
			fmt.Println(value)
		}
	}
	os.Exit(code)
}

func query(addr string, dialect agent.Dialect, key string, timeout time.Duration) (string, error) {
	// The agent itself answers for a late item; zget gives up on the agent some time after that.
	ctx, cancel := context.WithTimeout(context.Background(), timeout+5*time.Second)
	defer cancel()
	return agent.Query(ctx, addr, dialect, key, timeout)
}

// shorten puts the value on one line of at most width characters (0: any number, and lines as they are), the last of
// them "…" when something is missing.
func shorten(value string, width int) string {
	if width <= 0 {
		return value
	}
	text := []rune(strings.Join(strings.Fields(value), " "))
	if len(text) <= width {
		return string(text)
	}
	return string(text[:width-1]) + "…"
}
