//go:build e2e && linux

package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

// officialMasters are the keys of the master items of Zabbix' template "Redis by Zabbix agent 2", version 7.0-3 (Zabbix
// 7.0.26): all parameters are there, and empty unless the user sets the macros.
var officialMasters = []string{
	`info["URI","PASSWORD","SECTION","USER"]`,
	`config["URI","PASSWORD","PATTERN","USER"]`,
	`ping["URI","PASSWORD","USER"]`,
	`slowlog.count["URI","PASSWORD","USER"]`,
}

// officialKeys compares those keys, with the macros empty and set. The built-in plugin
// of 6.0.14 and 7.0.9 takes no user name; that of 7.0.22 does.
func officialKeys(t *testing.T, r *asked) {
	// Of its own: the connections of other agents would be counted.
	s := redistest.Start(t, redistest.Config{Password: secretDefault})
	const user, userPassword = "official", "s3cret-official-o4"
	s.Do(t, "ACL", "SETUSER", user, "on", ">"+userPassword, "~*", "+@all")
	for name, macros := range map[string][]string{
		"only the address":      {"PASSWORD", "", "SECTION", "", "PATTERN", "", "USER", ""},
		"a password":            {"PASSWORD", secretDefault, "SECTION", "", "PATTERN", "", "USER", ""},
		"a user":                {"PASSWORD", userPassword, "SECTION", "", "PATTERN", "", "USER", user},
		"a section and pattern": {"PASSWORD", secretDefault, "SECTION", "stats", "PATTERN", "max*", "USER", ""},
		"everything":            {"PASSWORD", userPassword, "SECTION", "keyspace", "PATTERN", "save", "USER", user},
	} {
		t.Run(name, func(t *testing.T) {
			fill := strings.NewReplacer(append([]string{"URI", "tcp://" + s.Addr}, macros...)...).Replace
			for _, key := range officialMasters { // connections come before the comparison
				_, _, _ = r.get("redis." + fill(key))
				_, _, _ = r.get("redis.server." + fill(key))
			}
			for _, key := range officialMasters {
				key = fill(key)
				ours, refused, err := r.get("redis.server." + key)
				require.NoError(t, err, key)
				if name == "only the address" && !strings.HasPrefix(key, "ping") {
					require.NotNil(t, refused, "%s: the server wants a password", key)
					require.Contains(t, refused.Text, "NOAUTH")
					_, err := r.Get("redis." + key)
					require.Error(t, err, key)
					continue
				}
				require.Nil(t, refused, key)
				theirs, refused, err := r.get("redis." + key)
				require.NoError(t, err, key)
				if !r.Agent.AtLeast(7, 0, 20) {
					require.NotNil(t, refused, "%s: %s", key, theirs)
					require.Contains(t, strings.ToLower(refused.Text), "too many parameters", key)
					continue
				}
				require.Nil(t, refused, key)
				if strings.HasPrefix(key, "info") {
					// Connections that the server has refused may end between the two.
					for until := time.Now().Add(10 * time.Second); connected(t, ours) != connected(t, theirs) && time.Now().Before(until); {
						ours, theirs = r.value(t, "redis.server."+key), r.value(t, "redis."+key)
					}
					same(t, theirs, ours)
					continue
				}
				require.Equal(t, strings.ReplaceAll(theirs, secretDefault, "***"), ours, key)
			}
		})
	}
	s.Do(t, "ACL", "DELUSER", user)
}

// connected is the number of clients that INFO tells.
func connected(t *testing.T, document string) string {
	t.Helper()
	return leaves(t, "", parse(t, document), map[string]string{})["Clients.connected_clients"]
}
