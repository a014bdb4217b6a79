package doctor

import (
	"fmt"
	"os"
	"os/user"
	"slices"

	"redisjobs/conf"
)

// commands looks at the programs that print passwords: whether the agent's user may
// run them, which says nothing of what they find in its home folder.
func (d *doctor) commands(options *conf.Options) {
	var seen []string
	for _, s := range append(options.Sessions(), conf.SessionInfo{}) {
		target, err := options.Resolve(conf.Ref{Conn: s.Name})
		if err != nil {
			continue // it is reported as broken, or there is no Default
		}
		command, ok := target.PasswordCommand()
		if !ok {
			continue
		}
		program := command.Args()[0]
		if st, err := os.Stat(program); err != nil || !st.Mode().IsRegular() || slices.Contains(seen, program) {
			continue // it may be no path but a password, which must not be printed
		}
		seen = append(seen, program)
		if !d.user.may(program, mayRun) {
			d.say(problem, "files", fmt.Sprintf("PasswordCommand: the user %s may not run %s", d.user.name, program),
				"chgrp "+d.user.group+" "+program+" && chmod 0750 "+program)
			continue
		}
		if me, err := user.Current(); err == nil && me.Username != d.user.name && !d.offline {
			d.say(fine, "files", fmt.Sprintf("PasswordCommand: %s runs here as %s; sudo -u %s %s shows what it does for the agent",
				program, me.Username, d.user.name, program), "")
		}
	}
}
