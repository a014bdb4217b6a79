// Package migrate is the command that changes an agent over from its built-in
// plugin Redis to this one, and back: it shows the whole change, and makes it when
// it is told to.
//
// The change is two files beside the plugin's own: one with the Alias lines that
// send the built-in plugin's item keys here, and one with a copy of its sessions.
// No file of the operator's is changed. What only the operator can change, as
// AllowKey and DenyKey, is named, and nothing is done before that. Packages use
// the command as well, to switch the aliases on where the built-in plugin is not
// configured; see [Main].
package migrate
