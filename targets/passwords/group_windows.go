package passwords

import (
	"os/exec"
	"path/filepath"
)

// systemEnvironment is what programs on Windows cannot do without.
var systemEnvironment = []string{
	"SystemRoot", "SystemDrive", "windir", "ComSpec", "PATHEXT", "TEMP", "TMP", "USERNAME", "USERPROFILE",
	"APPDATA", "LOCALAPPDATA", "ProgramData", "ProgramFiles",
}

// ownGroup does nothing: the program alone is killed.
func ownGroup(*exec.Cmd) (kill func()) { return func() {} }

// rootOf is the folder that a program runs in.
func rootOf(program string) string { return filepath.VolumeName(program) + `\` }
