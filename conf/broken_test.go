package conf

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestOneBrokenSessionCostsOneSession: what a session lacks, or contradicts, is an
// error of that session alone.
func TestOneBrokenSessionCostsOneSession(t *testing.T) {
	t.Parallel()
	const p = "Plugins.RedisJobs.Sessions.Bad."
	for name, c := range map[string]struct {
		lines []string
		want  string
		late  bool // it shows when the file is needed
	}{
		"a password file that is absent": {[]string{"PasswordFile=/absent"}, p + "PasswordFile: the file cannot be read", true},
		"a CA file that is absent":       {[]string{"TLSConnect=verify_ca", "TLSCAFile=/absent"}, p + "TLSCAFile: the file cannot be read", true},
		"a key that is absent":           {[]string{"TLSConnect=required", "TLSCertFile=/etc/hostname", "TLSKeyFile=/absent"}, p + "TLSKeyFile: the file cannot be read", true},
		// As an agent from 7.2 on sends them when a variable is not set: without the line.
		"no CA file":     {[]string{"TLSConnect=verify_ca"}, p + "TLSConnect (line 3): verify_ca needs TLSCAFile", false},
		"no TLSConnect":  {[]string{"TLSCAFile=/ca"}, p + "TLSCAFile (line 3): is set while TLS is off", false},
		"no key":         {[]string{"TLSConnect=required", "TLSCertFile=/c"}, p + "TLSCertFile (line 4): TLSKeyFile must be set as well", false},
		"two passwords":  {[]string{"Password=" + marker, "PasswordFile=/f"}, p + "PasswordFile (line 4): is set together with Password", false},
		"no web address": {[]string{"Token=" + marker}, p + "Token (line 3): is for http:// and https:// addresses alone", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lines := []string{"Sessions.Bad.Uri=tcp://bad", "Sessions.Good.Uri=tcp://good"}
			for _, l := range c.lines {
				lines = append(lines, "Sessions.Bad."+l)
			}
			o := mustDecode(t, lines...)
			broken := o.Broken()
			require.Len(t, broken, 1)
			require.Equal(t, "Bad", broken[0].Session)
			require.ErrorContains(t, broken[0].Err, c.want)
			requireNoSecret(t, broken[0].Err)
			bad, err := o.Resolve(Ref{Conn: "Bad"})
			if c.late && err == nil {
				_, err = bad.Credential()
				if err == nil {
					_, err = bad.TLS()
				}
			}
			require.ErrorContains(t, err, c.want)
			require.Equal(t, "Good (tcp://good:6379)", mustResolve(t, o, Ref{Conn: "Good"}).String())
			require.Equal(t, "tcp://other:6379", mustResolve(t, o, Ref{Conn: "tcp://other"}).String())
			require.Equal(t, []string{"Bad", "Good"}, []string{o.Sessions()[0].Name, o.Sessions()[1].Name}, "it is still discovered")
		})
	}
}

// TestABrokenDefaultCostsWhatUsesIt: half a certificate in Default, and two
// passwords, are no concern of a session that has its own.
func TestABrokenDefaultCostsWhatUsesIt(t *testing.T) {
	t.Parallel()
	o := mustDecode(t, "Default.Password=a", "Default.PasswordFile=/b", "Default.TLSConnect=required", "Default.TLSCertFile=/c",
		"Sessions.Own.Uri=own", "Sessions.Own.Password=p", "Sessions.Own.TLSConnect=disabled", "Sessions.Uses.Uri=uses",
		"Sessions.Own.SentinelUser=x")
	_ = mustResolve(t, o, Ref{Conn: "Own"})
	for _, conn := range []string{"", "Uses", "tcp://h"} {
		_, err := o.Resolve(Ref{Conn: conn})
		require.ErrorContains(t, err, "Plugins.RedisJobs.Default.", conn)
	}
	broken := o.Broken()
	require.Len(t, broken, 2)
	require.Equal(t, "", broken[0].Session)
	require.Equal(t, "Uses", broken[1].Session)
	require.NotContains(t, fmt.Sprint(broken), "Own")
}

// TestNoErrorRepeatsAValue: a password is easily written into the wrong option, and
// errors are in logs and in the frontend.
func TestNoErrorRepeatsAValue(t *testing.T) {
	t.Parallel()
	forms := []string{
		"%s", `"%s"`, "'%s'", "%s!", "%s=", "=%s", "%s=%s", "a=%s:x", "%s:%s", "a:%s", "sidekiq:%s\x01", "tcp://%s:x", "%s://h", "tcp://%s!",
		"tcp://u:%s@h", "http://h/%%%s", "(%s", "/%s", "1%s", "INFO=a INFO=%s", "a:1=b:1 a:1=%s:2", "10.0.0.0/8 %s/33", "DRAINING:%s", "A:1,A:2,%s",
	}
	refused := 0
	for _, o := range Table() {
		name := strings.Replace(o.Name, "*", "A", 1)
		for _, form := range forms {
			value := strings.ReplaceAll(strings.ReplaceAll(form, "%s", marker), "%%", "%")
			for _, v := range []string{value, strings.ToLower(value)} {
				decoded, err := Decode(sent(t, "Timeout=3", name+"="+v), Global{})
				texts := []any{err}
				if err == nil {
					for _, b := range decoded.Broken() {
						texts = append(texts, b.Err)
					}
					for _, w := range decoded.notes {
						texts = append(texts, w)
					}
				} else {
					refused++
					require.ErrorContains(t, err, "Plugins.RedisJobs."+name, "the option is named")
				}
				if name == "Sessions.A.Uri" || name == "Default.Uri" {
					continue // a host that is valid is shown, as the address of a target
				}
				require.NotContains(t, strings.ToLower(fmt.Sprint(texts...)), strings.ToLower(marker), "%s=%s", name, v)
			}
		}
	}
	require.Greater(t, refused, 300)
	for _, v := range []string{"tcp://u:" + marker + "@h", marker + "!", "tcp://" + marker + "!", `"tcp://` + marker + `"`, marker + "://h", "tcp://h/" + marker} {
		_, err := Decode(sent(t, "Sessions.A.Uri="+v), Global{})
		require.Error(t, err)
		requireNoSecret(t, err)
	}
}
