package ask

import (
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/redisclient"
)

func TestSecretsAreKnownByTheirNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"requirepass", "masterauth", "primaryauth", "PrimaryAuth", "tls-key-file-pass", "tls-client-key-file-pass", "sentinel-pass", "auth-pass",
		"ldap.search_bind_passwd", "ldap.bind_password", "userpass", "search-global-password", "oidc.client_secret", "secret", "token",
		"module.access-token", "refresh_token", "apiToken", "passphrase", "tls-passphrase", "key-file-passphrase", "api-key", "api_key", "apikey",
		"apiKey", "aws-secret-access-key", "encryption-key", "private-key", "licensekey-secret", "credentials", "db.pwd", "password-hash",
		"namespace.tenant", "auth", "proxy-auth", "bind_pass", "pass-phrase", "masterauth2", "jwt", "bearer", "hmac",
	} {
		require.True(t, IsSecret(name), name)
	}
	for _, name := range []string{
		"", "masteruser", "primaryuser", "tls-key-file", "tls-auth-clients", "tls-auth-clients-user", "aclfile", "acl-pubsub-default",
		"password-file", "token-file", "passwd_path", "token-ttl", "max-token-length", "auth-timeout", "password-min-length", "admin_nopass",
		"acl-log-bypass", "key", "maxkeys", "hash-max-listpack-entries", "tracking-table-max-keys", "oauth-enabled", "ldap.search_bind_dn",
		"requirepass-enabled", "slowlog-max-len", "author", "passive-mode", "cluster-announce-hostname", "tokenizer", "monkey",
	} {
		require.False(t, IsSecret(name), name)
	}
}

// TestWhatAServerHidesIsASecret sets every parameter of every server to the value that it has. Servers
// hide the values of their secrets from their own slow log: those are to be masked, and no path and no limit.
func TestWhatAServerHidesIsASecret(t *testing.T) {
	t.Parallel()
	for _, f := range redistest.Flavours(t) {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			f.Need(t)
			s := redistest.Start(t, redistest.Config{Bin: f.Bin, Args: []string{"--slowlog-log-slower-than", "0"}})
			conn, err := redisclient.Dial(t.Context(), redisclient.Config{Address: s.Addr})
			require.NoError(t, err)
			t.Cleanup(func() { _ = conn.Close() })
			reply, err := conn.DoAll(t.Context(), redisclient.Command{"CONFIG", "GET", "*"})
			require.NoError(t, err)
			params, err := ConfigParams(reply[0])
			require.NoError(t, err)
			require.Greater(t, len(params), 90)
			hides := f.Is("redis", 7, 0) || f.Is("valkey", 7, 0)
			var masked []string
			hidden := 0
			for _, p := range params {
				if IsSecret(p.Name) {
					masked = append(masked, p.Name)
				}
				if !hides || p.Name == "slowlog-log-slower-than" || p.Name == "slowlog-max-len" || p.Name == "masteruser" || p.Name == "primaryuser" {
					continue // user names are shown
				}
				values, err := conn.DoAll(t.Context(), redisclient.Command{"CONFIG", "SET", p.Name, p.Value}, redisclient.Command{"SLOWLOG", "GET", "1"})
				require.NoError(t, err)
				entry, err := values[1].Elems[0].Elems[3].Strings()
				require.NoError(t, err)
				require.Equal(t, []string{"CONFIG", "SET", p.Name}, entry[:3])
				if entry[3] == "(redacted)" {
					hidden++
					require.True(t, IsSecret(p.Name), p.Name)
				}
			}
			known := []string{"masterauth", "primaryauth", "requirepass", "tls-client-key-file-pass", "tls-key-file-pass"}
			for _, name := range masked {
				require.Contains(t, known, name)
			}
			require.True(t, hidden >= 2 || !hides)
			require.Contains(t, masked, "requirepass")
			require.Contains(t, masked, "masterauth")
		})
	}
}
