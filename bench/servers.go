package main

import (
	"bufio"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"redisjobs/internal/redistest"
)

// redisServer is a redis-server with some keys in it, as a server in use has
// them.
type redisServer struct {
	*redistest.Server
}

func startRedis(s *scope, args ...string) redisServer {
	server := redisServer{redistest.Start(s, redistest.Config{Args: args})}
	for db := range 4 {
		server.Do(s, "SELECT", strconv.Itoa(db))
		for i := range 50 {
			key := fmt.Sprintf("key:%d", i)
			server.Do(s, "SET", key, "value", "EX", "86400")
			server.Do(s, "GET", key)
		}
	}
	server.Do(s, "SELECT", "0")
	return server
}

func (r redisServer) uri() string { return "tcp://" + r.Addr }

// counters are what a server has counted so far, but for the command that asks.
type counters struct{ commands, connections float64 }

func (r redisServer) counters() (counters, error) {
	text, err := r.TryDo("INFO", "stats")
	if err != nil {
		return counters{}, err
	}
	field := func(name string) (float64, error) {
		for line := range strings.Lines(text) {
			if value, found := strings.CutPrefix(line, name+":"); found {
				return strconv.ParseFloat(strings.TrimSpace(value), 64)
			}
		}
		return 0, fmt.Errorf("INFO stats has no %s", name)
	}
	var c counters
	if c.commands, err = field("total_commands_processed"); err != nil {
		return c, err
	}
	c.connections, err = field("total_connections_received")
	return c, err
}

// counted calls f, which does n operations, and adds what the server counted
// for each to the values that it returns.
func (r redisServer) counted(f func() (values, int, error)) (values, error) {
	before, err := r.counters()
	if err != nil {
		return nil, err
	}
	v, n, err := f()
	if err != nil {
		return nil, err
	}
	after, err := r.counters()
	if err != nil {
		return nil, err
	}
	// The first of the two questions was counted in between.
	v[commands] = (after.commands - before.commands - 1) / float64(n)
	v[connections] = (after.connections - before.connections) / float64(n)
	return v, nil
}

// sentBy are the commands that others send to the server while f runs, a line each in
// the form that MONITOR prints them in and the server reads from a terminal.
func (r redisServer) sentBy(f func() error) (string, error) {
	const end = "the end of what is listened to"
	conn, err := net.Dial("tcp", r.Addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	in := bufio.NewReader(conn)
	if _, err := conn.Write([]byte("MONITOR\r\n")); err != nil {
		return "", err
	}
	if _, err := in.ReadString('\n'); err != nil { // +OK
		return "", err
	}
	if err := f(); err != nil {
		return "", err
	}
	if _, err := r.TryDo("ECHO", end); err != nil {
		return "", err
	}
	var commands strings.Builder
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return "", err
		}
		_, command, found := strings.Cut(line, "] ") // +1339518083.107412 [0 127.0.0.1:60866] "keys" "*"
		switch {
		case !found:
			return "", fmt.Errorf("MONITOR says %q", line)
		case strings.Contains(command, end):
			return commands.String(), nil
		}
		commands.WriteString(command)
	}
}

// pluginClients counts the plugin's connections in a reply to CLIENT LIST.
func pluginClients(list string) int { return strings.Count(list, " name=zabbix_redisjobs ") }
