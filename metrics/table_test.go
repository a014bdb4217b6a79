package metrics

import (
	"regexp"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/item"
	"redisjobs/metrics/self"
	"redisjobs/metrics/server"
	"redisjobs/metrics/slow"
)

// The agent's SDK refuses a plugin as a whole when one of its metrics breaks
// one of these rules.
func TestEveryRowSatisfiesTheAgent(t *testing.T) {
	t.Parallel()
	keyRe := regexp.MustCompile(`^[a-z0-9_.]+$`)
	builtIn := map[string]bool{"redis.info": true, "redis.config": true, "redis.ping": true, "redis.slowlog.count": true}
	seen := map[string]bool{}
	for _, m := range All() {
		require.Regexp(t, keyRe, m.Key)
		require.False(t, seen[m.Key], "%s occurs twice", m.Key)
		require.False(t, builtIn[m.Key], "%s is the agent's own", m.Key)
		seen[m.Key] = true
		require.NotEmpty(t, m.Description, m.Key)
		require.True(t, unicode.IsUpper([]rune(m.Description)[0]), m.Key)
		require.Equal(t, byte('.'), m.Description[len(m.Description)-1], m.Key)
		require.NotNil(t, m.Collect, m.Key)
	}
}

func TestEveryParameterIsDocumented(t *testing.T) {
	t.Parallel()
	for _, m := range All() {
		seen := map[string]bool{}
		kinds := map[item.ParamKind]int{}
		for i, p := range m.Params {
			require.NotEmpty(t, p.Name, "%s parameter %d", m.Key, i+1)
			require.NotEmpty(t, p.Description, "%s %s", m.Key, p.Name)
			require.False(t, seen[p.Name], "%s %s", m.Key, p.Name)
			require.False(t, p.Required && p.Default != "", "%s %s is required and has a default", m.Key, p.Name)
			if p.Check != nil && p.Default != "" {
				require.NoError(t, p.Check(p.Default), "%s %s", m.Key, p.Name)
			}
			seen[p.Name] = true
			if p.Kind != item.ParamOwn {
				kinds[p.Kind]++
				require.Equal(t, 1, kinds[p.Kind], "%s %s", m.Key, p.Name)
			}
		}
	}
}

func TestTheTableIsStableAndTheCallers(t *testing.T) {
	t.Parallel()
	all := All()
	require.Equal(t, all, All())
	all[0] = nil
	require.NotNil(t, All()[0])
	for _, m := range All() {
		got, ok := Lookup(m.Key)
		require.True(t, ok)
		require.Same(t, m, got)
	}
	_, ok := Lookup("redis.info")
	require.False(t, ok)
}

func TestParametersKeepTheBuiltInPluginsOrder(t *testing.T) {
	t.Parallel()
	names := func(m *item.Metric) (out []string) {
		for _, p := range m.Params {
			out = append(out, p.Name)
		}
		return out
	}
	require.Equal(t, []string{"ConnString", "Password", "Section", "User"}, names(server.Info))
	require.Equal(t, []string{"ConnString", "Password", "Pattern", "User"}, names(server.Config))
	for _, m := range []*item.Metric{server.Ping, slow.Count, server.Get, server.Status} {
		require.Equal(t, []string{"ConnString", "Password", "User"}, names(m), m.Key)
	}
}

func TestParseArgs(t *testing.T) {
	t.Parallel()
	a, err := server.Info.ParseArgs([]string{"Prod", "pw", "", "reader"})
	require.NoError(t, err)
	require.Equal(t, "default", a.Get("Section"))
	require.Equal(t, "Prod", a.Kind(item.ParamConn))
	require.Equal(t, "pw", a.Kind(item.ParamPassword))
	require.Equal(t, "reader", a.Kind(item.ParamUser))
	require.Panics(t, func() { a.Get("Pattern") })

	_, err = server.Ping.ParseArgs(make([]string, 4))
	require.EqualError(t, err, "too many parameters: redis.server.ping takes at most 3, and a comma within a parameter needs quotes around the parameter")
	_, err = self.Pool.ParseArgs([]string{"x"})
	require.EqualError(t, err, "too many parameters: redis.pool.get takes none")
	_, err = self.Pool.ParseArgs([]string{"", ""})
	require.Error(t, err)
	_, err = self.Pool.ParseArgs([]string{""})
	require.NoError(t, err, "key[] is key")
}

func TestKeysKnowWhatTheyRead(t *testing.T) {
	t.Parallel()
	for _, m := range All() {
		if !m.TakesConn() {
			continue
		}
		isStorm := len(m.Key) > 6 && m.Key[:6] == "storm."
		require.Equal(t, isStorm, m.CheckTarget(true, "http://ui") == nil, m.Key)
		require.Equal(t, m.Key != "storm.cluster.get", m.CheckTarget(false, "tcp://h") == nil, m.Key)
	}
	require.EqualError(t, server.Get.CheckTarget(true, "UI (http://ui:80)"),
		"cannot get redis.get from UI (http://ui:80): this is a Storm UI, which only storm.* keys read")
}
