package info

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

// CheckPattern returns the problem for which a glob pattern must not be sent to a
// server, or nil: with more stars than [ask.MaxStars] it may block one that is
// not known to be safe for seconds. Only for those the server is asked what it
// is; err is the conversation's, or the server's state.
func CheckPattern(ctx context.Context, t *item.Target, pattern string) (problem, err error) {
	stars := ask.CostlyStars(pattern)
	if stars <= ask.MaxStars {
		return nil, nil
	}
	server := &ask.Part{Cmd: redisclient.Command{"INFO", "server"}}
	if err := ask.Do(ctx, t, server); err != nil {
		return nil, err
	}
	if err := ask.StateProblem(server); err != nil {
		return nil, err
	}
	what, safe := matchesSafely(server)
	if safe {
		return nil, nil
	}
	return fmt.Errorf("the pattern %q has %d stars, which may block this server for seconds: %s. "+
		"Use at most %d besides one at the end, or a server that is known to be safe: Redis 6.0.18, 6.2.11, 7.0.9 or newer, or Valkey",
		ask.Clip(pattern, ask.MaxName), stars, what, ask.MaxStars), nil
}

// matchesSafely reports whether a server is known to match patterns in bounded
// time, and what it is.
// Source: https://github.com/redis/redis/security/advisories/GHSA-jr7j-rfj5-8xqv
func matchesSafely(server *ask.Part) (what string, safe bool) {
	if server.Err != nil {
		return "INFO, which says what it is, is refused (" + server.Err.Error() + ")", false
	}
	text, err := Reply(server.Value)
	if err != nil {
		return "INFO cannot be read", false
	}
	x, err := Scan(text, nil, nil)
	if err != nil {
		return "INFO cannot be read", false
	}
	id := Identify(&x)
	if id.Flavour == "" {
		return "INFO does not say what it is", false
	}
	what = "it is " + id.Flavour + " " + ask.Clip(id.Version, ask.MaxName)
	switch id.Flavour {
	case "valkey": // begins with Redis 7.2.4
		return what, true
	case "redis", "sentinel":
		v, ok := numbersOf(id.Version)
		return what, ok && (atLeast(v, 7, 0, 9) || v[0] == 6 && v[1] == 2 && v[2] >= 11 || v[0] == 6 && v[1] == 0 && v[2] >= 18)
	}
	return what, false
}

// numbersOf reads a version as 7.0.15; what stands behind the third number, as in
// 8.0-rc1, is left out, and such a version counts as its .0.
func numbersOf(version string) (v [3]int, ok bool) {
	version, _, _ = strings.Cut(version, "-")
	for i, part := range strings.SplitN(version, ".", 4)[:min(3, strings.Count(version, ".")+1)] {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 {
			return v, false
		}
		v[i] = n
	}
	return v, true
}

// AtLeast reports whether the server is of a flavour and of a version or a newer
// one. What a server does not have is not tried out: it would count in the
// server's error figures.
func (id *Identity) AtLeast(flavour string, major, minor int) bool {
	v, ok := numbersOf(id.Version)
	return ok && id.Flavour == flavour && atLeast(v, major, minor, 0)
}

func atLeast(v [3]int, major, minor, patch int) bool {
	want := [3]int{major, minor, patch}
	for i := range v {
		if v[i] != want[i] {
			return v[i] > want[i]
		}
	}
	return true
}
