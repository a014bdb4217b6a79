package ask

import (
	"strings"
)

// Masked stands for a secret that is set. An empty one stays empty: that
// no password is set is worth knowing.
const Masked = "***"

// secretParams are the parameters whose values are secrets: passwords, and
// the pass phrases of key files.
// Sources: the SENSITIVE_CONFIG flags in redis src/config.c (requirepass,
// masterauth, masteruser, tls-*-pass), valkey src/config.c (primaryauth),
// sentinel.conf (sentinel-pass). User names, as in masteruser, are shown.
var secretParams = map[string]bool{
	"requirepass":              true,
	"masterauth":               true,
	"primaryauth":              true,
	"tls-key-file-pass":        true,
	"tls-client-key-file-pass": true,
	"sentinel-pass":            true,
}

// IsSecret also distrusts what modules and forks name so.
func IsSecret(name string) bool {
	name = strings.ToLower(name)
	return secretParams[name] || strings.Contains(name, "password")
}
