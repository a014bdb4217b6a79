//go:build packages && linux

package packages

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// environment is what the make target sets.
func environment(t testing.TB, name string) string {
	t.Helper()
	value := os.Getenv(name)
	require.NotEmpty(t, value, "%s is not set: run make test-package", name)
	return value
}

// command runs a program and returns what it printed.
func command(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	require.NoError(t, err, "%s %s\n%s", name, strings.Join(args, " "), out)
	return string(out)
}

// sums are the digests of all files in a folder.
func sums(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		out[e.Name()] = fmt.Sprintf("%x", sha256.Sum256(data))
	}
	return out
}

// one is the only package of a kind.
func one(t testing.TB, dir, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	require.NoError(t, err)
	require.Len(t, found, 1, pattern)
	return found[0]
}

// copyTree copies what git knows or would add, to a folder elsewhere.
func copyTree(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = "../.."
	names, err := list.Output()
	require.NoError(t, err)
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names), "\x00"), "\x00") {
		data, err := os.ReadFile(filepath.Join("../..", name))
		if os.IsNotExist(err) {
			continue // deleted and not committed
		}
		require.NoError(t, err)
		st, err := os.Stat(filepath.Join("../..", name))
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, st.Mode().Perm()))
	}
	return dir
}

// TestTheSameInputGivesTheSameBytes makes the packages a second time, in another
// folder.
func TestTheSameInputGivesTheSameBytes(t *testing.T) {
	t.Parallel()
	first := sums(t, environment(t, "REDISJOBS_DIST"))
	dir := copyTree(t)
	second := exec.Command("make", "package", "VERSION="+environment(t, "REDISJOBS_VERSION"),
		"SOURCE_DATE_EPOCH="+environment(t, "SOURCE_DATE_EPOCH"), "MAINTAINER="+environment(t, "REDISJOBS_MAINTAINER"))
	second.Dir = dir
	second.Env = append(os.Environ(), "MAKEFLAGS=", "MFLAGS=")
	out, err := second.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, first, sums(t, filepath.Join(dir, "dist")))
	require.Len(t, first, 17, "6 packages, 5 archives, 5 bills, the sums")
}

func TestTheSumsAreRight(t *testing.T) {
	check := exec.Command("sha256sum", "--check", "--strict", "SHA256SUMS")
	check.Dir = environment(t, "REDISJOBS_DIST")
	out, err := check.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, 16, bytes.Count(out, []byte(": OK\n")))
}

// TestEveryFormatHasTheSameFiles looks into each package with a tool that is not
// nfpm, where this machine has one.
func TestEveryFormatHasTheSameFiles(t *testing.T) {
	dist := environment(t, "REDISJOBS_DIST")
	const conf = "etc/zabbix/zabbix_agent2.d/plugins.d/redisjobs.conf"
	for _, arch := range [][2]string{{"amd64", "x86_64"}, {"arm64", "aarch64"}} {
		listing := command(t, "dpkg-deb", "-c", one(t, dist, "*_"+arch[0]+".deb"))
		require.Regexp(t, `(?m)^-rwxr-xr-x root/root .* \./usr/sbin/zabbix-agent2-plugin/zabbix-agent2-plugin-redisjobs$`, listing)
		require.Regexp(t, `(?m)^-rw-r----- root/zabbix .* \./`+conf+`$`, listing)
		require.Contains(t, listing, "./usr/share/man/man8/zabbix-agent2-plugin-redisjobs.8.gz\n")
		require.Contains(t, listing, "./usr/share/bash-completion/completions/zabbix-agent2-plugin-redisjobs\n")
		for _, format := range []string{"6.0", "7.0", "7.4"} {
			require.Contains(t, listing, "/templates/"+format+"/redis_by_redisjobs.yaml")
			require.Contains(t, listing, "/templates/"+format+"/all_templates.yaml")
		}
		require.Equal(t, arch[0]+"\n", command(t, "dpkg-deb", "-f", one(t, dist, "*_"+arch[0]+".deb"), "Architecture"))
		require.Equal(t, "control conffiles md5sums postinst postrm preinst", strings.Join(control(t, one(t, dist, "*_"+arch[0]+".deb")), " "))

		apk := command(t, "sh", "-c", `gzip -dc "$0" 2>/dev/null | tar --ignore-zeros -tvf - 2>/dev/null`, one(t, dist, "*_"+arch[1]+".apk"))
		require.Regexp(t, `(?m)^-rw-r----- root/zabbix .* `+conf+`$`, apk)
		require.Regexp(t, `(?m)^-rwxr-xr-x root/root .* usr/sbin/zabbix-agent2-plugin/zabbix-agent2-plugin-redisjobs$`, apk)
		for _, script := range []string{"pre-install", "post-install", "post-deinstall"} {
			require.Regexp(t, `(?m) \.`+script+`$`, apk)
		}

		binary := filepath.Join("../../build/package", "linux-"+arch[0], "zabbix-agent2-plugin-redisjobs")
		require.Contains(t, command(t, "go", "version", "-m", binary), "GOARCH="+arch[0])
		tgz := command(t, "tar", "-tvzf", one(t, dist, "*-linux-"+arch[0]+".tar.gz"))
		require.Regexp(t, `(?m)^-rwxr-xr-x .*/zabbix-agent2-plugin-redisjobs$`, tgz)
		require.Contains(t, tgz, "/templates/7.4/redis_by_redisjobs.yaml")
		require.Contains(t, tgz, "/LICENSE")
	}
	if _, err := exec.LookPath("rpm"); err != nil {
		t.Log("NOT RUN: this machine has no rpm; the rpm packages were made and not looked into")
		return
	}
	for _, arch := range []string{"x86_64", "aarch64"} {
		rpm := command(t, "rpm", "-qp", "--queryformat", "[%{FILEMODES:perms} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILENAMES} %{FILEFLAGS:fflags}\n]",
			one(t, dist, "*."+arch+".rpm"))
		require.Contains(t, rpm, "-rw-r----- root:zabbix /"+conf+" cn\n", "a configuration that is not replaced")
		require.Contains(t, rpm, "-rwxr-xr-x root:root /usr/sbin/zabbix-agent2-plugin/zabbix-agent2-plugin-redisjobs")
		scripts := command(t, "rpm", "-qp", "--scripts", one(t, dist, "*."+arch+".rpm"))
		for _, script := range []string{"preinstall scriptlet", "postinstall scriptlet", "postuninstall scriptlet", "migrate --on-install"} {
			require.Contains(t, scripts, script)
		}
		require.Contains(t, command(t, "rpm", "-qp", "--requires", one(t, dist, "*."+arch+".rpm")), "zabbix-agent2\n")
	}
}

// control are the members of a deb's control archive.
func control(t testing.TB, deb string) []string {
	t.Helper()
	dir := t.TempDir()
	command(t, "dpkg-deb", "-e", deb, dir)
	var out []string
	require.NoError(t, filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			out = append(out, e.Name())
		}
		return err
	}))
	if len(out) > 1 && out[0] == "conffiles" {
		out[0], out[1] = out[1], out[0]
	}
	return out
}

func TestLintianFindsNoErrors(t *testing.T) {
	if _, err := exec.LookPath("lintian"); err != nil {
		t.Fatal("lintian is missing: apt-get install --no-install-recommends lintian (make test-package does so as root)")
	}
	for _, arch := range []string{"amd64", "arm64"} {
		out, err := exec.Command("lintian", "--allow-root", "--fail-on", "error,warning", one(t, environment(t, "REDISJOBS_DIST"), "*_"+arch+".deb")).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
}

func TestABillIsThereForEachProgram(t *testing.T) {
	dist := environment(t, "REDISJOBS_DIST")
	for system, modules := range map[string]int{"linux-amd64": 3, "linux-arm64": 3, "darwin-amd64": 2, "darwin-arm64": 2, "windows-amd64": 4} {
		data, err := os.ReadFile(one(t, dist, "*-"+system+".cdx.json"))
		require.NoError(t, err)
		var bill struct {
			Metadata struct {
				Component struct {
					Version string
					Hashes  []struct{ Content string }
				}
			}
			Components []struct{ Name, Version, PURL string }
		}
		require.NoError(t, json.Unmarshal(data, &bill))
		require.Equal(t, environment(t, "REDISJOBS_VERSION"), bill.Metadata.Component.Version)
		require.Len(t, bill.Components, modules, system)
		binary := one(t, filepath.Join("../../build/package", system), "zabbix-agent2-plugin-redisjobs*")
		program, err := os.ReadFile(binary)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("%x", sha256.Sum256(program)), bill.Metadata.Component.Hashes[0].Content)
		out := command(t, "go", "version", "-m", binary)
		for _, c := range bill.Components {
			if c.Name != "std" {
				require.Contains(t, out, c.Name+"\t"+c.Version, system)
			}
		}
		require.Equal(t, "std", bill.Components[0].Name)
		require.Equal(t, strings.TrimPrefix(runtime.Version(), "go"), bill.Components[0].Version)
	}
}
