package doctor

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// selinux is where the system shows what SELinux does.
type selinux struct {
	enforce string // holds 1 where denials are enforced
	audit   string // the log of the audit daemon
}

var systemSELinux = selinux{enforce: "/sys/fs/selinux/enforce", audit: "/var/log/audit/audit.log"}

// auditTail bounds what is read of the end of the log, in bytes.
const auditTail = 4 << 20

// denials finds what SELinux has forbidden the agent or this plugin lately. The
// kernel shortens the name of a process to 15 bytes.
// Source: https://access.redhat.com/documentation/en-us/red_hat_enterprise_linux/9/html/using_selinux (AVC messages).
func (d *doctor) denials() {
	enforced, err := os.ReadFile(d.selinux.enforce)
	if err != nil || strings.TrimSpace(string(enforced)) != "1" {
		return
	}
	log, err := readTail(d.selinux.audit, auditTail)
	if err != nil {
		d.say(warning, "selinux", "SELinux is enforcing, and "+d.selinux.audit+" cannot be read to see what it denies", "run this as root")
		return
	}
	count, last := 0, ""
	for line := range strings.Lines(log) {
		if strings.Contains(line, "avc:  denied") &&
			(strings.Contains(line, `comm="zabbix_agent2"`) || strings.Contains(line, `comm="zabbix-agent2-p`)) {
			count++
			last = line
		}
	}
	if count == 0 {
		d.say(fine, "selinux", "SELinux is enforcing, and has denied the agent and this plugin nothing lately", "")
		return
	}
	d.say(problem, "selinux", fmt.Sprintf("SELinux has denied the agent or this plugin something %d times; the last: %s", count, denied(last)),
		"setsebool -P zabbix_can_network on\nwhere that is not enough: ausearch -m avc -c zabbix_agent2 -c zabbix-agent2-p --raw | audit2allow -M redisjobs && semodule -i redisjobs.pp")
}

// denied is what a message of the audit log is about: the permissions and the
// class, and on what.
func denied(line string) string {
	_, what, _ := strings.Cut(line, "denied ")
	what, _, _ = strings.Cut(what, "}")
	out := strings.Join(strings.Fields(strings.Trim(what, " {")), " ")
	for field := range strings.FieldsSeq(line) {
		for _, name := range []string{"path=", "name=", "dest=", "tclass=", "scontext=", "tcontext="} {
			if strings.HasPrefix(field, name) {
				out += " " + field
			}
		}
	}
	return out
}

// readTail is the end of a file.
func readTail(path string, most int64) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.Size() > most {
		if _, err := f.Seek(-most, io.SeekEnd); err != nil {
			return "", err
		}
	}
	data, err := io.ReadAll(io.LimitReader(f, most))
	return string(data), err
}
